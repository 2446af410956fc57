#include "region/http/target.h"

#include <optional>

#include "region/http/encoding.h"

namespace atolldb::http {
namespace {

// What stands before the separator; `rest` begins behind it.
BytesView split(BytesView& rest, char separator) {
  const size_t at = rest.find(separator);
  const BytesView part = rest.substr(0, at);
  rest = at == BytesView::npos ? BytesView() : rest.substr(at + 1);
  return part;
}

Error broken_escape(BytesView text) {
  return {Errc::invalid, "found \"" + std::string(text.substr(0, 80)) +
                             "\", expected two hexadecimal digits behind each percent sign"};
}

}  // namespace

Result<Target> parse_target(BytesView text) {
  if (text.empty() || text.front() != '/')
    return {Errc::invalid, "found a target that does not begin with a slash, expected a path"};
  Target target;
  BytesView query = text.substr(1);
  BytesView path = split(query, '?');
  for (bool more = true; more;) {
    more = path.find('/') != BytesView::npos;
    const BytesView part = split(path, '/');
    auto decoded = percent_decoded(part);
    if (!decoded) return broken_escape(part);
    target.path.push_back(std::move(*decoded));
  }
  while (!query.empty()) {
    BytesView value = split(query, '&');
    if (value.empty()) continue;
    auto name = percent_decoded(split(value, '='));
    auto decoded = percent_decoded(value);
    if (!name || !decoded) return broken_escape(name ? value : text);
    if (!target.query.emplace(*name, std::move(*decoded)).second)
      return {Errc::invalid, "found a parameter twice, expected each one once"};
  }
  return target;
}

}  // namespace atolldb::http
