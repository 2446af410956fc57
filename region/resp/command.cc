#include "region/resp/command.h"

#include <algorithm>
#include <charconv>

#include "region/resp/commands.h"

namespace atolldb::resp {
namespace {

char lower_letter(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

std::vector<Command> sorted_commands() {
  std::vector<Command> out;
  for (const std::span<const Command> group :
       {connection_commands(), server_commands(), key_commands(), string_commands(), set_commands(),
        hash_commands(), atoll_commands()})
    out.insert(out.end(), group.begin(), group.end());
  std::sort(out.begin(), out.end(),
            [](const Command& a, const Command& b) { return BytesView(a.name) < b.name; });
  return out;
}

}  // namespace

std::span<const Command> all_commands() {
  static const std::vector<Command> commands = sorted_commands();
  return commands;
}

const Command* find_command(BytesView name) {
  char text[32];
  if (name.size() > sizeof text) return nullptr;
  std::transform(name.begin(), name.end(), text, lower_letter);
  const BytesView wanted(text, name.size());
  const auto commands = all_commands();
  const auto at = std::lower_bound(commands.begin(), commands.end(), wanted,
                                   [](const Command& c, BytesView n) { return BytesView(c.name) < n; });
  return at != commands.end() && at->name == wanted ? &*at : nullptr;
}

std::string unknown_command(const std::vector<BytesView>& words) {
  constexpr size_t kShown = 128;
  std::string out = "ERR unknown command '" + std::string(words.front().substr(0, kShown)) +
                    "', with args beginning with: ";
  for (size_t i = 1; i < words.size() && out.size() < 2 * kShown; ++i)
    out += "'" + std::string(words[i].substr(0, kShown)) + "' ";
  if (const char* why = words.front().size() <= kShown ? why_not_offered(words.front()) : nullptr)
    out += std::string("(not offered: ") + why + ")";
  return out;
}

std::string wrong_arity(const Command& command) {
  return std::string("ERR wrong number of arguments for '") + command.name + "' command";
}

region::Request request_of(region::Op op, BytesView key) {
  region::Request request;
  request.op = op;
  request.key = key;
  return request;
}

bool equals(BytesView word, const char* option) {
  const BytesView wanted(option);
  return word.size() == wanted.size() &&
         std::equal(word.begin(), word.end(), wanted.begin(),
                    [](char a, char b) { return lower_letter(a) == lower_letter(b); });
}

Bytes lower(BytesView word) {
  Bytes out(word);
  std::transform(out.begin(), out.end(), out.begin(), lower_letter);
  return out;
}

std::optional<int64_t> parse_number(BytesView word) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (word.empty() || error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  const BytesView digits = word.front() == '-' ? word.substr(1) : word;
  if (digits.front() == '0' && word.size() > 1) return std::nullopt;
  return number;
}

Bytes random_place(Prng& random) {
  Bytes out;
  for (int i = 0; i < 2; ++i) {
    const uint64_t bits = random.next();
    out.append(reinterpret_cast<const char*>(&bits), sizeof bits);
  }
  return out;
}

}  // namespace atolldb::resp
