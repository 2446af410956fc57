#include "region/resp/connection.h"

#include <algorithm>
#include <utility>

namespace atolldb::resp {

namespace {
constexpr size_t kInputKept = 16u << 10;  // memory of an input buffer that has run empty
constexpr size_t kScriptWordsMax = 128u << 10;
constexpr const char* kNoRoom = "BUSY commands in work fill this node's memory for them; try again soon";

// A script has its words, and makes requests of them whose answers come back together.
size_t script_bytes(const std::vector<BytesView>& words) {
  size_t bytes = words.size() * (sizeof(Bytes) + sizeof(region::Request) + sizeof(region::Response));
  for (const BytesView word : words) bytes += 2 * word.size();
  return bytes;
}
}  // namespace

Connection::Connection(uint64_t id, std::string peer, const Node& node, Prng& random,
                       const ConnectionLimits& limits)
    : node_(node), random_(random), limits_(limits), parser_(limits.parser) {
  session_.id = id;
  session_.peer = std::move(peer);
}

Connection::~Connection() = default;

// While a command is incomplete, as much as it needs; else what may wait behind those in work.
size_t Connection::input_wanted() const {
  return blocked() ? limits_.input_bytes_max : std::max(limits_.input_bytes_max, parser_.size_at_least() + 1);
}

bool Connection::blocked() const {
  const size_t output_max = pressed_ ? limits_.output_bytes_pressed : limits_.output_bytes_max;
  return barrier_ != nullptr || (awaits_all_ && !slots_.empty()) || slots_.size() >= pipeline_max() ||
         output_bytes() + unwritten_ >= output_max;
}

size_t Connection::pipeline_max() const {
  const size_t fit = (pressed_ ? limits_.output_bytes_pressed : limits_.output_bytes_max) / reply_bytes_;
  return std::max<size_t>(1, std::min({limits_.pipeline_max, limits_.pipeline_first + answered_, fit}));
}

// The largest one fades, so that one large value among many small ones slows a pipeline for a while only.
void Connection::note_reply(size_t bytes) {
  answered_ = std::min(answered_ + 1, limits_.pipeline_max);
  reply_bytes_ = std::max({size_t{1}, bytes, reply_bytes_ - reply_bytes_ / 16});
}

void Connection::receive(BytesView bytes, std::vector<Asked>& asked) {
  if (closing()) return;
  if (input_.size() == read_) {  // mostly all of it is begun where it lies
    bytes.remove_prefix(begin_commands(bytes, asked));
    input_.assign(bytes);
    read_ = 0;
    return;
  }
  input_.append(bytes);
  go_on(asked);
}

void Connection::go_on(std::vector<Asked>& asked) {
  if (input_.size() == read_ || blocked()) return;
  read_ += begin_commands(BytesView(input_).substr(read_), asked);
  if (read_ == input_.size()) {
    input_.clear();
    if (input_.capacity() > kInputKept) Bytes().swap(input_);
    read_ = 0;
  } else if (read_ > input_.size() / 2) {
    input_.erase(0, read_);
    read_ = 0;
  }
}

size_t Connection::begin_commands(BytesView bytes, std::vector<Asked>& asked) {
  size_t begun = 0;
  while (!closing() && !blocked()) {
    const Parsed parsed = parser_.parse(bytes.substr(begun));
    if (parsed == Parsed::incomplete) break;
    if (parsed == Parsed::error) {
      reply_error("ERR " + parser_.error());
      session_.closing = true;
      return bytes.size();
    }
    if (!parser_.words().empty()) {
      awaits_all_ = !slots_.empty() && looks_at_all_keys(parser_.words());
      if (awaits_all_) {  // read again when its turn has come
        parser_.next();
        break;
      }
      begin_command(asked);
    }
    begun += parser_.size();
    parser_.next();
  }
  return closing() ? bytes.size() : begun;
}

// A command about all keys sees what the commands before it did, whichever keys those were about.
bool Connection::looks_at_all_keys(const std::vector<BytesView>& words) const {
  const Command* command = find_command(words.front());
  return command != nullptr && command->script != nullptr && command->first_key == 0;
}

// Replies go straight to the output where nothing is before them.
Output& Connection::output_for_new_slot(Slot& slot) { return slots_.empty() ? output_ : slot.reply; }

// A command that is answered already, where output_for_new_slot() said.
void Connection::push_done(Slot&& slot) {
  slot.done = true;
  slot.reply_bytes = slot.reply.size();
  ahead_bytes_ += slot.reply_bytes;
  if (!slots_.empty()) slots_.push_back(std::move(slot));
  finish_slots();
}

void Connection::reply_error(BytesView text) {
  Slot slot;
  Writer(output_for_new_slot(slot), session_.protocol).error(text);
  push_done(std::move(slot));
}

void Connection::begin_command(std::vector<Asked>& asked) {
  const std::vector<BytesView>& words = parser_.words();
  ++commands_;
  const Command* command = find_command(words.front());
  if (command == nullptr) {
    // A web page that posts to this port: what follows its head would be taken for commands.
    if (equals(words.front(), "post") || equals(words.front(), "host:")) session_.closing = true;
    return reply_error(unknown_command(words));
  }
  const auto count = static_cast<int>(words.size());
  if (command->arity >= 0 ? count != command->arity : count < -command->arity)
    return reply_error(wrong_arity(*command));
  if (command->script != nullptr) return begin_script(*command, asked);
  Slot slot;
  Call call{words, session_, node_, random_, Writer(output_for_new_slot(slot), session_.protocol)};
  command->run(call);
  if (!call.request) {
    slot.later = call.later;
    slot.protocol = session_.protocol;
    if (call.later != nullptr && slots_.empty()) {
      Writer reply(output_, session_.protocol);
      call.later(reply, session_, node_);
    }
    return push_done(std::move(slot));
  }
  slot.held = Hold(*node_.room);
  if (!slot.held.grow(region::bytes_of(*call.request))) return reply_error(kNoRoom);
  slot.read = region::reads_key(call.request->op);
  slot.render = call.render;
  slot.option = call.option;
  slot.protocol = session_.protocol;
  prepare(*call.request);
  asked.push_back({first_slot_ + static_cast<uint32_t>(slots_.size()), 0, std::move(*call.request)});
  slots_.push_back(std::move(slot));
}

void Connection::begin_script(const Command& command, std::vector<Asked>& asked) {
  const std::vector<BytesView>& words = parser_.words();
  if (words.size() > kScriptWordsMax)
    return reply_error("ERR found " + std::to_string(words.size()) + " words, expected at most " +
                       std::to_string(kScriptWordsMax) + " in a command of several keys");
  Hold hold(*node_.room);
  if (!hold.grow(script_bytes(words))) return reply_error(kNoRoom);
  Slot slot;
  slot.conversation = std::make_unique<Conversation>(std::vector<Bytes>(words.begin(), words.end()),
                                                     session_.protocol, random_, std::move(hold));
  slot.protocol = session_.protocol;
  Conversation& conversation = *slot.conversation;
  conversation.run(command.script(conversation, node_));
  const uint32_t number = first_slot_ + static_cast<uint32_t>(slots_.size());
  slots_.push_back(std::move(slot));
  if (conversation.done()) {
    Slot whole = std::move(slots_.back());
    slots_.pop_back();
    Output& output = output_for_new_slot(whole);
    output.append(std::move(conversation.output));
    return push_done(std::move(whole));
  }
  take_asked(number, conversation, asked);
  // What it has not asked yet would be overtaken.
  if ((command.flags & Command::kOneStep) == 0 || conversation.has_more_to_ask()) barrier_ = &conversation;
}

void Connection::take_asked(uint32_t slot, Conversation& conversation, std::vector<Asked>& asked) {
  for (Conversation::Asked& one : conversation.take_asked()) {
    prepare(one.request);
    asked.push_back({slot, one.number, std::move(one.request)});
  }
}

void Connection::prepare(region::Request& request) const {
  request.r = session_.r;
  request.w = session_.w;
  request.session = true;
  request.on_behind = session_.on_behind;
  if (session_.continued) request.seen = session_.seen;
}

void Connection::heard(Slot& slot, const region::Response& response) {
  region::join(session_.seen, {node_.region_id, response.seen});
  if (response.behind && (!slot.behind || slot.behind->ms < response.behind->ms))
    slot.behind = response.behind;
}

void Connection::answer(uint32_t number, uint32_t part, region::Response&& response,
                        std::vector<Asked>& asked) {
  const uint32_t index = number - first_slot_;
  if (index >= slots_.size() || slots_[index].done) return;
  Slot& slot = slots_[index];
  heard(slot, response);
  const size_t before = index == 0 ? output_.size() : 0;
  if (slot.conversation) {
    slot.conversation->answer(part, std::move(response));
    if (!slot.conversation->done()) return take_asked(number, *slot.conversation, asked);
    if (barrier_ == slot.conversation.get()) barrier_ = nullptr;
    slot.reply = std::move(slot.conversation->output);
    slot.conversation.reset();
    slot.reply_bytes = slot.reply.size();
    note_reply(slot.reply_bytes);
  } else {
    if (slot.read && !node_.room->fits_unread(response.value.size(), output_bytes() + unwritten_)) {
      response = {};
      response.outcome = region::Outcome::rejected;
      response.code = Errc::busy;
      response.message = "replies that clients have not taken fill this node's memory for them";
    }
    slot.held.shrink_to(0);
    Writer reply(index == 0 ? output_ : slot.reply, slot.protocol);
    if (response.outcome == region::Outcome::done)
      slot.render(reply, std::move(response), slot.option);
    else
      render_failure(reply, response);
    slot.reply_bytes = slot.reply.size();
    note_reply(index == 0 ? output_.size() - before : slot.reply_bytes);
  }
  ahead_bytes_ += slot.reply_bytes;
  slot.done = true;
  finish_slots();
  go_on(asked);
}

void Connection::finish_slots() {
  while (!slots_.empty() && (slots_.front().done || slots_.front().later != nullptr)) {
    ahead_bytes_ -= slots_.front().reply_bytes;
    if (slots_.front().later != nullptr) {
      Writer reply(output_, slots_.front().protocol);
      slots_.front().later(reply, session_, node_);
    } else {
      session_.behind = slots_.front().behind;
    }
    output_.append(std::move(slots_.front().reply));
    slots_.pop_front();
    ++first_slot_;
  }
  output_bytes_ = output_.size();
}

std::vector<Bytes> Connection::take_output() {
  output_bytes_ = 0;
  return output_.take();
}

void Connection::set_unwritten(size_t bytes, bool pressed, std::vector<Asked>& asked) {
  unwritten_ = bytes;
  pressed_ = pressed;
  go_on(asked);
}

}  // namespace atolldb::resp
