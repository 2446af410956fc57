#include "tests/sim/probes.h"

namespace atolldb::sim {

std::string_view Probes::name(Probe probe) {
  switch (probe) {
    case Probe::takeover:
      return "takeover";
    case Probe::takeover_with_in_flight:
      return "takeover with updates in flight";
    case Probe::write_deposed:
      return "write at a deposed coordinator";
    case Probe::epoch_refused:
      return "message below the promised epoch refused";
    case Probe::handover:
      return "partition handed over";
    case Probe::exchange_completed:
      return "exchange completed";
    case Probe::exchange_in_chunks:
      return "exchange of more than one chunk";
    case Probe::exchange_overtaken:
      return "exchange with what entered meanwhile";
    case Probe::exchange_abandoned:
      return "exchange cut in the middle";
    case Probe::start_forgotten:
      return "start of another node forgotten";
    case Probe::memory_lost:
      return "memory lost";
    case Probe::memory_regained:
      return "memory regained";
    case Probe::too_few_kept_theirs:
      return "too few disks kept their memory";
    case Probe::newcomer_stopped:
      return "clone stopped beside its original";
    case Probe::passed_over_stopped:
      return "original stopped after its clone took over";
    case Probe::partition_reset:
      return "partition began again after damage";
    case Probe::checkpoint:
      return "checkpoint";
    case Probe::outbox_cut:
      return "outbox cut";
    case Probe::write_refused_full:
      return "full disk refused a write";
    case Probe::removed_from_reserve:
      return "full disk took a remove from its reserve";
    case Probe::journal_row_written:
      return "journal row written";
    case Probe::sibling_kept:
      return "sibling behind the winner";
    case Probe::retry_found:
      return "retry found by its request id";
    case Probe::request_id_behind:
      return "request id of another epoch rejected";
    case Probe::relayed:
      return "message relayed inside a region";
    case Probe::count_:
      break;
  }
  return "?";
}

}  // namespace atolldb::sim
