// G2: a region whose inside is undisturbed answers everything, whatever becomes of the other regions and the
// links to them. The first seconds after a disturbance belong to it: takeovers, and clients with a backoff.

#include "tests/sim/checkers/checker.h"

namespace atolldb::sim {

namespace {
constexpr Duration kSettles = Duration::seconds(15);
constexpr Duration kAnswersWithin = Duration::millis(2'500);

bool inside(const Calm& calm, const Operation& o) {
  return calm.region == o.region && o.invoked >= calm.from + kSettles &&
         o.invoked + kAnswersWithin <= calm.to;
}

// What a client was told that no quorum has to do with.
bool answered_for_good(const Operation& o) {
  return o.done() || (o.rejected() &&
                      (o.code == Errc::wrong_type || o.code == Errc::invalid || o.code == Errc::overflow ||
                       o.code == Errc::refused || o.code == Errc::full || o.code == Errc::busy));
}
}  // namespace

Verdict check_available(const Evidence& e) {
  Verdict verdict{"G2"};
  for (const Operation& o : e.history)
    for (const Calm& calm : e.calm) {
      if (o.carries || !inside(calm, o)) continue;  // what a session has seen elsewhere may be waited for
      ++verdict.judged;
      if (!answered_for_good(o) || o.returned - o.invoked > kAnswersWithin)
        verdict.fail("nothing disturbs the inside of region r" + std::to_string(o.region) +
                         ", and it does not answer in time: " + describe(o),
                     {o.key});
    }
  return verdict;
}

}  // namespace atolldb::sim
