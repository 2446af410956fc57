#pragma once
// Canaries: bugs that a test build can switch on, one at a time, to prove that the checkers find them. Each
// stands as one `canary(...)` at the place where the bug would be made. Everywhere but in a second build of
// the files that hold them (ATOLL_CANARIES, tests/canaries) the answer is the constant false, and the
// compiler leaves nothing of them. Headers hold none: what was built from one would be in both builds.
// docs/testing.md has the table of who catches which.

#include <cstdint>

namespace atolldb {

// Name, and what goes wrong.
#define ATOLL_CANARY_LIST(X)                                                                    \
  X(acknowledge_at_w_minus_1, "a write is settled when W-1 replicas have it")                   \
  X(acknowledge_before_sync, "a replica acknowledges what its log has not synced")              \
  X(append_below_the_promise, "a replica takes an append below the epoch that it has promised") \
  X(promise_not_logged, "a promise is not in the log")                                          \
  X(promise_counts_too_early, "a promise counts before what it names has been fetched")         \
  X(takeover_by_one, "a candidate is active with its own promise alone")                        \
  X(takeover_settles_all, "what a takeover finds counts as settled, and is not counted anew")   \
  X(read_without_confirming, "a read is answered without asking whether the epoch stands")      \
  X(confirmed_before_the_read, "a confirmation from before the read counts")                    \
  X(read_before_settled, "a read shows what is not settled")                                    \
  X(sum_before_settled, "an increment tells a sum of which others are not settled")             \
  X(deposed_is_rejected, "what a deposed coordinator had in work is answered as rejected")      \
  X(adds_in_any_order, "an add is logged without the add before it")                            \
  X(request_id_not_kept, "an increment is committed without its request id")                    \
  X(request_ids_not_exchanged, "a complete exchange brings no request ids")                     \
  X(retry_runs_early, "a retry runs before every replica has reported")                         \
  X(forwarded_twice, "a forwarded frame that comes twice runs twice")                           \
  X(old_disk_votes, "a disk that is not the latest is not asked about")                         \
  X(actor_kept, "the actor is kept over a restart")                                             \
  X(dot_forgotten, "a restart forgets some dots")                                               \
  X(damaged_row_absent, "a damaged row counts as absent")                                       \
  X(unsettled_leaves, "an update leaves its region before it is settled")                       \
  X(outbox_dropped, "a connection that comes back loses what waited for it")                    \
  X(sibling_dropped, "a merge keeps one sibling")                                               \
  X(wall_clock_first, "a later wall clock wins over what it had been seen by")                  \
  X(clock_before_rows, "an exchange joins its clock before its rows")                           \
  X(clock_before_range, "an exchange's clock counts for ranges that have not arrived")          \
  X(exchange_ends_early, "an exchange ends with its first chunk")                               \
  X(absent_not_spoken_for, "an exchange says nothing of rows that its sender does not have")    \
  X(scan_strips_all, "rows are stripped of more than a running scan's clock covers")            \
  X(remove_without_dot, "a remove is merged and its dot is not")                                \
  X(context_not_kept, "what a late update had superseded is forgotten")                         \
  X(clear_by_element, "a clear voids the elements that are there, and none that come late")     \
  X(contexts_of_rows_merged, "what was seen of one element counts as seen of all")              \
  X(set_leaves_totals, "a set does not say which adds it has seen")                             \
  X(baseline_of_another_start, "a baseline counts for a total that started after it")           \
  X(journal_dropped, "an overwritten sibling that nobody was shown is not written down")

enum class Canary : uint8_t {
  none,
#define ATOLL_CANARY_NAME(name, what) name,
  ATOLL_CANARY_LIST(ATOLL_CANARY_NAME)
#undef ATOLL_CANARY_NAME
};

struct CanaryText {
  Canary canary;
  const char *name, *what;
};
inline constexpr CanaryText kCanaries[] = {
#define ATOLL_CANARY_TEXT(name, what) {Canary::name, #name, what},
    ATOLL_CANARY_LIST(ATOLL_CANARY_TEXT)
#undef ATOLL_CANARY_TEXT
};

#ifdef ATOLL_CANARIES
inline Canary canary_on = Canary::none;  // set between runs, never within one
inline bool canary(Canary asked) { return asked == canary_on; }
#else
constexpr bool canary(Canary) { return false; }
#endif

}  // namespace atolldb
