// What the node tells about itself.

#include <nlohmann/json.hpp>

#include "region/http/exchange.h"
#include "region/http/openapi.h"

namespace atolldb::http {
namespace {

using nlohmann::json;
using region::Op;
using region::Outcome;
using region::Response;

// The process lives and takes calls; whether it can serve them is /readyz.
Answer healthz(const Exchange&) {
  Answer out;
  out.type = "text/plain";
  out.body = "ok\n";
  return out;
}

Answer readyz(const Exchange& exchange) {
  const Response response = exchange.ask(Op::status);
  if (response.outcome != Outcome::done) return failure(response);
  json status = json::parse(response.value, nullptr, false);
  if (!status.is_object()) status = json::object();
  const bool leaving = status.value("leaving", false);
  if (status.value("ready", false) && !leaving) return json_answer({{"ready", true}});
  return failure(503, "unavailable",
                 leaving ? "this node is stopping"
                         : "this node is not ready: standing " + status.value("standing", "unknown") +
                               ", or a partition without a coordinator that it reaches");
}

Answer status(const Exchange& exchange) {
  Response response = exchange.ask(Op::status);
  if (response.outcome != Outcome::done) return failure(response);
  Answer out;
  out.type = "application/json";
  out.body = std::move(response.value);
  return out;
}

// docs/openapi.json, as this node was built with it.
Answer openapi(const Exchange&) {
  Answer out;
  out.type = "application/json";
  out.body = kOpenApi;
  return out;
}

Answer metrics(const Exchange& exchange) {
  Answer out;
  out.type = "text/plain; version=0.0.4; charset=utf-8";
  out.body = exchange.door.metrics();
  if (out.body.empty()) return failure(503, "timeout", "the node did not tell its figures in time");
  return out;
}

constexpr Path::Method kHealthz[] = {{"GET", healthz, {}}};
constexpr Path::Method kReadyz[] = {{"GET", readyz, {}}};
constexpr Path::Method kStatus[] = {{"GET", status, {}}};
constexpr Path::Method kOpenApiMethods[] = {{"GET", openapi, {}}};
constexpr Path::Method kMetrics[] = {{"GET", metrics, {}}};
constexpr Path kNodePaths[] = {{"/healthz", kHealthz},
                               {"/readyz", kReadyz},
                               {"/v1/status", kStatus},
                               {"/v1/openapi.json", kOpenApiMethods},
                               {"/metrics", kMetrics}};

}  // namespace

std::span<const Path> node_paths() { return kNodePaths; }

}  // namespace atolldb::http
