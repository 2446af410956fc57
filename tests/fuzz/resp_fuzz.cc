// Whatever a Redis client may send: the parser says the same however the bytes are cut, and a connection
// stays within its bounds, answers each request once and ends when it says so.

#include <algorithm>
#include <cstdlib>

#include "region/resp/connection.h"
#include "tests/fuzz/input.h"

using namespace atolldb;
using fuzz::check;

namespace {

struct Read {
  std::vector<std::vector<Bytes>> commands;
  std::string error;
  friend bool operator==(const Read&, const Read&) = default;
};

// All commands of the bytes, which arrive in pieces of `step`.
Read read_all(BytesView bytes, size_t step) {
  Read out;
  resp::CommandParser parser;
  size_t begin = 0;
  for (size_t end = std::min(step, bytes.size()); begin < bytes.size();) {
    const resp::Parsed parsed = parser.parse(bytes.substr(begin, end - begin));
    if (parsed == resp::Parsed::error) {
      out.error = parser.error();
      check(!out.error.empty(), "an error without a sentence");
      break;
    }
    if (parsed == resp::Parsed::command) {
      check(parser.size() > 0 && parser.size() <= end - begin, "a command longer than what there is");
      out.commands.emplace_back(parser.words().begin(), parser.words().end());
      begin += parser.size();
      parser.next();
    } else if (end == bytes.size()) {
      break;
    } else {
      end = std::min(end + step, bytes.size());
    }
    end = std::max(end, begin);
  }
  return out;
}

resp::Node some_node() {
  resp::Node node;
  node.name = "eu-1";
  node.region = "eu";
  node.figures = [] { return resp::NodeFigures{}; };
  node.region_name = [](RegionId) { return std::string("eu"); };
  node.make_token = [](const region::Seen& seen) { return Bytes(1 + seen.size(), '\1'); };
  node.open_token = [](BytesView token) -> Result<region::Seen> {
    const auto pieces = region::parse_token(token);
    if (!pieces) return pieces.error();
    region::Seen seen;
    for (const region::TokenPiece& piece : *pieces) region::join(seen, piece.seen);
    return seen;
  };
  return node;
}

// What a node might answer, drawn from the input.
region::Response some_response(fuzz::Input& input) {
  region::Response response;
  response.outcome = static_cast<region::Outcome>(input.below(3));
  response.code = static_cast<Errc>(input.below(12));
  response.found = input.below(2) == 1;
  response.number = static_cast<int64_t>(input.below(1 << 16));
  response.value = input.text(20);
  response.message = input.text(20);
  response.seen = static_cast<uint64_t>(response.number);
  for (size_t i = input.below(4); i > 0; --i) response.values.push_back(input.text(10));
  return response;
}

void drive_connection(fuzz::Input& input) {
  static const resp::Node node = some_node();
  Prng random{1};
  resp::ConnectionLimits limits;
  limits.pipeline_max = 16;
  limits.output_bytes_max = 4096;
  limits.input_bytes_max = 4096;
  resp::Connection connection(1, "client:1", node, random, limits);
  std::vector<resp::Connection::Asked> asked;
  while (!input.at_end() && !connection.finished()) {
    if (connection.takes_input()) connection.receive(input.rest_piece(), asked);
    check(asked.size() <= 4096, "more requests in work than the pipeline may have");
    // Half of them now, in another order than they came.
    while (!asked.empty() && input.below(4) != 0) {
      const resp::Connection::Asked one = std::move(asked.back());
      asked.pop_back();
      connection.answer(one.slot, one.number, some_response(input), asked);
    }
    if (!connection.takes_input() && asked.empty() && !connection.has_output()) break;
    for (const Bytes& out : connection.take_output()) check(!out.empty(), "an empty piece of output");
    connection.set_unwritten(0, false, asked);
  }
  for (size_t left = 10'000; !asked.empty() && left > 0; --left) {
    const resp::Connection::Asked one = std::move(asked.back());
    asked.pop_back();
    connection.answer(one.slot, one.number, {}, asked);
    connection.take_output();
    connection.set_unwritten(0, false, asked);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const size_t step = 1 + input.below(7);
  const bool whole_connection = input.below(2) == 1;
  if (whole_connection) {
    drive_connection(input);
    return 0;
  }
  const BytesView bytes = input.rest();
  check(read_all(bytes, step) == read_all(bytes, SIZE_MAX), "the cuts between pieces change what was read");
  return 0;
}
