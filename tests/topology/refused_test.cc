// G10: a wrong topology is refused with its place, what was found and what was expected. Every rule of
// docs/topology.md has a row here: what the small topology says, what it says instead, and the answer.

#include <algorithm>
#include <catch2/catch.hpp>

#include "crdt/base/prng.h"
#include "tests/topology/small_topology.h"
#include "topology/format.h"
#include "topology/topology.h"

namespace atolldb::topology {
namespace {

using testing::kSmall;
using testing::small_with;

struct Refused {
  std::string_view old;
  std::string_view replacement;
  std::string_view message;
};

void check_refused(const std::string& text, std::string_view message) {
  const auto result = parse(text, "t.toml");
  INFO(text);
  REQUIRE_FALSE(result);
  CHECK(result.error().code == Errc::invalid);
  CHECK(result.error().message == message);
}

TEST_CASE("refused topology: wrong cluster, place and remedy named", "[topology][G10]") {
  const auto row = GENERATE(values<Refused>({
      {"[cluster]", "cluster = 1\n[clusters]",
       "t.toml:2:2: found unknown key \"clusters\" in the topology, expected cluster, defaults, region, node "
       "or link; did you mean \"cluster\"?"},
      {"[cluster]", "[clutser]",
       "t.toml:1:2: found unknown key \"clutser\" in the topology, expected cluster, defaults, region, node "
       "or link; did you mean \"cluster\"?"},
      {"name = \"shop\"\n", "",
       "t.toml:1:1: found no name in [cluster], expected the key name with a name: a letter or digit, then "
       "letters, digits, '-', '_' or '.', at most 63 in all"},
      {"\"shop\"", "\"my shop\"",
       "t.toml:2:8: found name = \"my shop\" in [cluster], expected a name: a letter or digit, then letters, "
       "digits, '-', '_' or '.', at most 63 in all"},
      {"\"shop\"", "17",
       "t.toml:2:8: found name = 17 in [cluster], expected a name: a letter or digit, then letters, digits, "
       "'-', '_' or '.', at most 63 in all"},
      {"\"shop\"", "\"\"",
       "t.toml:2:8: found name = \"\" in [cluster], expected a name: a letter or digit, then letters, "
       "digits, '-', '_' or '.', at most 63 in all"},
      {"seed = \"000102030405060708090a0b0c0d0e0f\"\n", "",
       "t.toml:1:1: found no seed in [cluster], expected the key seed with 32 hexadecimal digits in quotes, "
       "the same on every node for ever"},
      {"0e0f\"", "0e\"",
       "t.toml:3:8: found seed = \"000102030405060708090a0b0c0d0e\" in [cluster], expected 32 hexadecimal "
       "digits in quotes, the same on every node for ever"},
      {"0e0f\"", "0eXf\"",
       "t.toml:3:8: found seed = \"000102030405060708090a0b0c0d0eXf\" in [cluster], expected 32 hexadecimal "
       "digits in quotes, the same on every node for ever"},
      {"\"000102030405060708090a0b0c0d0e0f\"", "7",
       "t.toml:3:8: found seed = 7 in [cluster], expected 32 hexadecimal digits in quotes, the same on every "
       "node for ever"},
      {"0e0f\"\n", "0e0f\"\npartitons = 16\n",
       "t.toml:4:1: found unknown key \"partitons\" in [cluster], expected name, seed, partitions or "
       "strict_disks; did you mean \"partitions\"?"},
      {"0e0f\"\n", "0e0f\"\nzzzz = 16\n",
       "t.toml:4:1: found unknown key \"zzzz\" in [cluster], expected name, seed, partitions or "
       "strict_disks"},
      {"0e0f\"\n", "0e0f\"\npartitions = 0\n",
       "t.toml:4:14: found partitions = 0 in [cluster], expected an integer from 1 to 65536"},
      {"0e0f\"\n", "0e0f\"\npartitions = 65537\n",
       "t.toml:4:14: found partitions = 65537 in [cluster], expected an integer from 1 to 65536"},
      {"0e0f\"\n", "0e0f\"\npartitions = \"256\"\n",
       "t.toml:4:14: found partitions = \"256\" in [cluster], expected an integer from 1 to 65536"},
      {"0e0f\"\n", "0e0f\"\npartitions = 25.6\n",
       "t.toml:4:14: found partitions = a floating-point number in [cluster], expected an integer from 1 to "
       "65536"},
      {"0e0f\"\n", "0e0f\"\nstrict_disks = 1\n",
       "t.toml:4:16: found strict_disks = 1 in [cluster], expected true or false"},
  }));
  check_refused(small_with(row.old, row.replacement), row.message);
}

TEST_CASE("refused topology: wrong defaults and regions, place and remedy named", "[topology][G10]") {
  const auto row = GENERATE(values<Refused>({
      {"n = 1\n", "n = 0\n", "t.toml:6:5: found n = 0 in [defaults], expected an integer from 1 to 255"},
      {"n = 1\n", "n = 3\n",
       "t.toml:6:5: found n = 3 in [defaults] for region \"eu\" with 2 nodes, expected at most one replica a "
       "node, so n from 1 to 2"},
      {"n = 1\n", "n = 256\n", "t.toml:6:5: found n = 256 in [defaults], expected an integer from 1 to 255"},
      {"n = 1\n", "n = 1\nr = 2\n",
       "t.toml:7:5: found r = 2 in [defaults] for region \"eu\" with n = 1, expected a quorum of at most n, "
       "so r = 1"},
      {"n = 1\n", "n = 1\nw = 2\n",
       "t.toml:7:5: found w = 2 in [defaults] for region \"eu\" with n = 1, expected a quorum of at most n, "
       "so w = 1"},
      {"n = 1\n", "n = 1\nr = 0\n",
       "t.toml:7:5: found r = 0 in [defaults], expected an integer from 1 to 255"},
      {"n = 1\n", "n = 1\nw = -1\n",
       "t.toml:7:5: found w = -1 in [defaults], expected an integer from 1 to 255"},
      {"n = 1\n", "",
       "t.toml:7:1: found region \"eu\" with 2 nodes and no n, expected at least 3 nodes (n is 3 unless it "
       "is set), or n = 2 in this [[region]]"},
      {"n = 1\n", "n = 1\ndurability = \"lazy\"\n",
       "t.toml:7:14: found durability = \"lazy\" in [defaults], expected \"strict\" or \"periodic\""},
      {"n = 1\n", "n = 1\ndurability = false\n",
       "t.toml:7:14: found durability = false in [defaults], expected \"strict\" or \"periodic\""},
      {"n = 1\n", "n = 1\nmemtable_bytes = 4096\n",
       "t.toml:7:18: found memtable_bytes = 4096 in [defaults], expected an integer from 1048576 to "
       "4294967296"},
      {"n = 1\n", "n = 1\noutbox_bytes_max = 0\n",
       "t.toml:7:20: found outbox_bytes_max = 0 in [defaults], expected an integer from 1048576 to "
       "1125899906842624"},
      {"n = 1\n", "n = 1\nN = 3\n",
       "t.toml:7:1: found unknown key \"N\" in [defaults], expected n, r, w, durability, outbox_bytes_max or "
       "memtable_bytes; did you mean \"n\"?"},
      {"name = \"eu\"\n", "name = \"eu\"\nn = 3\n",
       "t.toml:10:5: found n = 3 in [[region]] \"eu\" for region \"eu\" with 2 nodes, expected at most one "
       "replica a node, so n from 1 to 2"},
      {"name = \"eu\"\n", "name = \"eu\"\nw = 2\n",
       "t.toml:10:5: found w = 2 in [[region]] \"eu\" for region \"eu\" with n = 1, expected a quorum of at "
       "most n, so w = 1"},
      {"name = \"eu\"\n", "",
       "t.toml:8:1: found no name in [[region]], expected the key name with a name: a letter or digit, then "
       "letters, digits, '-', '_' or '.', at most 63 in all"},
      {"name = \"us\"\n", "name = \"eu\"\n",
       "t.toml:12:8: found the name \"eu\" for a second time in [[region]], expected another name: line 9 "
       "has this one"},
      {"name = \"eu\"\n", "name = \"eu\"\nnodes = 3\n",
       "t.toml:10:1: found unknown key \"nodes\" in [[region]], expected name, n, r or w"},
      {"[[region]]\nname = \"us\"\n", "[[region]]\nname = \"us\"\n[[region]]\nname = \"ap\"\n",
       "t.toml:13:1: found region \"ap\" without a node, expected at least one [[node]] with region = "
       "\"ap\""},
      {"[[region]]\nname = \"eu\"\n\n[[region]]", "[region]",
       "t.toml:8:1: found region as a table, expected one [[region]] section for each"},
  }));
  check_refused(small_with(row.old, row.replacement), row.message);
}

TEST_CASE("refused topology: wrong nodes, place and remedy named", "[topology][G10]") {
  const auto row = GENERATE(values<Refused>({
      {"name = \"us\"\n", "name = \"eu-1\"\n",
       "t.toml:15:8: found the name \"eu-1\" for a second time in [[node]], expected another name: line 12 "
       "has this one"},
      {"name = \"eu-2\"", "name = \"eu-1\"",
       "t.toml:23:8: found the name \"eu-1\" for a second time in [[node]], expected another name: line 15 "
       "has this one"},
      {"number = 2", "number = 1",
       "t.toml:24:10: found number 1 for a second time in [[node]] \"eu-2\", expected another number: line "
       "16 has this one"},
      {"number = 2", "number = 0",
       "t.toml:24:10: found number = 0 in [[node]] \"eu-2\", expected an integer from 1 to 65535"},
      {"number = 2", "number = 65536",
       "t.toml:24:10: found number = 65536 in [[node]] \"eu-2\", expected an integer from 1 to 65535"},
      {"number = 2\n", "",
       "t.toml:22:1: found no number in [[node]] \"eu-2\", expected the key number with an integer from 1 to "
       "65535"},
      {"region = \"us\"", "region = \"su\"",
       "t.toml:33:10: found unknown region \"su\" in [[node]] \"us-1\", expected one of \"eu\", \"us\""},
      {"region = \"us\"\n", "",
       "t.toml:30:1: found no region in [[node]] \"us-1\", expected the key region with the name of a "
       "[[region]]"},
      {"region = \"us\"", "region = \"us\"\nzone = \"\"",
       "t.toml:34:8: found zone = \"\" in [[node]] \"us-1\", expected a name: a letter or digit, then "
       "letters, digits, '-', '_' or '.', at most 63 in all"},
      {"region = \"us\"", "region = \"us\"\nrack = \"r\"",
       "t.toml:34:1: found unknown key \"rack\" in [[node]], expected name, number, region, zone, address, "
       "ports or public_key"},
      {"address = \"127.0.0.1\"\n", "",
       "t.toml:14:1: found no address in [[node]] \"eu-1\", expected the key address with an IPv4 address or "
       "a host name, without a port"},
      {"address = \"127.0.0.1\"", "address = \"127.0.0.1:7001\"",
       "t.toml:18:11: found address = \"127.0.0.1:7001\" in [[node]] \"eu-1\", expected an IPv4 address or a "
       "host name, without a port"},
      {"address = \"127.0.0.1\"", "address = \"tcp://127.0.0.1\"",
       "t.toml:18:11: found address = \"tcp://127.0.0.1\" in [[node]] \"eu-1\", expected an IPv4 address or "
       "a host name, without a port"},
      {"address = \"127.0.0.1\"", "adress = \"127.0.0.1\"",
       "t.toml:18:1: found unknown key \"adress\" in [[node]], expected name, number, region, zone, address, "
       "ports or public_key; did you mean \"address\"?"},
      {"resp = 7002", "resp = 7001",
       "t.toml:27:18: found port 7001 of 127.0.0.1 for a second time in ports of [[node]] \"eu-2\", expected "
       "another resp: line 19 has this one"},
      {"http = 8002", "http = 7001",
       "t.toml:27:31: found port 7001 of 127.0.0.1 for a second time in ports of [[node]] \"eu-2\", expected "
       "another http: line 19 has this one"},
      {"resp = 7002", "resp = 7002, rsep = 1",
       "t.toml:27:24: found unknown key \"rsep\" in ports of [[node]] \"eu-2\", expected resp, http, peer or "
       "client; did you mean \"resp\"?"},
      {"resp = 7002, ", "",
       "t.toml:27:9: found no resp in ports of [[node]] \"eu-2\", expected the key resp with an integer from "
       "1 to 65535"},
      {"resp = 7002", "resp = 0",
       "t.toml:27:18: found resp = 0 in ports of [[node]] \"eu-2\", expected an integer from 1 to 65535"},
      {"resp = 7002", "resp = 65536",
       "t.toml:27:18: found resp = 65536 in ports of [[node]] \"eu-2\", expected an integer from 1 to 65535"},
      {"ports = { resp = 7001, http = 8001, peer = 9001, client = 10001 }\n", "",
       "t.toml:14:1: found no ports in [[node]] \"eu-1\", expected the key ports with { resp = PORT, http = "
       "PORT, peer = PORT, client = PORT }"},
      {"{ resp = 7001, http = 8001, peer = 9001, client = 10001 }", "7001",
       "t.toml:19:9: found ports = 7001 in [[node]] \"eu-1\", expected { resp = PORT, http = PORT, peer = "
       "PORT, client = PORT }"},
      {"\npublic_key = \"", "\npublic_key = \"x",
       "t.toml:20:14: found public_key = \"xRKW{F*j<(9o3c#ba6[[7hREK$ca#h:o)Q[Kuy2<q\" in [[node]] \"eu-1\", "
       "expected a CURVE public key: 40 characters of Z85, as `atoll topology keygen` prints it"},
      {"\npublic_key = \"", "\nkey = \"",
       "t.toml:20:1: found unknown key \"key\" in [[node]], expected name, number, region, zone, address, "
       "ports or public_key; did you mean \"public_key\"?"},
      {"127.0.0.1\"\n", "127.0.0.1\"\nZone = \"x\"\n",
       "t.toml:19:1: found unknown key \"Zone\" in [[node]], expected name, number, region, zone, address, "
       "ports or public_key; did you mean \"zone\"?"},
  }));
  check_refused(small_with(row.old, row.replacement), row.message);
}

TEST_CASE("refused topology: wrong links, place and remedy named", "[topology][G10]") {
  const auto row = GENERATE(values<Refused>({
      {"[[region]]", "[[regions]]",
       "t.toml:8:3: found unknown key \"regions\" in the topology, expected cluster, defaults, region, node "
       "or link; did you mean \"region\"?"},
      {"between = [\"eu\", \"us\"]\n", "",
       "t.toml:38:1: found no between in [[link]], expected the key between with the names of two different "
       "regions: [\"eu\", \"us\"]"},
      {"[\"eu\", \"us\"]", "[\"eu\", \"ap\"]",
       "t.toml:39:18: found unknown region \"ap\" in [[link]], expected one of \"eu\", \"us\""},
      {"[\"eu\", \"us\"]", "[\"eu\", \"eu\"]",
       "t.toml:39:11: found a link between a region and itself, expected the names of two different regions: "
       "[\"eu\", \"us\"]"},
      {"[\"eu\", \"us\"]", "[\"eu\"]",
       "t.toml:39:11: found between = an array in [[link]], expected the names of two different regions: "
       "[\"eu\", \"us\"]"},
      {"[\"eu\", \"us\"]", "[\"eu\", 1]",
       "t.toml:39:11: found between = an array in [[link]], expected the names of two different regions: "
       "[\"eu\", \"us\"]"},
      {"[\"eu\", \"us\"]", "\"eu\"",
       "t.toml:39:11: found between = \"eu\" in [[link]], expected the names of two different regions: "
       "[\"eu\", \"us\"]"},
      {"[\"eu\", \"us\"]\n", "[\"eu\", \"us\"]\n[[link]]\nbetween = [\"us\", \"eu\"]\n",
       "t.toml:41:11: found a second [[link]] between \"us\" and \"eu\", expected one section for each pair "
       "of regions"},
      {"[\"eu\", \"us\"]\n", "[\"eu\", \"us\"]\ndelay = 40\n",
       "t.toml:40:1: found unknown key \"delay\" in [[link]], expected between, delay_ms or "
       "bytes_per_second_max; did you mean \"delay_ms\"?"},
      {"[\"eu\", \"us\"]\n", "[\"eu\", \"us\"]\ndelay_ms = 60001\n",
       "t.toml:40:12: found delay_ms = 60001 in [[link]], expected an integer from 0 to 60000"},
      {"[\"eu\", \"us\"]\n", "[\"eu\", \"us\"]\ndelay_ms = \"40ms\"\n",
       "t.toml:40:12: found delay_ms = \"40ms\" in [[link]], expected an integer from 0 to 60000"},
      {"[\"eu\", \"us\"]\n", "[\"eu\", \"us\"]\nbytes_per_second_max = 0\n",
       "t.toml:40:24: found bytes_per_second_max = 0 in [[link]], expected an integer from 1 to "
       "1125899906842624"},
  }));
  check_refused(small_with(row.old, row.replacement), row.message);
}

TEST_CASE("refused topology: text that is no TOML, place and remedy named", "[topology][G10]") {
  const auto row = GENERATE(values<Refused>({
      {"[[region]]", "[region]",
       "t.toml:11:1: found text that is no TOML (Error while parsing table header: cannot redefine existing "
       "table 'region' as array-of-tables), expected TOML 1.0 (https://toml.io)"},
      {"number = 2", "number = 99999999999999999999",
       "t.toml:24:30: found text that is no TOML (Error while parsing decimal integer: "
       "'99999999999999999999' is not representable in 64 bits), expected TOML 1.0 (https://toml.io)"},
      {"name = \"shop\"", "name = shop",
       "t.toml:2:8: found text that is no TOML (Error while parsing value: could not determine value type), "
       "expected TOML 1.0 (https://toml.io)"},
      {"name = \"shop\"", "name = \"shop\"\nname = \"x\"",
       "t.toml:3:8: found text that is no TOML (Error while parsing key-value pair: cannot redefine existing "
       "string 'name'), expected TOML 1.0 (https://toml.io)"},
      {"name = \"shop\"", "name \"shop\"", "t.toml:2:6: found '\"', expected '='"},
      {"[cluster]", "[cluster", "t.toml:1:9: found '\\n', expected ']'"},
      {"name = \"shop\"", "name = \"sh\xff\"",
       "t.toml:2:10: found text that is no TOML (Encountered invalid utf-8 sequence), expected TOML 1.0 "
       "(https://toml.io)"},
      {"name = \"shop\"", "name = \"shop",
       "t.toml:2:13: found text that is no TOML (Error while parsing string: unescaped control characters "
       "other than TAB (U+0009) are explicitly prohibited), expected TOML 1.0 (https://toml.io)"},
  }));
  check_refused(small_with(row.old, row.replacement), row.message);
}

TEST_CASE("refused topology: parts missing, the first one named", "[topology][G10]") {
  check_refused("", "t.toml:1:1: found no [cluster], expected a [cluster] section with name and seed");
  check_refused("[cluster]\nname = \"shop\"\nseed = \"000102030405060708090a0b0c0d0e0f\"\n",
                "t.toml:1:1: found no [[region]], expected at least one region");
}

TEST_CASE("refused topology: two unknown keys, the first in the file's order named", "[topology][G10]") {
  check_refused(
      small_with("0e0f\"\n", "0e0f\"\nzz = 1\naa = 2\n"),
      "t.toml:4:1: found unknown key \"zz\" in [cluster], expected name, seed, partitions or strict_disks");
}

TEST_CASE("refused topology: a key used by two nodes, the first one's line named", "[topology][G10]") {
  const std::string text(kSmall);
  const auto key_at = [&](size_t from) { return text.find("public_key", from); };
  const std::string first = text.substr(key_at(0), text.find('\n', key_at(0)) - key_at(0));
  const size_t second = key_at(key_at(0) + 1);
  check_refused(
      std::string(text).replace(second, first.size(), first),
      "t.toml:28:14: found this public key for a second time in [[node]] \"eu-2\", expected another "
      "public_key: line 20 has this one");
}

// 40 characters of the right alphabet can still stand for more than 32 bits in a group of five.
TEST_CASE("refused topology: a key that decodes to no bytes, refused", "[topology][G10]") {
  const std::string text(kSmall);
  const size_t at = text.find("public_key = \"") + 14;
  CHECK_FALSE(parse(std::string(text).replace(at, 5, "#####"), "t.toml"));
  CHECK_FALSE(parse(std::string(text).replace(at, 5, "0000~"), "t.toml"));
  CHECK(parse(std::string(text).replace(at, 5, "00000"), "t.toml"));
}

TEST_CASE("refused topology: too many bytes, brackets or regions, refused in bounded memory",
          "[topology][G10]") {
  check_refused(std::string((4 << 20) + 1, '#'),
                "t.toml:1:1: found more than 4194304 bytes, expected at most that many");
  CHECK_FALSE(parse("x = " + std::string(1 << 20, '['), "t.toml"));
  std::string text(kSmall);
  for (int i = 0; i < 300; ++i) text += "[[region]]\nname = \"r" + std::to_string(i) + "\"\n";
  const auto result = parse(text, "t.toml");
  REQUIRE_FALSE(result);
  CHECK(result.error().message == "t.toml:548:1: found more than 256 regions, expected at most that many");
}

TEST_CASE("refused topology: bytes changed at random, a place named or a topology that can be written",
          "[topology][G10]") {
  Prng prng(20261121);
  int refused = 0;
  for (int run = 0; run < 3000; ++run) {
    std::string text(kSmall);
    for (uint64_t edits = 1 + prng.below(4); edits > 0; --edits) {
      const size_t at = prng.below(text.size());
      const size_t count = prng.below(std::min<size_t>(text.size() - at, 12));
      if (prng.chance(1, 2))
        text.replace(at, count, text, prng.below(text.size()), prng.below(12));
      else
        text[at] = static_cast<char>(prng.below(256));
    }
    INFO(text);
    const auto result = parse(text, "t.toml");
    if (result) {
      CHECK(parse(format(*result), "t.toml"));
    } else {
      ++refused;
      const std::string& message = result.error().message;
      CHECK(message.starts_with("t.toml:"));
      CHECK(message.find(": found ") < message.find(", expected "));
      CHECK(message.find('\n') == std::string::npos);
    }
  }
  CHECK(refused > 1000);
  CHECK(refused < 3000);
}

TEST_CASE("refused topology: a long value, shortened between characters in the message", "[topology][G10]") {
  std::string name;
  for (int i = 0; i < 40; ++i) name += "\xc3\xa9";
  const auto result = parse(small_with("\"shop\"", "\"x" + name + "\""), "t.toml");
  REQUIRE_FALSE(result);
  CHECK(result.error().message.find("\"x" + name.substr(0, 46) + "...\" in [cluster]") != std::string::npos);
}

}  // namespace
}  // namespace atolldb::topology
