#pragma once
// Makes and opens session tokens (region/core/request_token.h, docs/formats/token.md): each piece carries an
// HMAC-SHA-256 under a key that all nodes of a cluster derive alike.
//
// The key comes from the cluster's token secret. Without one it comes from the cluster's name and seed, which
// every client's topology file holds: then a token is safe from damage and from being taken for another
// cluster's, and not from a client that means harm.

#include <array>
#include <string>

#include "crdt/base/result.h"
#include "region/core/request_token.h"
#include "topology/topology.h"

namespace atolldb::region {

class TokenKey {
 public:
  // `secret` may be empty.
  TokenKey(const topology::Topology& topology, BytesView secret);

  Bytes make(const Seen& seen) const;
  // What parse_token() says; Errc::corrupt: a piece that no node with this key has made. Errc::invalid: of a
  // region that the topology does not have.
  Result<Seen> open(BytesView token) const;
  bool has_secret() const { return has_secret_; }

 private:
  std::array<char, TokenPiece::kMacBytes> mac_of(const SeenIn& seen) const;

  size_t regions_;
  bool has_secret_;
  std::array<unsigned char, 32> key_{};
};

struct TokenSecret {
  Bytes secret;                     // empty: there is no file
  bool readable_by_others = false;  // the file's mode lets group or world read it
};

// One line of at least 32 characters. No file is no error. Errc::io: it cannot be read. Errc::invalid: it
// holds something else. Messages never repeat the file's content.
Result<TokenSecret> read_token_secret(const std::string& path);

}  // namespace atolldb::region
