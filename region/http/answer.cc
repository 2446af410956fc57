// Finds the path that a call names, and what goes for all of them.

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "region/http/call.h"
#include "region/http/exchange.h"
#include "region/http/names.h"

namespace atolldb::http {
namespace {

constexpr int64_t kDeadlineMaxMs = 60'000;  // of HTTP: a waiting call holds a thread
constexpr std::array<const char*, 5> kKeyParameters{"r", "w", "local", "deadline_ms", "on_behind"};

std::vector<BytesView> parts_of(BytesView pattern) {
  std::vector<BytesView> out;
  for (pattern.remove_prefix(1);;) {
    const size_t at = pattern.find('/');
    out.push_back(pattern.substr(0, at));
    if (at == BytesView::npos) return out;
    pattern.remove_prefix(at + 1);
  }
}

bool is_any(BytesView part) { return part.front() == '{'; }

bool matches(const Path& path, const Target& target) {
  const std::vector<BytesView> parts = parts_of(path.pattern);
  return std::equal(
      parts.begin(), parts.end(), target.path.begin(), target.path.end(),
      [](BytesView part, const Bytes& found) { return is_any(part) ? !found.empty() : part == found; });
}

const Path* find_path(const Target& target) {
  for (const auto& paths : {value_paths(), collection_paths(), node_paths()})
    for (const Path& path : paths)
      if (matches(path, target)) return &path;
  return nullptr;
}

Answer other_method(const Path& path, const std::string& found) {
  std::string names;
  for (const auto& method : path.methods) names += (names.empty() ? "" : ", ") + std::string(method.name);
  Answer out = failure(405, "method_not_allowed", "found " + found + ", expected one of " + names);
  out.headers.emplace_back("Allow", names);
  return out;
}

// The parameters that the query may have; all others are mistakes.
Status check_parameters(const Path::Method& method, bool has_key, const Target& target) {
  std::vector<std::string> known(method.parameters.begin(), method.parameters.end());
  if (has_key) known.insert(known.end(), kKeyParameters.begin(), kKeyParameters.end());
  for (const auto& [name, value] : target.query) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    std::string names;
    for (const auto& one : known) names += (names.empty() ? "" : ", ") + one;
    return {Errc::invalid, "found the parameter \"" + name.substr(0, 80) + "\", expected " +
                               (names.empty() ? "none" : "one of " + names)};
  }
  return ok();
}

Result<region::Request> common_of(const Path& path, const Target& target) {
  region::Request out;
  const std::vector<BytesView> parts = parts_of(path.pattern);
  const auto key = std::find_if(parts.begin(), parts.end(), is_any);
  if (key != parts.end()) out.key = target.path[static_cast<size_t>(key - parts.begin())];
  const auto r = number(target, "r", 0, 255, 0), w = number(target, "w", 0, 255, 0);
  if (!r || !w) return r ? w.error() : r.error();
  const auto local = flag(target, "local");
  if (!local) return local.error();
  const auto deadline = number(target, "deadline_ms", 1, kDeadlineMaxMs, region::kDeadlineDefaultMs);
  if (!deadline) return deadline.error();
  if (const auto choice = target.query.find("on_behind"); choice != target.query.end()) {
    constexpr std::array<const char*, 3> kNames{"wait", "stale", "fail"};
    const auto at = std::find(kNames.begin(), kNames.end(), choice->second);
    if (at == kNames.end())
      return {Errc::invalid, "found another value of on_behind, expected wait, stale or fail"};
    out.on_behind = static_cast<region::OnBehind>(at - kNames.begin());
  }
  out.r = static_cast<uint8_t>(*r);
  out.w = static_cast<uint8_t>(*w);
  out.local = *local;
  out.deadline_ms = static_cast<uint32_t>(*deadline);
  return out;
}

// A call of a session: what its requests are answered at goes into its token.
class SessionDoor {
 public:
  SessionDoor(const Door& door, Bytes&& token) : token_(std::move(token)), door_(door) {
    door_.ask = [this, &door](region::Request&& request) {
      request.session = true;
      request.token = token_;
      region::Response response = door.ask(std::move(request));
      if (auto joined = region::join_tokens(token_, response.token)) token_ = std::move(*joined);
      if (response.behind) behind_ = response.behind;
      return response;
    };
  }
  const Door& door() const { return door_; }

  Answer finish(Answer&& answer) {
    answer.headers.emplace_back("Atoll-Session", region::token_text(token_));
    if (!behind_) return std::move(answer);
    const std::string name = door_.region_name(behind_->region);
    const bool known = behind_->ms != 0;
    answer.headers.emplace_back("Atoll-Behind", known ? name + ";ms=" + std::to_string(behind_->ms) : name);
    if (answer.status != 503) return std::move(answer);
    auto body = nlohmann::json::parse(answer.body, nullptr, false);
    if (!body.is_object() || body["code"] != name_of(Errc::behind)) return std::move(answer);
    body["region"] = name;
    body["behind_ms"] = known ? nlohmann::json(behind_->ms) : nlohmann::json();
    answer.body = body.dump();
    return std::move(answer);
  }

 private:
  Bytes token_;
  std::optional<region::Behind> behind_;
  Door door_;
};

// "new" and nothing at all begin a session.
Result<Bytes> token_of(const std::string& header) {
  if (header.empty() || header == "new") return Bytes();
  auto token = region::token_from_text(header);
  if (!token || token->empty())
    return {Errc::invalid,
            "found an Atoll-Session that is no token, expected what an answer has had there, or \"new\""};
  if (const auto pieces = region::parse_token(*token); !pieces) return pieces.error();
  return std::move(*token);
}

}  // namespace

Answer answer(const Call& call, const Door& door) {
  const auto target = parse_target(call.target);
  if (!target) return invalid(target.error().message);
  const Path* path = find_path(*target);
  if (path == nullptr)
    return failure(
        404, "no_such_path",
        "there is no such path; a slash inside of a key or member is written %2F, and neither is empty");
  const std::string name = call.method == "HEAD" ? "GET" : call.method;
  const auto method = std::find_if(path->methods.begin(), path->methods.end(),
                                   [&](const Path::Method& one) { return one.name == name; });
  if (method == path->methods.end()) return other_method(*path, call.method);
  auto common = common_of(*path, *target);
  if (!common) return invalid(common.error().message);
  if (auto known = check_parameters(*method, !common->key.empty(), *target); !known)
    return invalid(known.error().message);
  if (!call.session || common->key.empty()) return method->handler({call, *target, door, std::move(*common)});
  auto token = token_of(*call.session);
  if (!token) return failure(400, name_of(token.error().code), token.error().message);
  SessionDoor session(door, std::move(*token));
  return session.finish(method->handler({call, *target, session.door(), std::move(*common)}));
}

}  // namespace atolldb::http
