#include "tools/atoll/line_editor.h"

#include <fcntl.h>
#include <histedit.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cwchar>
#include <iostream>
#include <utility>

#include "crdt/base/ensure.h"

namespace atolldb::tools {
namespace {

constexpr int kHistoryMax = 1'000;

// The terminal that is being read from, for whoever is called at any moment.
struct termios before;              // as the shell found it
volatile sig_atomic_t reading = 0;  // a line is being typed
volatile sig_atomic_t warned = 0;   // of the command that runs: the next Ctrl-C ends the shell
int interrupt_pipe[2] = {-1, -1};

// As if it had not been caught, with the terminal as it was.
void end_by(int number) {
  tcsetattr(STDIN_FILENO, TCSANOW, &before);
  std::signal(number, SIG_DFL);
  raise(number);
}

// Ctrl-C is told through a pipe: a flag could be set just before the read that it should interrupt.
void on_interrupt(int) {
  const int kept = errno;
  if (reading == 0 && warned != 0) end_by(SIGINT);
  constexpr char kHint[] = "^C (once more ends the shell)\n";
  ssize_t written = 0;
  if (reading == 0) {
    warned = 1;
    written = write(STDOUT_FILENO, kHint, sizeof kHint - 1);
  }
  if (written >= 0) written = write(interrupt_pipe[1], "", 1);  // full: it is told already
  errno = kept;
}

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  action.sa_handler = end_by;
  for (const int number : {SIGTERM, SIGHUP}) sigaction(number, &action, nullptr);
}

// True: there was one since this was asked last.
bool take_interrupt() {
  char bytes[64];
  bool found = false;
  while (read(interrupt_pipe[0], bytes, sizeof bytes) > 0) found = true;
  return found;
}

// The next letter that is typed, for libedit. -1 with EINTR: Ctrl-C.
int read_letter(EditLine*, wchar_t* letter) {
  std::mbstate_t state{};
  reading = 1;
  while (true) {
    pollfd fds[2] = {{STDIN_FILENO, POLLIN, 0}, {interrupt_pipe[0], POLLIN, 0}};
    if (poll(fds, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return -1;
    }
    if (take_interrupt()) {
      errno = EINTR;
      return -1;
    }
    char byte = 0;
    const ssize_t size = read(STDIN_FILENO, &byte, 1);
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (size <= 0) return static_cast<int>(size);
    const size_t done = std::mbrtowc(letter, &byte, 1, &state);
    if (done == static_cast<size_t>(-2)) continue;          // a letter of several bytes
    if (*letter == L'\n' || *letter == L'\r') reading = 0;  // before the line's end shows
    if (done != static_cast<size_t>(-1)) return 1;
    state = {};  // none at all
  }
}

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
    ensure(pipe2(interrupt_pipe, O_CLOEXEC | O_NONBLOCK) == 0, "a pipe can be made");
    tcgetattr(STDIN_FILENO, &before);
    catch_signals();
    history = history_init();
    HistEvent event;
    ::history(history, &event, H_SETSIZE, kHistoryMax);
    ::history(history, &event, H_SETUNIQUE, 1);
    if (!config.history_file.empty()) ::history(history, &event, H_LOAD, config.history_file.c_str());
    line = el_init("atoll", stdin, stdout, stderr);
    // While a command runs, too, what is typed waits letter by letter, unseen, and what shows it is the next
    // prompt: a line's editing begins when its prompt stands there already, and what the terminal had taken
    // for lines until then would be lost.
    el_set(line, EL_SETTY, "-x", "-icanon", "-echo", nullptr);
    el_set(line, EL_GETCFN, read_letter);
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
    tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) std::signal(number, SIG_DFL);
    for (int& end : interrupt_pipe) close(std::exchange(end, -1));
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
  catch_signals();  // a command may have had handlers of its own
  warned = 0;
  for (;;) {
    int length = 0;
    errno = 0;
    reading = 1;
    const char* typed = el_gets(terminal_->line, &length);
    reading = 0;
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

struct WholeInput::Mode {
  termios mode;
};

WholeInput::WholeInput() {
  Mode found{};
  if (tcgetattr(STDIN_FILENO, &found.mode) != 0) return;
  before_ = std::make_unique<Mode>(found);
  found.mode.c_lflag |= ICANON | ECHO | ECHOE;
  found.mode.c_iflag |= ICRNL;
  tcsetattr(STDIN_FILENO, TCSADRAIN, &found.mode);
}

WholeInput::~WholeInput() {
  if (!before_) return;
  tcsetattr(STDIN_FILENO, TCSADRAIN, &before_->mode);
  std::cin.clear();  // Ctrl-D ended this value, and no other
}

}  // namespace atolldb::tools
