#pragma once
// How many pages of a B+ tree a checkpoint is going to write: LMDB keeps a copy of each in memory until it is
// done.

#include <cmath>
#include <cstdint>

namespace atolldb::storage {

inline constexpr uint64_t kTreePageBytes = 4096;

// Whether changes of `rows` random rows are expected to dirty `most` pages of a tree of `tree_pages`: of m
// pages they fall on m(1 - e^(-rows/m)), and new values, `bytes` in all, fill two thirds of pages of their
// own.
inline bool dirties(double most, double rows, double bytes, uint64_t tree_pages) {
  const double filled = 1.5 * bytes / kTreePageBytes;
  if (rows + filled < most) return false;
  const auto pages = static_cast<double>(tree_pages);
  return tree_pages > 0 ? filled - pages * std::expm1(-rows / pages) >= most : filled >= most;
}

// What rows that are expected to dirty one page dirty at most, each a page of its own: of m pages the smaller
// of m and the rows for which the formula above says 1. Where both are equal, 1 - 1/m is 1/e.
inline constexpr double kDirtyAtMost = 1.582;

}  // namespace atolldb::storage
