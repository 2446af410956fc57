#include "wan/io/counted_message.h"

#include <cstring>
#include <new>

#include "crdt/base/ensure.h"

namespace atolldb::wan {
namespace {

// Stands in front of the bytes in one allocation.
struct Owner {
  std::shared_ptr<ByteGauge> queue;
  size_t size;
};

void release(void*, void* hint) {
  auto* owner = static_cast<Owner*>(hint);
  owner->queue->subtract(owner->size);
  owner->~Owner();
  ::operator delete(hint);
}

}  // namespace

void init_counted(zmq_msg_t* message, std::string_view head, BytesView body,
                  const std::shared_ptr<ByteGauge>& queue) {
  const size_t size = head.size() + body.size();
  void* memory = ::operator new(sizeof(Owner) + size);
  new (memory) Owner{queue, size};
  char* bytes = static_cast<char*>(memory) + sizeof(Owner);
  if (!head.empty()) std::memcpy(bytes, head.data(), head.size());
  if (!body.empty()) std::memcpy(bytes + head.size(), body.data(), body.size());
  queue->add(size);
  ensure(zmq_msg_init_data(message, bytes, size, &release, memory) == 0, "out of memory for a message");
}

}  // namespace atolldb::wan
