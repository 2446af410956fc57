#pragma once
// The daemon's log: lines on standard error, as text or as one JSON object a line. Any thread may write.

#include <memory>
#include <string>

#include "crdt/base/log.h"

namespace spdlog {
class logger;
}

namespace atolldb::region {

class StderrLog final : public EventLog {
 public:
  // Lines below `level` are left out.
  StderrLog(LogLevel level, bool json);
  ~StderrLog() override;
  void write(LogLevel level, std::string_view line) override;

 private:
  std::unique_ptr<spdlog::logger> logger_;
  const bool json_;
};

}  // namespace atolldb::region
