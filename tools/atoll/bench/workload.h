#pragma once
// What `atoll bench` asks: a mix of operations over a key space. The same seed gives the same requests.
//
// Operations of different types have keys of their own ("s:17" strings, "n:17" counters, "e:17" sets).

#include <cstdint>
#include <string>
#include <vector>

#include "crdt/base/prng.h"
#include "crdt/base/result.h"
#include "region/core/request.h"

namespace atolldb::tools {

struct MixPart {
  region::Op op{};
  std::string name;
  uint32_t weight = 0;
};

// "get=50,set=30,incr=10,sadd=10". Errc::invalid says which word is wrong and what is known.
Result<std::vector<MixPart>> parse_mix(const std::string& text);

// Ranks 0 .. n-1 with probability proportional to 1 / (rank + 1)^0.99, after Gray et al., "Quickly generating
// billion-record synthetic databases", SIGMOD 1994. Making one takes time linear in n.
class Zipf {
 public:
  explicit Zipf(uint64_t n);
  uint64_t next(Prng& dice) const;

 private:
  uint64_t n_;
  double zeta_ = 0, alpha_ = 0, eta_ = 0, second_ = 0;
};

struct WorkloadConfig {
  std::vector<MixPart> mix;
  uint64_t keys = 100'000;
  uint32_t value_bytes = 100;
  bool zipf = false;
  std::string prefix = "bench:";
  uint64_t seed = 1;
};

class Workload {
 public:
  explicit Workload(const WorkloadConfig& config);

  // Index into the mix.
  size_t pick();
  region::Request make(size_t part);
  // SETs key number `index`, for filling the key space.
  region::Request make_fill(uint64_t index);

 private:
  uint64_t key_number();
  std::string key(char type, uint64_t number) const;
  Bytes value();

  WorkloadConfig config_;
  Prng dice_;
  std::vector<Zipf> zipf_;  // one, or none where keys are uniform
  uint32_t weights_ = 0;
  Bytes noise_;  // values are windows of it
};

}  // namespace atolldb::tools
