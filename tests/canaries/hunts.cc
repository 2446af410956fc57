// Where each canary sings soonest. What a random seed finds stays with everything; the rest has a scenario
// that makes its cause common. Budgets leave room for changes that draw other seeds.

#include "tests/canaries/hunt.h"

namespace atolldb::canaries {

const std::vector<Hunt>& hunts() {
  static const std::vector<Hunt> kHunts = {
      {Canary::acknowledge_at_w_minus_1, "everything", 1, 20},
      {Canary::acknowledge_before_sync, "everything", 1, 20},
      {Canary::append_below_the_promise, "epochs", 1, 40},
      {Canary::promise_not_logged, "promises", 1, 100},
      {Canary::promise_counts_too_early, "votes", 1, 100},
      {Canary::takeover_by_one, "epochs", 1, 200},
      {Canary::takeover_settles_all, "restarts", 1, 60},
      {Canary::read_without_confirming, "epochs", 1, 150},
      {Canary::confirmed_before_the_read, "epochs", 1, 150},
      {Canary::read_before_settled, "sums", 1, 80},
      {Canary::sum_before_settled, "sums", 1, 80},
      {Canary::deposed_is_rejected, "epochs", 1, 150},
      {Canary::adds_in_any_order, "retries", 1, 400},
      {Canary::request_id_not_kept, "everything", 1, 20},
      {Canary::request_ids_not_exchanged, "gaps", 1, 250},
      {Canary::retry_runs_early, "retries", 1, 150},
      {Canary::forwarded_twice, "lossy", 1, 150},
      {Canary::old_disk_votes, "everything", 1, 100},
      {Canary::actor_kept, "restarts", 1, 40},
      {Canary::dot_forgotten, "everything", 1, 20},
      {Canary::damaged_row_absent, "damage", 1, 40},
      {Canary::unsettled_leaves, "unsynced", 1, 300},
      {Canary::outbox_dropped, "everything", 1, 20},
      {Canary::sibling_dropped, "everything", 1, 20},
      {Canary::wall_clock_first, "apart", 1, 60},
      {Canary::clock_before_rows, "everything", 1, 20},
      {Canary::clock_before_range, "everything", 1, 20},
      {Canary::exchange_ends_early, "model", 1, 4000},
      {Canary::absent_not_spoken_for, "everything", 1, 80},
      {Canary::scan_strips_all, "model", 1, 40'000},
      {Canary::remove_without_dot, "everything", 1, 20},
      {Canary::context_not_kept, "everything", 1, 20},
      {Canary::clear_by_element, "churn", 1, 60},
      {Canary::contexts_of_rows_merged, "model", 1, 8000},
      {Canary::set_leaves_totals, "everything", 1, 20},
      {Canary::baseline_of_another_start, "apart", 1, 60},
      {Canary::journal_dropped, "everything", 1, 20},
      {Canary::removed_returns, "returns", 2, 40},
      {Canary::element_kept, "everything", 1, 20},
      {Canary::digest_left, "everything", 1, 20},
      {Canary::siblings_left, "apart", 1, 40},
      {Canary::context_of_the_future, "model", 1, 8000},
      {Canary::field_keeps_totals, "model", 1, 8000},
      {Canary::promise_asked_once, "everything", 1, 60},
      {Canary::fenced_goes_on, "epochs", 1, 60},
      {Canary::replica_not_exchanged, "gaps", 1, 80},
      {Canary::region_not_exchanged, "everything", 1, 100},
      {Canary::delete_not_waited_for, "deletes", 1, 250},
      {Canary::request_id_of_elsewhere, "apart", 1, 100},
      {Canary::random_not_of_the_seed, "twice", 1, 3},
      {Canary::memory_from_one, "votes", 1, 60},
      {Canary::wall_clock_unbounded, "clocks", 1, 30},
      {Canary::remove_by_name, "everything", 1, 40},
      {Canary::stamps_alone, "model", 1, 8000},
      {Canary::failed_sync_ignored, "disk errors", 1, 100},
      {Canary::refused_write_counts, "disk errors", 1, 100},
      {Canary::checksum_without_place, "disk", 1, 100},
      {Canary::tail_not_synced, "disk errors", 1, 200},
      {Canary::rows_before_records, "disk", 1, 100},
      {Canary::start_waits_for_regions, "alone", 1, 10},
  };
  return kHunts;
}

}  // namespace atolldb::canaries
