#pragma once
// Result<T>: a value or an Error, shaped like std::expected so that C++23 is a rename. Operational failure
// only; broken logic is ensure(), absence is std::optional.

#include <string>
#include <utility>
#include <variant>

#include "crdt/base/ensure.h"

namespace atolldb {

// A code exists only where some caller acts on it differently.
enum class Errc : unsigned char {
  invalid = 1,     // the input is wrong; retrying the same will fail the same way
  wrong_type = 2,  // the key holds another type
  overflow = 3,    // a number would leave 64 bits
  too_large = 4,   // over a documented limit
  corrupt = 5,     // a checksum or an invariant of stored or received bytes does not hold
  version = 6,     // written by, or spoken by, a version that this one cannot read
  full = 7,        // no room (disk, queue); try again when there is
  io = 8,          // the operating system refused
  not_found = 9,
  busy = 10,         // over a limit of work in flight; nothing happened; try again soon
  unavailable = 11,  // no quorum or no coordinator now; nothing happened
  behind = 12,       // this replica has not yet seen what was asked for
  timeout = 13,      // the deadline passed
  refused = 14,      // not allowed
};

struct Error {
  Errc code = Errc::invalid;
  std::string message;  // one sentence for a person: what was found and what was expected
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit on purpose
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit on purpose
  Result(Errc code, std::string message) : Result(Error{code, std::move(message)}) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & {
    ensure(has_value(), "value() of a failed Result");
    return std::get<0>(state_);
  }
  const T& value() const& {
    ensure(has_value(), "value() of a failed Result");
    return std::get<0>(state_);
  }
  T&& value() && {
    ensure(has_value(), "value() of a failed Result");
    return std::get<0>(std::move(state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const {
    ensure(!has_value(), "error() of a successful Result");
    return std::get<1>(state_);
  }

 private:
  std::variant<T, Error> state_;
};

struct Unit {};
using Status = Result<Unit>;
inline Status ok() { return Unit{}; }

}  // namespace atolldb
