#include "region/http/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "region/http/names.h"

namespace atolldb::http {
namespace {

using nlohmann::json;
using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

using Labels = std::vector<ClientMetric::Label>;

constexpr std::array<const char*, kDoors> kDoorNames{"client", "resp", "http"};

class Families {
 public:
  MetricFamily& add(MetricType type, const char* name, const char* help) {
    MetricFamily family;
    family.name = name;
    family.help = help;
    family.type = type;
    families_.push_back(std::move(family));
    return families_.back();
  }
  void gauge(const char* name, const char* help, double value) {
    set(add(MetricType::Gauge, name, help), {}, value);
  }
  void counter(const char* name, const char* help, double value) {
    set(add(MetricType::Counter, name, help), {}, value);
  }
  static void set(MetricFamily& family, Labels&& labels, double value) {
    ClientMetric metric;
    metric.label = std::move(labels);
    if (family.type == MetricType::Counter)
      metric.counter.value = value;
    else
      metric.gauge.value = value;
    family.metric.push_back(std::move(metric));
  }
  std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  std::vector<MetricFamily> families_;
};

double number(const json& object, const char* name) {
  const auto at = object.find(name);
  if (at == object.end()) return 0;
  if (at->is_boolean()) return at->get<bool>() ? 1 : 0;
  return at->is_number() ? at->get<double>() : 0;
}

ClientMetric histogram_of(const Latencies& latencies, Labels&& labels) {
  ClientMetric metric;
  metric.label = std::move(labels);
  uint64_t sum = 0;
  for (size_t i = 0; i < latencies.counts.size(); ++i) {
    sum += latencies.counts[i];
    const double bound =
        i < kLatencyBounds.size() ? kLatencyBounds[i] : std::numeric_limits<double>::infinity();
    metric.histogram.bucket.push_back({sum, bound});
  }
  metric.histogram.sample_count = sum;
  metric.histogram.sample_sum = latencies.seconds;
  return metric;
}

void add_latencies(Families& families, const Counts& counts) {
  MetricFamily& family = families.add(MetricType::Histogram, "atoll_request_duration_seconds",
                                      "Time from a request's arrival to its answer, by door and operation.");
  for (size_t door = 0; door < kDoors; ++door)
    for (size_t op = 0; op < kOps; ++op) {
      ClientMetric metric =
          histogram_of(counts.latencies[door][op],
                       {{"door", kDoorNames[door]}, {"op", name_of(static_cast<region::Op>(op))}});
      if (metric.histogram.sample_count > 0) family.metric.push_back(std::move(metric));
    }
}

void add_outcomes(Families& families, const Counts& counts) {
  MetricFamily& family = families.add(MetricType::Counter, "atoll_requests_total",
                                      "Requests answered, by door, outcome and code.");
  for (size_t door = 0; door < kDoors; ++door)
    for (size_t outcome = 0; outcome < kOutcomes; ++outcome)
      for (size_t code = 0; code < kCodes; ++code) {
        const uint64_t count = counts.outcomes[door][outcome][code];
        const bool always = outcome == 0 && code == 0;
        if (count == 0 && !always) continue;
        Families::set(family,
                      {{"door", kDoorNames[door]},
                       {"outcome", name_of(static_cast<region::Outcome>(outcome))},
                       {"code", code == 0 ? "ok" : name_of(static_cast<Errc>(code))}},
                      static_cast<double>(count));
      }
}

void add_doors(Families& families, const Figures& figures) {
  const auto fill = [&](MetricType type, const char* name, const char* help, auto&& value) {
    MetricFamily& family = families.add(type, name, help);
    for (size_t door = 0; door < kDoors; ++door)
      Families::set(family, {{"door", kDoorNames[door]}}, static_cast<double>(value(figures.doors[door])));
  };
  fill(MetricType::Gauge, "atoll_connections", "Connections that are open, by door.",
       [](const DoorFigures& door) { return door.connections; });
  fill(MetricType::Counter, "atoll_connections_opened_total", "Connections since the start, by door.",
       [](const DoorFigures& door) { return door.connections_total; });
  fill(MetricType::Counter, "atoll_door_refused_total",
       "Connections and requests that a door turned away over one of its limits.",
       [](const DoorFigures& door) { return door.refused_total; });
}

void add_regions(Families& families, const json& status) {
  const auto regions = status.find("regions");
  if (regions == status.end()) return;
  const auto from = status.find("region");
  const std::string here = from != status.end() && from->is_string() ? from->get<std::string>() : "";
  constexpr std::array<std::array<const char*, 3>, 4> kGauges{{
      {"lag_entries", "atoll_region_lag_entries",
       "Updates settled here that the other region has not confirmed."},
      {"behind_ms", "atoll_region_behind_seconds", "How far this node is behind the other region."},
      {"connected", "atoll_region_connected",
       "1: a node of the other region is up, as far as this one hears."},
      {"streams_open", "atoll_region_streams_open", "Streams to the other region that it has answered."},
  }};
  for (const auto& [field, name, help] : kGauges) {
    MetricFamily& family = families.add(MetricType::Gauge, name, help);
    const double unit = std::string(field) == "behind_ms" ? 1e-3 : 1;
    for (const auto& [other, region] : regions->items())
      Families::set(family, {{"from", here}, {"to", other}}, unit * number(region, field));
  }
}

void add_losses(Families& families, const json& status) {
  const auto regions = status.find("regions");
  if (regions == status.end()) return;
  constexpr std::array<std::array<const char*, 3>, 3> kCounters{{
      {"streams_lost", "atoll_region_streams_lost_total",
       "Streams to the other region whose target went down."},
      {"streams_stalled", "atoll_region_streams_stalled_total",
       "Streams to the other region that were sent again from what is confirmed, for nothing was heard."},
      {"exchanges", "atoll_region_exchanges_total",
       "Partitions that were offered whole to the other region, for deltas were gone."},
  }};
  for (const auto& [field, name, help] : kCounters) {
    MetricFamily& family = families.add(MetricType::Counter, name, help);
    for (const auto& [other, region] : regions->items())
      Families::set(family, {{"from", status.value("region", "")}, {"to", other}}, number(region, field));
  }
}

void add_node(Families& families, const json& status) {
  const auto gauge = [&](const char* field, const char* name, const char* help) {
    families.gauge(name, help, number(status, field));
  };
  gauge("ready", "atoll_ready", "1: the node has a vote, and its partitions have coordinators.");
  gauge("has_room", "atoll_has_room",
        "1: the node takes writes; 0: they wait for a checkpoint, or for the disk.");
  gauge("disk_full", "atoll_disk_full", "1: the disk has no room, writes are refused.");
  gauge("has_reserve", "atoll_has_reserve", "1: the node takes at least what removes.");
  gauge("epochs_held", "atoll_partitions_coordinated", "Partitions that this node coordinates.");
  gauge("partitions", "atoll_partitions", "Partitions that this node holds a replica of.");
  gauge("unsettled", "atoll_unsettled_entries", "Updates that entered and are not settled yet.");
  gauge("in_work", "atoll_requests_in_work", "Requests that wait for something.");
  gauge("outbox_entries", "atoll_outbox_entries", "Updates that a replica or region has not confirmed.");
  gauge("outbox_bytes", "atoll_outbox_bytes", "Bytes of the updates in the outbox.");
  gauge("log_bytes", "atoll_log_bytes", "Bytes of the log segments that are kept.");
  gauge("memtable_bytes", "atoll_memtable_bytes", "Bytes of the memtables.");
  gauge("map_bytes", "atoll_map_bytes", "Bytes used in LMDB.");
  const double records = number(status, "records"), syncs = number(status, "syncs");
  families.counter("atoll_log_records_total", "Records written to the log.", records);
  families.counter("atoll_log_syncs_total", "Syncs of the log: one serves all records written before it.",
                   syncs);
  families.gauge("atoll_log_records_per_sync", "Records that shared a sync, on average since the start.",
                 syncs > 0 ? records / syncs : 0);
  families.counter("atoll_checkpoints_total", "Checkpoints done.", number(status, "checkpoints"));
  families.counter("atoll_slowed_writes_total",
                   "Writes that waited until a checkpoint had made room for them.", number(status, "slowed"));
  families.counter("atoll_superseded_writes_total",
                   "Conditional writes that came to light late and were found not to hold.",
                   number(status, "superseded"));
}

void add_process(Families& families, const Figures& figures) {
  families.gauge("process_resident_memory_bytes", "Resident memory.",
                 static_cast<double>(figures.resident_bytes));
  families.counter("process_cpu_seconds_total", "User and system CPU time.", figures.cpu_seconds);
  families.gauge("atoll_uptime_seconds", "Time since the process opened its doors.", figures.uptime_seconds);
}

void add_busy(Families& families, const Figures& figures) {
  uint64_t busy = 0;
  for (const auto& door : figures.counts.outcomes)
    busy += door[static_cast<size_t>(region::Outcome::rejected)][static_cast<size_t>(Errc::busy)];
  for (const DoorFigures& door : figures.doors) busy += door.refused_total;
  families.counter("atoll_busy_total", "Everything that was turned away because too much was in work.",
                   static_cast<double>(busy));
}

}  // namespace

std::string metrics_text(const Figures& figures, BytesView status_text) {
  json status = json::parse(status_text, nullptr, false);
  if (!status.is_object()) status = json::object();
  Families families;
  add_latencies(families, figures.counts);
  add_outcomes(families, figures.counts);
  add_doors(families, figures);
  add_busy(families, figures);
  add_regions(families, status);
  add_losses(families, status);
  add_node(families, status);
  add_process(families, figures);
  return families.text();
}

}  // namespace atolldb::http
