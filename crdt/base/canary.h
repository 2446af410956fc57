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
  X(cleared_row_shown, "what a clear has excluded is shown until its row has gone")             \
  X(sweep_ends_early, "of a large collection that is cleared, the first rows go")               \
  X(sweep_not_kept, "a restart forgets what is being cleared")                                  \
  X(contexts_of_rows_merged, "what was seen of one element counts as seen of all")              \
  X(set_leaves_totals, "a set does not say which adds it has seen")                             \
  X(baseline_of_another_start, "a baseline counts for a total that started after it")           \
  X(journal_dropped, "an overwritten sibling that nobody was shown is not written down")        \
  X(removed_returns, "a dot that the clock covers and no row holds is taken for new")           \
  X(element_kept, "of what both sides hold, nothing is voided")                                 \
  X(digest_left, "a row that goes stays in the digest")                                         \
  X(siblings_left, "a set supersedes the value that is shown, and no other sibling")            \
  X(context_of_the_future, "what a client's context names counts as seen, held or not")         \
  X(field_keeps_totals, "a field that is set does not say which adds it has seen")              \
  X(promise_asked_once, "a candidate asks once for each promise")                               \
  X(fenced_goes_on, "a coordinator does not hear that it is deposed")                           \
  X(replica_not_exchanged, "a replica that lacks what the outbox has lost is not told")         \
  X(region_not_exchanged, "a region that lacks what the outbox has lost is not told")           \
  X(delete_not_waited_for, "a read that finds nothing does not wait for the delete")            \
  X(request_id_of_elsewhere, "a request id of another region is taken")                         \
  X(random_not_of_the_seed, "something random does not come from the seed")                     \
  X(memory_from_one, "a node that lost its memory votes again after one exchange")              \
  X(wall_clock_unbounded, "a node far ahead of the others stamps with its own clock")           \
  X(remove_by_name, "an element that was removed stays out, whoever adds it anew")              \
  X(stamps_alone, "of two values with equal stamps the first in the row wins")                  \
  X(failed_sync_ignored, "a sync that failed counts as done")                                   \
  X(refused_write_counts, "a write to the log that the disk refused counts as done")            \
  X(checksum_without_place, "a log record verifies at any place and in any life")               \
  X(tail_not_synced, "what recovery has read counts as durable as it lies there")               \
  X(rows_before_records, "a checkpoint does not wait until its records are synced")             \
  X(start_waits_for_regions, "a node that starts waits for every other region")                 \
  X(verdict_without_epoch, "of two verdicts the one that came first counts")                    \
  X(takeover_gives_no_verdict, "a takeover does not judge what came to light late")             \
  X(late_condition_holds, "a conditional write that comes late holds, whatever is there now")   \
  X(verdict_overtaken, "requests overtake a conditional write whose verdict is not settled")    \
  X(token_ignored, "what a session has seen in another region is not asked for")                \
  X(marker_joined_before_rows, "a marker counts as covered before what it names is here")

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
