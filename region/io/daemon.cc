#include "region/io/daemon.h"

#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "region/io/client_server.h"
#include "region/io/clock.h"
#include "region/io/event_loop.h"
#include "region/io/http_server.h"
#include "region/io/log_line.h"
#include "region/io/node_key.h"
#include "region/io/resp_server.h"
#include "region/io/signals.h"
#include "region/io/stderr_log.h"
#include "region/io/token_key.h"
#include "region/node/engine.h"
#include "storage/disk_store.h"
#include "topology/names.h"
#include "topology/topology.h"
#include "wan/io/transport.h"

namespace atolldb::region {
namespace {

constexpr Duration kCloseLinger = Duration::millis(500);  // the last responses of a clean stop
constexpr uint64_t kLogKeptBytesMin = 64u << 20;

struct ContextEnd {
  void operator()(void* context) const {
    while (zmq_ctx_term(context) != 0 && zmq_errno() == EINTR) continue;
  }
};
using Context = std::unique_ptr<void, ContextEnd>;

// In the order in which they come to be; they go in the opposite one.
struct Daemon {
  topology::Topology topology;
  const topology::Node* self = nullptr;
  std::string secret_key;
  std::unique_ptr<TokenKey> tokens;
  std::unique_ptr<storage::DiskStore> store;
  Context context;
  std::unique_ptr<wan::Transport> transport;
  std::unique_ptr<ClientServer> clients;
  asio::io_context io{1};
  std::unique_ptr<RespServer> resp;
  std::unique_ptr<HttpServer> http;
  std::unique_ptr<node::Engine> engine;
};

// Why the daemon does not start. Nothing: it goes on.
using Refusal = std::optional<std::pair<ExitCode, std::string>>;

uint64_t entropy() {
  uint64_t value = 0;
  ensure(getrandom(&value, sizeof value, 0) == sizeof value, "the system gives random bytes");
  return value;
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);  // the old limit serves too, for fewer clients
}

std::string no_such_node(const topology::Topology& topology, const DaemonOptions& options) {
  std::string names;
  std::vector<std::string_view> candidates;
  for (const auto& node : topology.nodes) {
    names += (names.empty() ? "" : ", ") + node.name;
    candidates.push_back(node.name);
  }
  std::string text = options.topology_file + " has no node " + options.node + "; ";
  if (const auto meant = topology::nearest(options.node, candidates))
    text += "did you mean " + std::string(*meant) + "? ";
  return text + "its nodes are " + names;
}

Refusal find_self(const DaemonOptions& options, Daemon& daemon) {
  auto topology = topology::load(options.topology_file);
  if (!topology) return {{ExitCode::usage, topology.error().message}};
  daemon.topology = std::move(*topology);
  daemon.self = daemon.topology.find(options.node);
  if (daemon.self == nullptr) return {{ExitCode::usage, no_such_node(daemon.topology, options)}};
  return std::nullopt;
}

Refusal read_key(const DaemonOptions& options, EventLog& log, Daemon& daemon) {
  const std::string path =
      options.secret_key_file.empty() ? options.data_directory + "/node.key" : options.secret_key_file;
  auto key = read_node_key(path);
  if (!key) return {{ExitCode::usage, key.error().message}};
  if (key->readable_by_others)
    log.write(LogLevel::warn, "secret key is readable by others node=" + daemon.self->name +
                                  log_field("file", path) + " remedy=\"chmod 600\"");
  daemon.secret_key = std::move(key->secret_key);
  return std::nullopt;
}

Refusal read_token_key(const DaemonOptions& options, EventLog& log, Daemon& daemon) {
  // Beside the topology, for it is the same on every node, too.
  const std::string path =
      (std::filesystem::path(options.topology_file).parent_path() / "token.key").string();
  const auto secret = read_token_secret(path);
  if (!secret) return {{ExitCode::usage, secret.error().message}};
  if (secret->readable_by_others)
    log.write(LogLevel::warn, "token secret is readable by others node=" + daemon.self->name +
                                  log_field("file", path) + " remedy=\"chmod 600\"");
  daemon.tokens = std::make_unique<TokenKey>(daemon.topology, secret->secret);
  if (!daemon.tokens->has_secret())
    log.write(
        LogLevel::info,
        "no token secret: session tokens are safe from damage, and not from clients that forge them node=" +
            daemon.self->name + log_field("file", path));
  return std::nullopt;
}

Refusal open_store(const DaemonOptions& options, Daemon& daemon) {
  storage::DiskStoreOptions store;
  store.directory = options.data_directory;
  store.cluster = daemon.topology.digest;
  store.node = daemon.self->number;
  store.durability = daemon.topology.durability == topology::Durability::periodic
                         ? storage::Durability::periodic
                         : storage::Durability::strict;
  store.memtable_bytes = daemon.topology.memtable_bytes;
  // Streams to nodes and regions that are away read from the log, as far as the outbox reaches.
  store.log_bytes_max = std::max(daemon.topology.outbox_bytes_max, kLogKeptBytesMin);
  auto opened = storage::DiskStore::open(store);
  if (!opened) return {{ExitCode::data_directory, opened.error().message}};
  daemon.store = std::move(*opened);
  return std::nullopt;
}

resp::Node facts_of(const DaemonOptions& options, const Daemon& daemon) {
  const topology::Region& region = daemon.topology.region(daemon.self->region);
  resp::Node out;
  out.name = daemon.self->name;
  out.region = region.name;
  out.cluster = daemon.topology.cluster;
  out.version = options.version;
  out.topology_file = options.topology_file;
  out.port = daemon.self->resp.port;
  out.pid = static_cast<uint64_t>(getpid());
  out.n = region.n;
  out.r = region.r;
  out.w = region.w;
  out.partitions = daemon.topology.placement.partitions;
  out.region_id = daemon.self->region;
  out.make_token = [&tokens = *daemon.tokens](const Seen& seen) { return tokens.make(seen); };
  out.open_token = [&tokens = *daemon.tokens](BytesView token) { return tokens.open(token); };
  out.region_name = [&topology = daemon.topology](RegionId id) { return topology.region(id).name; };
  out.strict = daemon.topology.durability == topology::Durability::strict;
  return out;
}

Refusal open_ports(const DaemonOptions& options, EventLog& log, Daemon& daemon) {
  daemon.context.reset(zmq_ctx_new());
  ensure(daemon.context != nullptr, "a ZeroMQ context can be made");
  // A DEALER, its monitor and the monitor's other end for each peer, and a few more.
  const int sockets = std::max<int>(1024, static_cast<int>(4 * daemon.topology.nodes.size() + 64));
  zmq_ctx_set(daemon.context.get(), ZMQ_MAX_SOCKETS, sockets);
  auto transport = wan::Transport::open({daemon.self->number, daemon.secret_key}, daemon.topology,
                                        daemon.context.get(), log);
  if (!transport) {
    const bool address = transport.error().code == Errc::io;
    return {{address ? ExitCode::address : ExitCode::usage, transport.error().message}};
  }
  daemon.transport = std::move(*transport);
  auto clients = ClientServer::open(daemon.context.get(), *daemon.self, {}, log);
  if (!clients) return {{ExitCode::address, clients.error().message}};
  daemon.clients = std::move(*clients);
  auto resp = RespServer::open(daemon.io, daemon.self->resp, facts_of(options, daemon), entropy(), {}, log);
  if (!resp) return {{ExitCode::address, resp.error().message}};
  daemon.resp = std::move(*resp);
  std::vector<std::string> regions;
  for (const topology::Region& region : daemon.topology.regions) regions.push_back(region.name);
  auto http = HttpServer::open(daemon.self->http, daemon.self->name, {}, log, std::move(regions));
  if (!http) return {{ExitCode::address, http.error().message}};
  daemon.http = std::move(*http);
  return std::nullopt;
}

Refusal start_engine(EventLog& log, Daemon& daemon) {
  daemon.engine = std::make_unique<node::Engine>(node::EngineConfig{daemon.self->number, entropy()},
                                                 daemon.topology, *daemon.store, log);
  if (auto started = daemon.engine->start(system_now()); !started)
    return {{ExitCode::data_directory, started.error().message}};
  return std::nullopt;
}

std::string where(const Daemon& daemon) {
  return " region=" + daemon.topology.region(daemon.self->region).name + " node=" + daemon.self->name;
}

Refusal start(const DaemonOptions& options, EventLog& log, Daemon& daemon) {
  const Instant begin = system_now().monotonic;
  if (auto refusal = find_self(options, daemon)) return refusal;
  log.write(LogLevel::info,
            "starting" + where(daemon) + " version=" + options.version +
                " cluster=" + daemon.topology.cluster + " topology=" + daemon.topology.digest +
                log_field("data", options.data_directory) + " pid=" + std::to_string(getpid()));
  if (auto refusal = read_key(options, log, daemon)) return refusal;
  if (auto refusal = read_token_key(options, log, daemon)) return refusal;
  if (auto refusal = open_store(options, daemon)) return refusal;
  if (auto refusal = open_ports(options, log, daemon)) return refusal;
  if (auto refusal = start_engine(log, daemon)) return refusal;
  log.write(LogLevel::info, "ready" + where(daemon) + " peer=" + daemon.self->peer.endpoint() + " client=" +
                                daemon.self->client.endpoint() + " resp=" + daemon.self->resp.host + ":" +
                                std::to_string(daemon.self->resp.port) + " http=" + daemon.self->http.host +
                                ":" + std::to_string(daemon.self->http.port) +
                                " start_ms=" + std::to_string((system_now().monotonic - begin).as_millis()));
  return std::nullopt;
}

struct Stop {
  ExitCode code = ExitCode::stopped;
  std::string last_words;  // for the log, once everything is closed
};

Stop run(const DaemonOptions& options, Signals& signals, EventLog& log) {
  Daemon daemon;
  if (const auto refusal = start(options, log, daemon))
    return {refusal->first,
            "cannot start" + log_field("node", options.node) + log_field("reason", refusal->second)};
  EventLoop loop({*daemon.self, *daemon.engine, *daemon.store, *daemon.transport, *daemon.clients, daemon.io,
                  *daemon.resp, *daemon.http, *daemon.tokens, signals, log});
  const EventLoop::End end = loop.run();
  if (end.fatal) return {ExitCode::fatal, "cannot go on" + where(daemon) + log_field("reason", *end.fatal)};
  daemon.clients->set_linger(kCloseLinger);
  return {ExitCode::stopped, "stopped" + where(daemon) + " drained=" + (end.drained ? "yes" : "no")};
}

}  // namespace

ExitCode run_daemon(const DaemonOptions& options) {
  Signals signals;  // before the first thread
  raise_descriptor_limit();
  StderrLog log(options.log_level, options.log_json);
  const Stop stop = run(options, signals, log);
  log.write(stop.code == ExitCode::stopped ? LogLevel::info : LogLevel::error, stop.last_words);
  return stop.code;
}

}  // namespace atolldb::region
