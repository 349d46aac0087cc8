// 128 bits that stand for a row of bytes.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "core/hash.hpp"

namespace augury {

struct Digest {
  std::uint64_t low;
  std::uint64_t high;
  bool operator==(const Digest&) const = default;
};

// Long rows in eight lanes of 64 bits, as XXH3 does (Y. Collet, 2019; the finish and the short rows
// are our own), which need no carry among them. Two rows that differ have one digest with
// probability 2^-128, or about 2^-64 if all that differs goes into one lane, as when two words are
// exchanged; as long as nobody chooses rows in knowledge of the seed. The same on every machine
// that is little-endian.
class RowDigest {
 public:
  explicit RowDigest(std::uint64_t seed) {
    std::uint64_t state = seed;
    for (std::uint64_t& word : secret_) word = mix(state += 0x9E3779B97F4A7C15u);
  }

  [[nodiscard, gnu::always_inline]] Digest of(const unsigned char* row, std::size_t size) const {
    Lanes lanes;
    std::memcpy(&lanes, &secret_[kSecret - kLanes], sizeof lanes);
    std::size_t at = 0;
    while (size - at >= kBlock) {
      block(row + at, lanes);
      at += kBlock;
    }
    std::size_t step = 0;
    for (; size - at >= kStripe; at += kStripe) stripe(row + at, &secret_[step++], lanes);
    if (at != size) {  // padded with zeros: the size tells such rows apart
      std::array<unsigned char, kStripe> rest{};
      std::memcpy(rest.data(), row + at, size - at);
      stripe(rest.data(), &secret_[step], lanes);
    }
    std::array<std::uint64_t, kLanes> last;
    std::memcpy(last.data(), &lanes, sizeof lanes);
    return {finish(last, 0, size), finish(last, 1, ~size)};
  }

 private:
  static constexpr std::size_t kLanes = 8;
  static constexpr std::size_t kStripe = 64;
  static constexpr std::size_t kStripes = 16;  // a block
  static constexpr std::size_t kBlock = kStripe * kStripes;
  static constexpr std::size_t kSecret = kStripes + kLanes + kLanes;
  // Compilers turn operations of such vectors into the widest instructions that there are; loops
  // over lanes they leave as they are.
  using Lanes = std::uint64_t __attribute__((vector_size(kStripe)));

  [[gnu::always_inline]] static void stripe(const unsigned char* data, const std::uint64_t* secret,
                                            Lanes& lanes) {
    Lanes words;
    Lanes keyed;
    std::memcpy(&words, data, sizeof words);
    std::memcpy(&keyed, secret, sizeof keyed);
    keyed ^= words;
    lanes += __builtin_shufflevector(words, words, 1, 0, 3, 2, 5, 4, 7, 6);
    lanes += (keyed & 0xFFFFFFFFu) * (keyed >> 32);
  }

  [[gnu::always_inline]] void block(const unsigned char* data, Lanes& lanes) const {
    for (std::size_t i = 0; i < kStripes; ++i) stripe(data + i * kStripe, &secret_[i], lanes);
    Lanes secret;
    std::memcpy(&secret, &secret_[kStripes], sizeof secret);
    lanes ^= (lanes >> 47) ^ secret;
    lanes *= 0x9E3779B1u;
  }

  static std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
    const auto product = static_cast<Uint128>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  }

  [[nodiscard]] std::uint64_t finish(const std::array<std::uint64_t, kLanes>& lanes,
                                     std::size_t which, std::uint64_t start) const {
    std::uint64_t sum = start * 0x9E3779B185EBCA87u;
    for (std::size_t i = 0; i < kLanes; i += 2) {
      sum += fold(lanes[i] ^ secret_[i + 7 * which + 1], lanes[i + 1] ^ secret_[i + 7 * which + 2]);
    }
    return mix(sum);
  }

  std::array<std::uint64_t, kSecret> secret_;
};

}  // namespace augury
