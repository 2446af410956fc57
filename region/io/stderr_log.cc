#include "region/io/stderr_log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "region/io/log_line.h"

namespace atolldb::region {
namespace {

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warn:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

// The fields as the rest of a JSON object that begins with time and level.
std::string json_rest(std::string_view line) {
  const LogLine parsed = parse_log_line(line);
  std::string json = "\"event\":" + json_string(parsed.phrase);
  for (const auto& [key, value] : parsed.fields) json += ',' + json_string(key) + ':' + json_string(value);
  return json;
}

}  // namespace

StderrLog::StderrLog(LogLevel level, bool json) : json_(json) {
  logger_ = std::make_unique<spdlog::logger>("atolld", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger_->set_level(spdlog_level(level));
  logger_->flush_on(spdlog::level::debug);
  logger_->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%fZ","level":"%l",%v})" : "%Y-%m-%dT%H:%M:%S.%eZ %l %v",
      spdlog::pattern_time_type::utc));
}

StderrLog::~StderrLog() = default;

void StderrLog::write(LogLevel level, std::string_view line) {
  const auto wanted = spdlog_level(level);
  if (!logger_->should_log(wanted)) return;
  if (json_)
    logger_->log(wanted, "{}", json_rest(line));
  else
    logger_->log(wanted, "{}", line);
}

}  // namespace atolldb::region
