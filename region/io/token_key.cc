#include "region/io/token_key.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "crdt/base/big_endian.h"
#include "crdt/base/ensure.h"

namespace atolldb::region {
namespace {

constexpr size_t kSecretBytesMin = 32, kSecretBytesMax = 4096;

std::array<unsigned char, 32> hmac(BytesView key, BytesView message) {
  std::array<unsigned char, 32> out{};
  unsigned int size = 0;
  const auto* made =
      HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(message.data()), message.size(), out.data(), &size);
  ensure(made != nullptr && size == out.size(), "OpenSSL has HMAC-SHA-256");
  return out;
}

BytesView bytes_of(const std::array<unsigned char, 32>& array) {
  return {reinterpret_cast<const char*>(array.data()), array.size()};
}

}  // namespace

TokenKey::TokenKey(const topology::Topology& topology, BytesView secret)
    : regions_(topology.regions.size()), has_secret_(!secret.empty()) {
  Bytes message = "atoll token key 1\n" + topology.cluster + "\n";
  append_big_endian(message, topology.placement.seed.k0, 8);
  append_big_endian(message, topology.placement.seed.k1, 8);
  key_ = hmac(secret, message);
}

std::array<char, TokenPiece::kMacBytes> TokenKey::mac_of(const SeenIn& seen) const {
  Bytes message;
  message.push_back(static_cast<char>(kTokenVersion));
  append_big_endian(message, raw(seen.region), 2);
  append_big_endian(message, seen.stamp, 8);
  const auto whole = hmac(bytes_of(key_), message);
  std::array<char, TokenPiece::kMacBytes> out{};
  std::memcpy(out.data(), whole.data(), out.size());
  return out;
}

Bytes TokenKey::make(const Seen& seen) const {
  std::vector<std::array<char, TokenPiece::kMacBytes>> macs;
  std::vector<TokenPiece> pieces;
  macs.reserve(seen.size());
  for (const SeenIn& one : seen) {
    macs.push_back(mac_of(one));
    pieces.push_back({one, BytesView(macs.back().data(), macs.back().size())});
  }
  return format_token(pieces);
}

Result<Seen> TokenKey::open(BytesView token) const {
  const auto pieces = parse_token(token);
  if (!pieces) return pieces.error();
  Seen out;
  for (const TokenPiece& piece : *pieces) {
    const auto mac = mac_of(piece.seen);
    if (CRYPTO_memcmp(mac.data(), piece.mac.data(), mac.size()) != 0)
      return {Errc::corrupt,
              "token: found one that was damaged, or that no node of this cluster has made; begin a "
              "new session"};
    if (raw(piece.seen.region) >= regions_)
      return {Errc::invalid, "token: found region number " + std::to_string(raw(piece.seen.region)) +
                                 ", but the topology has " + std::to_string(regions_) + " regions"};
    out.push_back(piece.seen);
  }
  return out;
}

Result<TokenSecret> read_token_secret(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    if (errno == ENOENT) return TokenSecret{};
    return {Errc::io, "the token secret " + path + " cannot be read: " + std::strerror(errno)};
  }
  Bytes buffer(kSecretBytesMax + 1, '\0');
  const auto size = ::read(fd, buffer.data(), buffer.size());
  struct stat info {};
  const bool known = ::fstat(fd, &info) == 0;
  const int error = errno;
  ::close(fd);
  if (size < 0 || !known)
    return {Errc::io, "the token secret " + path + " cannot be read: " + std::strerror(error)};
  buffer.resize(static_cast<size_t>(size));
  buffer.resize(buffer.find_last_not_of(" \t\r\n") + 1);
  if (buffer.size() < kSecretBytesMin || buffer.size() > kSecretBytesMax || buffer.find('\n') != Bytes::npos)
    return {Errc::invalid, path + ": found " + std::to_string(buffer.size()) +
                               " bytes that are no token secret, expected one line of " +
                               std::to_string(kSecretBytesMin) + " to " + std::to_string(kSecretBytesMax) +
                               " characters, the same on every node of the cluster"};
  return TokenSecret{std::move(buffer), (info.st_mode & (S_IRGRP | S_IROTH)) != 0};
}

}  // namespace atolldb::region
