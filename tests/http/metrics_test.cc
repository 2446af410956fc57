#include "region/http/metrics.h"

#include <catch2/catch.hpp>

namespace atolldb::http {
namespace {

using region::Op;
using region::Outcome;
using region::Response;

Instant after(Instant begin, int64_t us) { return begin + Duration::micros(us); }

std::string line_of(const std::string& text, const std::string& name) {
  const size_t at = text.find("\n" + name + " ");
  if (at == std::string::npos) return "none";
  const size_t value = at + name.size() + 2;
  return text.substr(value, text.find('\n', value) - value);
}

TEST_CASE("meter: answers, are counted by door, operation and time") {
  Meter meter;
  Figures figures;
  const Instant begin{Duration::seconds(1'000'000).ns};
  Response rejected;
  rejected.outcome = Outcome::rejected;
  rejected.code = Errc::busy;
  meter.answered(DoorKind::http, Meter::mark(Op::set, begin), {}, after(begin, 100));
  meter.answered(DoorKind::http, Meter::mark(Op::set, begin), {}, after(begin, 101));
  meter.answered(DoorKind::resp, Meter::mark(Op::get, begin), rejected, after(begin, 9'000'000));
  figures.counts = meter.counts();
  figures.doors[0].refused_total = 4;
  const std::string text = metrics_text(figures, "{}");
  const std::string set = R"(atoll_request_duration_seconds_bucket{door="http",op="set",le=)";
  CHECK(line_of(text, set + R"("0.0001"})") == "1");
  CHECK(line_of(text, set + R"("0.00025"})") == "2");
  CHECK(line_of(text, R"(atoll_request_duration_seconds_count{door="http",op="set"})") == "2");
  const std::string get = R"(atoll_request_duration_seconds_bucket{door="resp",op="get",le=)";
  CHECK(line_of(text, get + R"("5"})") == "0");
  CHECK(line_of(text, get + R"("+Inf"})") == "1");
  CHECK(line_of(text, R"(atoll_requests_total{door="resp",outcome="rejected",code="busy"})") == "1");
  CHECK(line_of(text, R"(atoll_requests_total{door="http",outcome="done",code="ok"})") == "2");
  CHECK(line_of(text, "atoll_busy_total") == "5");
}

TEST_CASE("metrics: the node's status, is told in base units") {
  const std::string text = metrics_text(
      {}, R"({"region":"eu","ready":true,"records":30,"syncs":10,"outbox_bytes":5000,"superseded":2,
      "regions":{"us":{"lag_entries":7,"behind_ms":1500,"connected":false}}})");
  CHECK(line_of(text, R"(atoll_region_lag_entries{from="eu",to="us"})") == "7");
  CHECK(line_of(text, R"(atoll_region_behind_seconds{from="eu",to="us"})") == "1.5");
  CHECK(line_of(text, R"(atoll_region_connected{from="eu",to="us"})") == "0");
  CHECK(line_of(text, "atoll_ready") == "1");
  CHECK(line_of(text, "atoll_log_records_per_sync") == "3");
  CHECK(line_of(text, "atoll_outbox_bytes") == "5000");
  CHECK(line_of(text, "atoll_superseded_writes_total") == "2");
}

}  // namespace
}  // namespace atolldb::http
