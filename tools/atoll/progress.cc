#include "tools/atoll/progress.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "tools/atoll/clock.h"

namespace atolldb::tools {
namespace {

constexpr Duration kRedraw = Duration::millis(100);
constexpr Duration kPlainLine = Duration::seconds(5);
constexpr uint64_t kBarCells = 30;

}  // namespace

Progress::Progress(FILE* out) : out_(out), terminal_(isatty(fileno(out)) == 1) {}

Progress::~Progress() {
  if (open_) std::fputc('\n', out_);
  std::fflush(out_);
}

bool Progress::due() {
  const Instant now = monotonic_now();
  if (now - shown_at_ < (terminal_ ? kRedraw : kPlainLine)) return false;
  shown_at_ = now;
  return true;
}

void Progress::update(uint64_t done, uint64_t all, const std::string& text) {
  if (due()) show(done, all, text);
}

void Progress::show(uint64_t done, uint64_t all, const std::string& text) {
  const uint64_t percent = all == 0 ? 100 : 100 * std::min(done, all) / all;
  if (!terminal_) {
    std::fprintf(out_, "%3u %% %s\n", static_cast<unsigned>(percent), text.c_str());
  } else {
    const uint64_t filled = kBarCells * percent / 100;
    std::string bar(filled, '#');
    bar.resize(kBarCells, '.');
    // Erases to the end of the line, since the text before may have been longer.
    std::fprintf(out_, "\r[%s] %3u %% %s\x1b[K", bar.c_str(), static_cast<unsigned>(percent), text.c_str());
    open_ = true;
  }
  std::fflush(out_);
}

void Progress::line(const std::string& text) {
  if (open_) std::fputs("\r\x1b[K", out_);
  open_ = false;
  std::fprintf(out_, "%s\n", text.c_str());
  std::fflush(out_);
}

}  // namespace atolldb::tools
