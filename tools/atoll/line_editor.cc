#include "tools/atoll/line_editor.h"

#include <histedit.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <iostream>

namespace atolldb::tools {
namespace {

constexpr int kHistoryMax = 1'000;

// While a line is typed, Ctrl-C interrupts the reading of it, and nothing else.
class Interruptible {
 public:
  Interruptible() {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    sigaction(SIGINT, &action, &before_);
  }
  ~Interruptible() { sigaction(SIGINT, &before_, nullptr); }
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;

 private:
  struct sigaction before_ {};
};

std::string common_beginning(const std::vector<std::string>& words) {
  std::string common = words.front();
  for (const std::string& word : words) {
    const auto differs = std::mismatch(common.begin(), common.end(), word.begin(), word.end()).first;
    common.erase(differs, common.end());
  }
  return common;
}

}  // namespace

struct LineEditor::Terminal {
  explicit Terminal(const Config& owner) : config(owner) {
    history = history_init();
    HistEvent event;
    ::history(history, &event, H_SETSIZE, kHistoryMax);
    ::history(history, &event, H_SETUNIQUE, 1);
    if (!config.history_file.empty()) ::history(history, &event, H_LOAD, config.history_file.c_str());
    line = el_init("atoll", stdin, stdout, stderr);
    el_set(line, EL_CLIENTDATA, this);
    el_set(line, EL_PROMPT, &Terminal::prompt);
    el_set(line, EL_EDITOR, "emacs");
    el_set(line, EL_HIST, ::history, history);
    el_set(line, EL_ADDFN, "atoll-complete", "complete the word", &Terminal::complete);
    el_set(line, EL_BIND, "^I", "atoll-complete", nullptr);
    el_set(line, EL_BIND, "^R", "em-inc-search-prev", nullptr);
    el_source(line, nullptr);
  }
  ~Terminal() {
    el_end(line);
    history_end(history);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  static Terminal& of(EditLine* line) {
    Terminal* self = nullptr;
    el_get(line, EL_CLIENTDATA, &self);
    return *self;
  }
  static char* prompt(EditLine* line) {
    Terminal& self = of(line);
    self.prompt_text = self.config.prompt();
    return self.prompt_text.data();
  }

  // Adds what all candidates have in common; where that is nothing, lists them.
  static unsigned char complete(EditLine* line, int) {
    const LineInfo* info = el_line(line);
    const std::string typed(info->buffer, info->cursor);
    const std::string word = typed.substr(typed.find_last_of(" \t") + 1);
    std::vector<std::string> fitting = of(line).config.candidates(typed);
    std::erase_if(fitting, [&word](const std::string& one) { return !one.starts_with(word); });
    if (fitting.empty()) return CC_REFRESH_BEEP;
    std::string more = common_beginning(fitting).substr(word.size());
    if (fitting.size() == 1) more += " ";
    if (!more.empty()) return el_insertstr(line, more.c_str()) == 0 ? CC_REFRESH : CC_REFRESH_BEEP;
    std::cout << "\n";
    for (const std::string& one : fitting) std::cout << one << "  ";
    std::cout << std::endl;
    return CC_REDISPLAY;
  }

  const Config& config;
  EditLine* line = nullptr;
  History* history = nullptr;
  std::string prompt_text;
};

LineEditor::LineEditor(Config config)
    : config_(std::move(config)), interactive_(isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1) {
  if (interactive_) terminal_ = std::make_unique<Terminal>(config_);
}

LineEditor::~LineEditor() = default;

std::optional<std::string> LineEditor::next() {
  if (terminal_) return next_typed();
  std::string line;
  if (!std::getline(std::cin, line)) return std::nullopt;
  return line;
}

std::optional<std::string> LineEditor::next_typed() {
  const Interruptible interruptible;
  for (;;) {
    int length = 0;
    errno = 0;
    const char* typed = el_gets(terminal_->line, &length);
    if (typed != nullptr && length > 0) {
      std::string line(typed, static_cast<size_t>(length));
      while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
      return line;
    }
    if (length != -1 || errno != EINTR) return std::nullopt;
    el_reset(terminal_->line);
    std::cout << std::endl;
  }
}

void LineEditor::remember(const std::string& line) {
  if (!terminal_) return;
  HistEvent event;
  ::history(terminal_->history, &event, H_ENTER, line.c_str());
  if (!config_.history_file.empty())
    ::history(terminal_->history, &event, H_SAVE, config_.history_file.c_str());
}

}  // namespace atolldb::tools
