#pragma once
// A progress bar on a terminal; elsewhere a plain line every few seconds, so that a log file stays readable.

#include <cstdint>
#include <cstdio>
#include <string>

#include "crdt/base/time.h"

namespace atolldb::tools {

class Progress {
 public:
  // `out` is borrowed. A bar is drawn when it is a terminal.
  explicit Progress(FILE* out);
  // Ends an open bar with a newline.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Redraws at most ten times a second (a plain line at most every five seconds); 0 <= done <= all, all > 0.
  void update(uint64_t done, uint64_t all, const std::string& text);
  // As above, at once.
  void show(uint64_t done, uint64_t all, const std::string& text);
  // A line that stays, above the bar.
  void line(const std::string& text);

 private:
  bool due();

  FILE* out_;
  bool terminal_;
  bool open_ = false;  // a bar without its newline
  Instant shown_at_{INT64_MIN / 2};
};

}  // namespace atolldb::tools
