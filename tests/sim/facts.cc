#include "tests/sim/facts.h"

#include <xxhash.h>

#include <algorithm>

#include "tests/sim/field_key.h"

namespace atolldb::sim {

namespace {
const std::vector<uint32_t> kNone;
constexpr char kIds = 'i', kRows = 'd';  // what a chunk's cursor begins with (docs/formats/peer.md, Chunk)

void classify(const crdt::Delta& delta, Update& update) {
  bool string = false, live = false, added = false, elements = false, element_live = false;
  for (const crdt::Part& part : delta.parts) {
    switch (part.name.tag) {
      case crdt::RowTag::string:
        string = true;
        for (const crdt::Live& l : part.live)
          if (!l.standing) {
            live = true;
            update.value = l.value;
            update.stamp = l.hlc;
          }
        break;
      case crdt::RowTag::total:
        for (const crdt::Live& l : part.live) {
          added = true;
          update.started = l.started;
          update.total = l.sum;
        }
        break;
      case crdt::RowTag::element:
        elements = true;
        update.rows.push_back(part.name.id);
        if (!part.live.empty()) {
          element_live = true;
          update.elements.push_back(part.subject);
        }
        break;
      case crdt::RowTag::field:
        string = true;
        for (const crdt::Live& l : part.live) {
          if (l.standing) continue;
          if (l.is_total()) {
            string = false;
            added = true;
            update.started = l.started;
            update.total = l.sum;
            continue;
          }
          live = true;
          update.value = l.value;
          update.stamp = l.hlc;
        }
        break;
      default:
        break;
    }
  }
  if (string)
    update.kind = live ? UpdateKind::set : UpdateKind::del;
  else if (added)
    update.kind = UpdateKind::add;
  else if (elements)
    update.kind = element_live ? UpdateKind::sadd : UpdateKind::srem;
  else
    update.kind = UpdateKind::del;
}
}  // namespace

Facts::Facts(const topology::Topology& topology, std::vector<uint32_t> region_of, Probes& probes)
    : topology_(topology),
      region_of_(std::move(region_of)),
      probes_(probes),
      of_partition_(topology.placement.partitions),
      machines_(region_of_.size()) {
  for (Machine& machine : machines_) {
    machine.had.resize(topology.placement.partitions);
    machine.synced.resize(topology.placement.partitions);
  }
}

void Facts::note_held(Update& update, uint32_t machine) {
  if (update.region == region_of_[machine] &&
      std::find(update.held.begin(), update.held.end(), machine) == update.held.end())
    update.held.push_back(machine);
}

void Facts::forget(uint32_t machine) {
  // What an exchange brought was there as well: a coordinator may have counted it.
  for (Update& update : updates_)
    if (synced(machine, update.partition).contains(update.dot)) note_held(update, machine);
  const uint64_t resets = machines_[machine].resets;
  machines_[machine] = {};
  machines_[machine].resets = resets;
  machines_[machine].had.resize(topology_.placement.partitions);
  machines_[machine].synced.resize(topology_.placement.partitions);
}

void Facts::begin(uint32_t machine, DiskFacts& disk) {
  forget(machine);
  machines_[machine].disk = &disk;
  if (!disk.base.empty()) machines_[machine].had = disk.base;
}

// The records behind the last checkpoint. Where a checkpoint ended and nobody was told, none of those before
// it is handed out any more.
void Facts::recovered(uint32_t machine, storage::LogPosition at, BytesView record) {
  Machine& m = machines_[machine];
  if (!std::exchange(m.pulls_known, true)) {
    const bool told = !m.disk->frozen_at || at < *m.disk->frozen_at;
    m.pulls = told ? m.disk->base_pulls : m.disk->frozen_pulls;
  }
  apply({}, machine, at, record, false);
}

void Facts::recovery_ended(uint32_t machine) {
  Machine& m = machines_[machine];
  DiskFacts& disk = *m.disk;
  if (disk.frozen_at && (m.pending.empty() || m.pending.front().at >= *disk.frozen_at)) {
    for (size_t p = 0; p < disk.frozen.size(); ++p) m.had[p].join(disk.frozen[p]);
    disk.base = disk.frozen;
    disk.base_pulls = disk.frozen_pulls;
  }
  if (!std::exchange(m.pulls_known, true)) m.pulls = disk.base_pulls;
  disk.frozen_at.reset();
  disk.frozen.clear();
  durable(machine, {UINT64_MAX});
  m.synced = m.had;
}

void Facts::checkpoint_began(uint32_t machine, storage::LogPosition at) {
  DiskFacts& disk = *machines_[machine].disk;
  disk.frozen = machines_[machine].had;
  disk.frozen_pulls = machines_[machine].pulls;
  disk.frozen_at = at;
  probes_.hit(Probe::checkpoint);
}

void Facts::checkpoint_done(uint32_t machine) {
  DiskFacts& disk = *machines_[machine].disk;
  if (!disk.frozen_at) return;
  disk.base = std::move(disk.frozen);
  disk.base_pulls = std::move(disk.frozen_pulls);
  disk.frozen.clear();
  disk.frozen_at.reset();
}

void Facts::committed(Instant now, uint32_t machine, storage::LogPosition at, BytesView record) {
  apply(now, machine, at, record, true);
}

uint32_t Facts::note(Instant now, uint32_t machine, const region::DeltaRecord& record, bool fresh) {
  const uint64_t digest =
      XXH3_64bits_withSeed(record.delta.data(), record.delta.size(), raw(record.partition));
  const uint32_t region = region_of_[machine];
  if (const auto outcome = by_outcome_.find(digest); outcome != by_outcome_.end()) {
    Update& update = updates_[outcome->second];
    if (fresh && update.entered[region] == Instant::never()) update.entered[region] = now;
    return outcome->second;
  }
  if (const auto known = by_digest_.find(digest); known != by_digest_.end()) {
    Update& update = updates_[known->second];
    if (fresh && update.entered[region] == Instant::never()) update.entered[region] = now;
    return known->second;
  }
  auto delta = crdt::decode_delta(record.delta);
  ensure(delta.has_value(), "a committed delta can be read");
  Update update;
  update.dot = delta->dot();
  update.partition = record.partition;
  update.key = delta->key;
  for (const crdt::Part& part : delta->parts)
    if (part.name.tag == crdt::RowTag::field)
      update.key = field_key(delta->key, part.name).value_or(delta->key);
  classify(*delta, update);
  if (update.kind != UpdateKind::add) {
    update.seen = machines_[machine].had[raw(record.partition)];
    for (const crdt::Part& part : delta->parts)
      if (!part.extra.empty())
        update.seen_ahead[part.name.tag == crdt::RowTag::field ? crdt::string_row() : part.name] = part.extra;
  }
  update.request_id = Bytes(record.request_id);
  update.issued = now;
  update.machine = machine;
  update.region = region;
  update.digest = digest;
  update.entered.assign(topology_.regions.size(), Instant::never());
  update.entered[region] = now;
  const auto index = update.index = static_cast<uint32_t>(updates_.size());
  const auto [at, added] = by_dot_.emplace(Name{update.partition, update.dot}, index);
  if (!added && !twice_)
    twice_ = "dot " + to_string(update.dot) + " of partition " + std::to_string(raw(update.partition)) +
             " names two updates, of keys " + updates_[at->second].key + " and " + update.key;
  by_digest_.emplace(digest, index);
  if (record.verdict != region::Verdict::none) {
    const Bytes left = crdt::encode(crdt::superseded(*delta));
    by_outcome_.emplace(XXH3_64bits_withSeed(left.data(), left.size(), raw(record.partition)), index);
    if (record.verdict == region::Verdict::absent) update.condition = region::Condition::absent;
    if (record.verdict == region::Verdict::present) update.condition = region::Condition::present;
  }
  by_key_[update.key].push_back(index);
  of_partition_[raw(update.partition)].push_back(index);
  updates_.push_back(std::move(update));
  return index;
}

// Where an outcome comes as a delta, it says so by its bytes or by a verdict that is final.
void Facts::note_verdict(uint32_t machine, const region::DeltaRecord& record, uint32_t index) {
  const Update& update = updates_[index];
  if (region::is_pending(record.verdict, record.judged)) {
    machines_[machine].superseded[{update.partition, update.dot}] =
        record.verdict == region::Verdict::superseded;
    return;
  }
  const uint64_t digest =
      XXH3_64bits_withSeed(record.delta.data(), record.delta.size(), raw(record.partition));
  if (record.verdict != region::Verdict::none || update.decided || by_outcome_.contains(digest))
    decide(index, by_outcome_.contains(digest));
}

// Everybody must carry it out alike.
void Facts::decide(uint32_t index, bool superseded) {
  Update& update = updates_[index];
  if (update.decided && superseded != (update.kind == UpdateKind::superseded) && !twice_)
    twice_ = "dot " + to_string(update.dot) + " of partition " + std::to_string(raw(update.partition)) +
             ", a conditional write to " + update.key + ", was carried out both as holding and as superseded";
  update.decided = true;
  if (superseded) update.kind = UpdateKind::superseded;
}

void Facts::apply(Instant now, uint32_t machine, storage::LogPosition at, BytesView bytes, bool fresh) {
  auto decoded = region::decode_record(bytes);
  ensure(decoded.has_value(), "a committed record can be read");
  Machine& m = machines_[machine];
  if (const auto* delta = std::get_if<region::DeltaRecord>(&*decoded)) {
    const uint32_t index = note(now, machine, *delta, fresh);
    note_verdict(machine, *delta, index);
    const Dot dot = updates_[index].dot;
    m.had[raw(delta->partition)].insert(dot);
    m.pending.push_back({at, delta->partition, dot, {}, false});
  } else if (const auto* verdict = std::get_if<region::VerdictRecord>(&*decoded)) {
    const auto last = m.superseded.find({verdict->partition, verdict->dot});
    const auto known = by_dot_.find({verdict->partition, verdict->dot});
    if (last != m.superseded.end() && known != by_dot_.end()) decide(known->second, last->second);
  } else if (const auto* begin = std::get_if<region::PullBeginRecord>(&*decoded)) {
    m.pulls[begin->partition] = {begin->clock, 0, 0, false};
  } else if (const auto* chunk = std::get_if<region::PullChunkRecord>(&*decoded)) {
    PullFacts& pull = m.pulls[chunk->partition];
    const auto is = [](char kind, BytesView cursor) { return !cursor.empty() && cursor.front() == kind; };
    if (!chunk->cursor.empty() && !is(kIds, chunk->cursor)) ++pull.staged;
    if (is(kRows, chunk->cursor) && !is(kRows, chunk->next)) pull.rows = pull.staged;
    pull.complete = chunk->last;
    if (pull.staged == 2) probes_.hit(Probe::exchange_in_chunks);
    if (!chunk->entries.empty()) probes_.hit(Probe::exchange_overtaken);
  } else if (const auto* merged = std::get_if<region::PullAppliedRecord>(&*decoded)) {
    applied(now, machine, at, merged->partition, fresh);
  } else if (const auto* abandon = std::get_if<region::PullAbandonRecord>(&*decoded)) {
    m.pulls.erase(abandon->partition);
    if (fresh) probes_.hit(Probe::exchange_abandoned);
  } else if (const auto* reset = std::get_if<region::ResetRecord>(&*decoded)) {
    m.had[raw(reset->partition)].clear();
    m.pulls.erase(reset->partition);
    m.pending.push_back({at, reset->partition, {}, {}, true});
    if (fresh) ++m.resets, probes_.hit(Probe::partition_reset);
  } else if (fresh && std::holds_alternative<region::RegainedRecord>(*decoded)) {
    probes_.hit(Probe::memory_regained);
  } else if (fresh && std::holds_alternative<region::ForgotRecord>(*decoded)) {
    probes_.hit(Probe::start_forgotten);
  }
}

// What the sender's clock claims is believed as far as somebody really issued it.
void Facts::applied(Instant now, uint32_t machine, storage::LogPosition at, PartitionId partition,
                    bool fresh) {
  Machine& m = machines_[machine];
  PullFacts& pull = m.pulls[partition];
  const uint32_t region = region_of_[machine];
  ++pull.applied;
  if (pull.applied == pull.rows) {
    m.had[raw(partition)].join(pull.clock);
    m.pending.push_back({at, partition, {}, pull.clock, false});
  }
  if (pull.complete && pull.applied == pull.staged) {
    m.pulls.erase(partition);
    if (fresh) probes_.hit(Probe::exchange_completed);
  }
  for (const uint32_t index : of_partition_[raw(partition)])
    if (updates_[index].entered[region] == Instant::never()) updates_[index].entered[region] = now;
}

void Facts::durable(uint32_t machine, storage::LogPosition below) {
  Machine& m = machines_[machine];
  while (!m.pending.empty() && m.pending.front().at < below) {
    const Pending pending = std::move(m.pending.front());
    m.pending.pop_front();
    crdt::DotSet& synced = m.synced[raw(pending.partition)];
    if (pending.cleared) {
      synced.clear();
      continue;
    }
    if (pending.joined) {
      synced.join(*pending.joined);
      continue;
    }
    synced.insert(pending.dot);
    note_held(*find(pending.partition, pending.dot), machine);
  }
}

const Update* Facts::find(PartitionId partition, const Dot& dot) const {
  const auto at = by_dot_.find({partition, dot});
  return at == by_dot_.end() ? nullptr : &updates_[at->second];
}
Update* Facts::find(PartitionId partition, const Dot& dot) {
  const auto at = by_dot_.find({partition, dot});
  return at == by_dot_.end() ? nullptr : &updates_[at->second];
}

const std::vector<uint32_t>& Facts::of_key(const Bytes& key) const {
  const auto at = by_key_.find(key);
  return at == by_key_.end() ? kNone : at->second;
}

bool Facts::ahead(uint32_t machine, PartitionId partition) const {
  const auto pull = machines_[machine].pulls.find(partition);
  return pull != machines_[machine].pulls.end() && pull->second.open();
}

uint32_t Facts::holders(const Update& update) const {
  const auto holds = [&](uint32_t machine) {
    return std::find(update.held.begin(), update.held.end(), machine) != update.held.end() ||
           synced(machine, update.partition).contains(update.dot);
  };
  uint32_t count = 0;
  const auto nodes = static_cast<uint32_t>(topology_.nodes.size());
  for (uint32_t machine = 0; machine < nodes; ++machine) {  // with its clone it is one
    if (region_of_[machine] != update.region) continue;
    const uint32_t clone = machine + nodes;
    count += holds(machine) || (clone < machines_.size() && holds(clone)) ? 1 : 0;
  }
  return count;
}

}  // namespace atolldb::sim
