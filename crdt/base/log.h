#pragma once
// The narrow log that the cores write to; spdlog stays in the io folders, the simulator captures the same
// lines. One event a line: a fixed phrase, then key=value. Payloads are never logged.

#include <string_view>

namespace atolldb {

enum class LogLevel : unsigned char { debug, info, warn, error };

class EventLog {
 public:
  virtual ~EventLog() = default;
  virtual void write(LogLevel level, std::string_view line) = 0;
};

}  // namespace atolldb
