// The judge of the cluster tests must itself be able to say no.

#include "tests/cluster/ledger.h"

#include <catch2/catch.hpp>

namespace atolldb::tests {
namespace {

bool fine(const std::string& judgement) { return judgement.empty(); }

TEST_CASE("ledger: a text, must be there after done and may after unknown", "[cluster]") {
  CHECK(fine(judge(Text{"k", "v", Outcome::done, {}}, "v")));
  CHECK_FALSE(fine(judge(Text{"k", "v", Outcome::done, {}}, std::nullopt)));
  CHECK_FALSE(fine(judge(Text{"k", "v", Outcome::done, {}}, "w")));
  CHECK(fine(judge(Text{"k", "v", Outcome::unknown, {}}, "v")));
  CHECK(fine(judge(Text{"k", "v", Outcome::unknown, {}}, std::nullopt)));
  CHECK_FALSE(fine(judge(Text{"k", "v", Outcome::unknown, {}}, "w")));
  CHECK(fine(judge(Text{"k", "v", Outcome::rejected, {}}, std::nullopt)));
  CHECK_FALSE(fine(judge(Text{"k", "v", Outcome::rejected, {}}, "v")));
}

TEST_CASE("ledger: a deleted text, must be gone after done and may after unknown", "[cluster]") {
  const auto text = [](Outcome deleted) { return Text{"k", "v", Outcome::done, deleted}; };
  CHECK(fine(judge(text(Outcome::done), std::nullopt)));
  CHECK_FALSE(fine(judge(text(Outcome::done), "v")));
  CHECK(fine(judge(text(Outcome::unknown), "v")));
  CHECK(fine(judge(text(Outcome::unknown), std::nullopt)));
  CHECK(fine(judge(text(Outcome::rejected), "v")));
  CHECK_FALSE(fine(judge(text(Outcome::rejected), std::nullopt)));
}

TEST_CASE("ledger: a register, the last done or an unknown one after it", "[cluster]") {
  const Register reg{"k", 5, {7, 8}};
  CHECK(fine(judge(reg, "5")));
  CHECK(fine(judge(reg, "8")));
  CHECK_FALSE(fine(judge(reg, "4")));
  CHECK_FALSE(fine(judge(reg, "6")));
  CHECK_FALSE(fine(judge(reg, std::nullopt)));
  CHECK(fine(judge(Register{"k", 0, {}}, std::nullopt)));
}

TEST_CASE("ledger: an element and a count, within what was told", "[cluster]") {
  CHECK(fine(judge(Element{"k", "e", Outcome::done}, true)));
  CHECK_FALSE(fine(judge(Element{"k", "e", Outcome::done}, false)));
  CHECK_FALSE(fine(judge(Element{"k", "e", Outcome::rejected}, true)));
  CHECK(fine(judge(Element{"k", "e", Outcome::unknown}, true)));
  CHECK(fine(judge("k", Count{5, 2}, "7")));
  CHECK_FALSE(fine(judge("k", Count{5, 2}, "8")));
  CHECK_FALSE(fine(judge("k", Count{5, 2}, "4")));
  CHECK_FALSE(fine(judge("k", Count{1, 0}, std::nullopt)));
}

}  // namespace
}  // namespace atolldb::tests
