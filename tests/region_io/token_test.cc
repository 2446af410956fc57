// Tokens: what nodes make, what clients may do with them, and what is refused.

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "crdt/base/prng.h"
#include "region/io/token_key.h"

namespace atolldb::region {
namespace {

constexpr RegionId kEu{0}, kUs{1}, kAp{2};

topology::Topology cluster(const std::string& name = "shop") {
  topology::Topology out;
  out.cluster = name;
  out.placement.seed = {0x0123456789abcdefULL, 0xfedcba9876543210ULL};
  out.regions.resize(3);
  return out;
}

const TokenKey& key() {
  static const TokenKey kept(cluster(), "a secret of thirty-two characters");
  return kept;
}

Bytes hex(std::string_view digits) {
  Bytes out;
  for (size_t i = 0; i + 1 < digits.size(); i += 2)
    out.push_back(static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16)));
  return out;
}

std::string to_hex(BytesView bytes) {
  std::string out;
  for (const char byte : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    out += kDigits[static_cast<uint8_t>(byte) >> 4];
    out += kDigits[static_cast<uint8_t>(byte) & 15];
  }
  return out;
}

}  // namespace

TEST_CASE("token: its bytes, as docs/formats/token.md has them", "[G14]") {
  const Bytes golden =
      hex("01"
          "0000"
          "0196f3a1c0000007"
          "ea510a5bc57449ad08d0bf06667d1bf4"
          "0002"
          "0196f3a1d4440000"
          "6433c914ca5ff717f829fe45c0bd2ade");
  const Seen seen{{kEu, 0x0196f3a1c0000007ULL}, {kAp, 0x0196f3a1d4440000ULL}};
  CHECK(to_hex(key().make(seen)) == to_hex(golden));
  const auto opened = key().open(golden);
  REQUIRE(opened);
  CHECK(*opened == seen);
  CHECK(token_text(golden) == "AQAAAZbzocAAAAfqUQpbxXRJrQjQvwZmfRv0AAIBlvOh1EQAAGQzyRTKX_cX-Cn-RcC9Kt4");
  CHECK(token_from_text(token_text(golden)) == golden);
}

TEST_CASE("token: joined by whoever has no secret, of each region the later piece", "[G8]") {
  Prng dice(7);
  for (int round = 0; round < 200; ++round) {
    Seen a, b;
    for (const RegionId region : {kEu, kUs, kAp}) {
      if (dice.chance(2, 3)) join(a, {region, 1 + dice.below(5)});
      if (dice.chance(2, 3)) join(b, {region, 1 + dice.below(5)});
    }
    Seen both = a;
    join(both, b);
    const auto joined = join_tokens(key().make(a), key().make(b));
    REQUIRE(joined);
    const auto opened = key().open(*joined);
    REQUIRE(opened);
    CHECK(*opened == both);
    CHECK(*joined == key().make(both));
  }
  const Bytes one = key().make({{kUs, 9}});
  CHECK(join_tokens({}, one).value() == one);
  CHECK(join_tokens(one, {}).value() == one);
  CHECK(key().open(join_tokens({}, {}).value()).value().empty());
}

TEST_CASE("token: every bit flipped and every length, refused", "[G8][G10]") {
  const Bytes token = key().make({{kEu, 0x0196f3a1c0000007ULL}, {kAp, 0x0196f3a1d4440000ULL}});
  for (size_t bit = 0; bit < 8 * token.size(); ++bit) {
    Bytes other = token;
    other[bit / 8] = static_cast<char>(other[bit / 8] ^ (1 << bit % 8));
    INFO("bit " << bit);
    CHECK_FALSE(key().open(other));
  }
  for (size_t size = 0; size < token.size(); ++size) {
    if (size == 1 || size == 1 + TokenPiece::kBytes) continue;  // whole pieces are a token of an earlier time
    INFO("size " << size);
    CHECK(key().open(BytesView(token).substr(0, size)).error().code == Errc::corrupt);
  }
  CHECK_FALSE(key().open(token + "x"));
}

TEST_CASE("token: another cluster's, another secret's, another version's, refused with the reason",
          "[G8][G10]") {
  const Seen seen{{kUs, 77}};
  const auto code = [](const TokenKey& maker, const Seen& what) {
    return key().open(maker.make(what)).error().code;
  };
  CHECK(code(TokenKey(cluster("other"), "a secret of thirty-two characters"), seen) == Errc::corrupt);
  CHECK(code(TokenKey(cluster(), "another secret of so many letters"), seen) == Errc::corrupt);
  CHECK(code(TokenKey(cluster(), {}), seen) == Errc::corrupt);
  CHECK(code(key(), {{RegionId{3}, 77}}) == Errc::invalid);
  Bytes newer = key().make(seen);
  newer[0] = 2;
  CHECK(key().open(newer).error().code == Errc::version);
  CHECK(key().open(newer).error().message == "token: found version 2, this node reads version 1");
}

TEST_CASE("token: pieces out of order, twice, or without a stamp, refused", "[G8][G10]") {
  const Bytes eu = key().make({{kEu, 5}}).substr(1), us = key().make({{kUs, 5}}).substr(1);
  const auto code = [](const Bytes& pieces) { return key().open("\1" + pieces).error().code; };
  CHECK(key().open("\1" + eu + us));
  CHECK(code(us + eu) == Errc::corrupt);
  CHECK(code(eu + eu) == Errc::corrupt);
  CHECK(code(key().make({{kEu, 0}}).substr(1)) == Errc::corrupt);
  Bytes many = "\1";
  for (size_t i = 0; i <= kSeenRegionsMax; ++i)
    many += key().make({{RegionId{static_cast<uint16_t>(i)}, 5}}).substr(1);
  CHECK(key().open(many).error().code == Errc::too_large);
}

TEST_CASE("token: as text, one form each and nothing else taken", "[G10]") {
  Prng dice(3);
  for (size_t size = 0; size < 80; ++size) {
    Bytes bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(dice.next());
    CHECK(token_from_text(token_text(bytes)) == bytes);
  }
  for (const char* text : {"A", "AAAAA", "AB", "AA==", "A+", "A/", "A A", "\xff\xff"}) {
    INFO(text);
    CHECK_FALSE(token_from_text(text));
  }
}

TEST_CASE("token secret: no file, a good one, and what is none", "[G10]") {
  const auto path = std::filesystem::temp_directory_path() / ("atoll-token-" + std::to_string(getpid()));
  const auto write = [&](const std::string& text) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
    return read_token_secret(path.string());
  };
  std::filesystem::remove(path);
  CHECK(read_token_secret(path.string()).value().secret.empty());
  CHECK(write(std::string(40, 's') + "\n").value().secret == std::string(40, 's'));
  CHECK(write("short\n").error().code == Errc::invalid);
  CHECK(write(std::string(40, 's') + "\n" + std::string(40, 's') + "\n").error().code == Errc::invalid);
  CHECK(write(std::string(5000, 's')).error().code == Errc::invalid);
  std::filesystem::remove(path);
}

}  // namespace atolldb::region
