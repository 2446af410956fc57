#include "region/resp/conversation.h"

#include <algorithm>

#include "region/resp/render.h"

namespace atolldb::resp {

void Conversation::run(Script&& script) {
  script_.emplace(std::move(script));
  script_->resume();
}

namespace {

constexpr size_t kApartBytes = 80;  // of a value in a vector or a tree

size_t bytes_of(const region::Response& response) {
  size_t bytes = response.value.size();
  for (const Bytes& value : response.values) bytes += value.size();
  return bytes;
}

void refuse(region::Response& response, Errc code, std::string&& message) {
  response = {};
  response.outcome = region::Outcome::rejected;
  response.code = code;
  response.message = std::move(message);
}

}  // namespace

void Conversation::keep(size_t bytes, size_t values) {
  kept_bytes_ += bytes;
  kept_ += bytes + values * kApartBytes;
}

void Conversation::keep(const region::Response& answer) { keep(bytes_of(answer), answer.values.size()); }

void Conversation::begin(std::vector<region::Request>&& requests) {
  asked_ = std::move(requests);
  answers_.clear();
  answers_.resize(asked_.size());
  sent_ = answered_ = 0;
  answer_bytes_ = kept_bytes_;
  hold_.shrink_to(command_bytes_ + kept_);
}

std::vector<Conversation::Asked> Conversation::take_asked() {
  std::vector<Asked> out;
  for (; sent_ < asked_.size() && sent_ - answered_ < kAskedAtOnce; ++sent_)
    out.push_back({static_cast<uint32_t>(sent_), std::move(asked_[sent_])});
  return out;
}

void Conversation::answer(uint32_t number, region::Response&& response) {
  if (region::reads_key(asked_[number].op)) bound(response);
  answers_[number] = std::move(response);
  if (++answered_ < asked_.size()) return;
  asked_.clear();
  sent_ = answered_ = 0;
  script_->resume();
}

void Conversation::bound(region::Response& response) {
  const size_t bytes = bytes_of(response), held = bytes + response.values.size() * kApartBytes;
  answer_bytes_ += bytes;
  if (answer_bytes_ > kAnswerBytesMax || hold_.bytes() - command_bytes_ + held > kHeldBytesMax)
    refuse(response, Errc::too_large,
           "the values that this command reads are larger than " + std::to_string(kAnswerBytesMax >> 20) +
               " MiB together, or too many; read fewer at once");
  else if (!hold_.grow(held))
    refuse(response, Errc::busy,
           "what commands in work read fills this node's memory for it; try again soon");
}

bool Conversation::failed(const region::Response& response) {
  if (response.outcome == region::Outcome::done) return false;
  render_failure(reply, response);
  return true;
}

bool Conversation::any_failed(const std::vector<region::Response>& responses) {
  // What may have happened weighs more than what certainly has not.
  const auto worst = std::max_element(responses.begin(), responses.end(), [](const auto& a, const auto& b) {
    return static_cast<int>(a.outcome) < static_cast<int>(b.outcome);
  });
  return worst != responses.end() && failed(*worst);
}

}  // namespace atolldb::resp
