#include "region/resp/conversation.h"

#include <algorithm>

#include "region/resp/render.h"

namespace atolldb::resp {

void Conversation::run(Script&& script) {
  script_.emplace(std::move(script));
  script_->resume();
}

void Conversation::begin(std::vector<region::Request>&& requests) {
  asked_ = std::move(requests);
  answers_.clear();
  answers_.resize(asked_.size());
  sent_ = answered_ = answer_bytes_ = 0;
}

std::vector<Conversation::Asked> Conversation::take_asked() {
  std::vector<Asked> out;
  for (; sent_ < asked_.size() && sent_ - answered_ < kAskedAtOnce; ++sent_)
    out.push_back({static_cast<uint32_t>(sent_), std::move(asked_[sent_])});
  return out;
}

void Conversation::answer(uint32_t number, region::Response&& response) {
  answer_bytes_ += response.value.size();
  for (const Bytes& value : response.values) answer_bytes_ += value.size();
  if (answer_bytes_ > kAnswerBytesMax && region::reads_key(asked_[number].op)) {
    response = {};
    response.outcome = region::Outcome::rejected;
    response.code = Errc::too_large;
    response.message = "the values that this command reads are larger than " +
                       std::to_string(kAnswerBytesMax >> 20) + " MiB together; read fewer at once";
  }
  answers_[number] = std::move(response);
  if (++answered_ < asked_.size()) return;
  asked_.clear();
  sent_ = answered_ = 0;
  script_->resume();
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
