#pragma once
// Error codes as words, for JSON and metrics. Programs compare them: never renamed.

#include "crdt/base/result.h"

namespace atolldb {

inline const char* name_of(Errc code) {
  switch (code) {
    case Errc::invalid:
      return "invalid";
    case Errc::wrong_type:
      return "wrong_type";
    case Errc::overflow:
      return "overflow";
    case Errc::too_large:
      return "too_large";
    case Errc::corrupt:
      return "corrupt";
    case Errc::version:
      return "version";
    case Errc::full:
      return "full";
    case Errc::io:
      return "io";
    case Errc::not_found:
      return "not_found";
    case Errc::busy:
      return "busy";
    case Errc::unavailable:
      return "unavailable";
    case Errc::behind:
      return "behind";
    case Errc::timeout:
      return "timeout";
    case Errc::refused:
      return "refused";
  }
  return "other";
}

}  // namespace atolldb
