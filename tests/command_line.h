#pragma once
// Command lines of the programs for people: simulator, canaries, growth and benchmarks. A front of CLI11,
// each of whose readers takes ten seconds to compile.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace atolldb {

class CommandLine {
 public:
  // What more there is to say of an option; lives no longer than its command line.
  class Option {
   public:
    explicit Option(CLI::Option* option) : option_(option) {}
    const Option& called(const std::string& value) const;  // "N" in --help's "--seed N"
    const Option& within(int least, int most) const;       // both included
    const Option& within(double least, double most) const;
    const Option& positive() const;
    const Option& one_of(std::vector<std::string> words) const;
    const Option& separated_by(char delimiter) const;
    const Option& excludes(const Option& other) const;
    const Option& shows_default() const;
    bool given() const;  // after parse()

   private:
    CLI::Option* option_;
  };

  explicit CommandLine(const std::string& about, const std::string& program = "",
                       const std::string& footer = "");
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  // `name` as in "-t,--topology"; parse() writes what the user gives into `value`, which outlives it. A bool
  // is a flag. T: bool, int, uint32_t, uint64_t, double, std::string or std::vector<std::string>.
  template <typename T>
  Option add(const std::string& name, T& value, const std::string& about = "");

  // What the program ends with, if it does: 0 after --help, 2 after a call that was wrong, which it has told
  // the user.
  std::optional<int> parse(int argc, char** argv);

 private:
  std::unique_ptr<CLI::App> app_;
};

}  // namespace atolldb
