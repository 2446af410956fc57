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
      {Canary::promise_counts_too_early, "gaps", 1, 40},
      {Canary::takeover_by_one, "epochs", 1, 200},
      {Canary::takeover_settles_all, "restarts", 1, 60},
      {Canary::read_without_confirming, "epochs", 1, 150},
      {Canary::confirmed_before_the_read, "epochs", 1, 150},
      {Canary::read_before_settled, "adds", 1, 60},
      {Canary::sum_before_settled, "adds", 1, 80},
      {Canary::deposed_is_rejected, "epochs", 1, 150},
      {Canary::adds_in_any_order, "adds", 1, 80},
      {Canary::request_id_not_kept, "everything", 1, 20},
      {Canary::request_ids_not_exchanged, "gaps", 1, 80},
      {Canary::retry_runs_early, "epochs", 1, 150},
      {Canary::forwarded_twice, "everything", 1, 30},
      {Canary::old_disk_votes, "everything", 1, 40},
      {Canary::actor_kept, "restarts", 1, 40},
      {Canary::dot_forgotten, "everything", 1, 20},
      {Canary::damaged_row_absent, "damage", 1, 40},
      {Canary::unsettled_leaves, "restarts", 1, 40},
      {Canary::outbox_dropped, "everything", 1, 20},
      {Canary::sibling_dropped, "everything", 1, 20},
      {Canary::wall_clock_first, "everything", 1, 40},
      {Canary::clock_before_rows, "everything", 1, 20},
      {Canary::clock_before_range, "everything", 1, 20},
      {Canary::exchange_ends_early, "model", 1, 4000},
      {Canary::absent_not_spoken_for, "everything", 1, 40},
      {Canary::scan_strips_all, "model", 1, 40'000},
      {Canary::remove_without_dot, "everything", 1, 20},
      {Canary::context_not_kept, "everything", 1, 20},
      {Canary::clear_by_element, "everything", 1, 20},
      {Canary::contexts_of_rows_merged, "model", 1, 8000},
      {Canary::set_leaves_totals, "everything", 1, 20},
      {Canary::baseline_of_another_start, "everything", 1, 60},
      {Canary::journal_dropped, "everything", 1, 20},
  };
  return kHunts;
}

}  // namespace atolldb::canaries
