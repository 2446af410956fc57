#pragma once
// One part of a received message.

#include <zmq.h>

#include "crdt/base/bytes.h"

namespace atolldb::wan {

class Message {
 public:
  Message() { zmq_msg_init(&message_); }
  ~Message() { zmq_msg_close(&message_); }
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;

  // Replaces the content. False: nothing has arrived.
  bool receive(void* socket) { return zmq_msg_recv(&message_, socket, ZMQ_DONTWAIT) >= 0; }
  bool more() const { return zmq_msg_more(&message_) != 0; }
  BytesView bytes() const {
    return {static_cast<const char*>(zmq_msg_data(&message_)), zmq_msg_size(&message_)};
  }
  // What the connection is known for ("User-Id"); null where it is not.
  const char* property(const char* name) const { return zmq_msg_gets(&message_, name); }

 private:
  mutable zmq_msg_t message_;  // ZeroMQ's getters take it as not const
};

}  // namespace atolldb::wan
