#include "tests/command_line.h"

#include <CLI/CLI.hpp>
#include <type_traits>

namespace atolldb {

const CommandLine::Option& CommandLine::Option::called(const std::string& value) const {
  option_->type_name(value);
  return *this;
}

const CommandLine::Option& CommandLine::Option::within(int least, int most) const {
  option_->check(CLI::Range(least, most));
  return *this;
}

const CommandLine::Option& CommandLine::Option::within(double least, double most) const {
  option_->check(CLI::Range(least, most));
  return *this;
}

const CommandLine::Option& CommandLine::Option::positive() const {
  option_->check(CLI::PositiveNumber);
  return *this;
}

const CommandLine::Option& CommandLine::Option::one_of(std::vector<std::string> words) const {
  option_->check(CLI::IsMember(std::move(words)));
  return *this;
}

const CommandLine::Option& CommandLine::Option::separated_by(char delimiter) const {
  option_->delimiter(delimiter);
  return *this;
}

const CommandLine::Option& CommandLine::Option::excludes(const Option& other) const {
  option_->excludes(other.option_);
  return *this;
}

const CommandLine::Option& CommandLine::Option::shows_default() const {
  option_->capture_default_str();
  return *this;
}

bool CommandLine::Option::given() const { return option_->count() > 0; }

CommandLine::CommandLine(const std::string& about, const std::string& program, const std::string& footer)
    : app_(std::make_unique<CLI::App>(about, program)) {
  app_->footer(footer);
}

CommandLine::~CommandLine() = default;

template <typename T>
CommandLine::Option CommandLine::add(const std::string& name, T& value, const std::string& about) {
  if constexpr (std::is_same_v<T, bool>)
    return Option(app_->add_flag(name, value, about));
  else
    return Option(app_->add_option(name, value, about));
}

template CommandLine::Option CommandLine::add(const std::string&, bool&, const std::string&);
template CommandLine::Option CommandLine::add(const std::string&, int&, const std::string&);
template CommandLine::Option CommandLine::add(const std::string&, uint32_t&, const std::string&);
template CommandLine::Option CommandLine::add(const std::string&, uint64_t&, const std::string&);
template CommandLine::Option CommandLine::add(const std::string&, double&, const std::string&);
template CommandLine::Option CommandLine::add(const std::string&, std::string&, const std::string&);
template CommandLine::Option CommandLine::add(const std::string&, std::vector<std::string>&,
                                              const std::string&);

std::optional<int> CommandLine::parse(int argc, char** argv) {
  try {
    app_->parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app_->exit(error) == 0 ? 0 : 2;
  }
  return std::nullopt;
}

}  // namespace atolldb
