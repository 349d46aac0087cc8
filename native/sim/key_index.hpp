// Numbers the keys of a trace in order of first appearance.
#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>

#include "core/hash.hpp"
#include "core/slab.hpp"

namespace augury {

// Maps 64-bit keys to dense ids 0, 1, 2 ... Open addressing with linear probing; 16 bytes a key or
// less, of which 8 are the key itself.
class KeyIndex {
 public:
  [[nodiscard]] std::uint32_t size() const { return size_; }
  [[nodiscard]] std::span<const std::uint64_t> keys() const { return {keys_.data(), size_}; }

  // Writes the id of each key, new ones included, to `ids`, which has the same length. Throws
  // std::bad_alloc or std::length_error.
  void intern(std::span<const std::uint64_t> keys, std::uint32_t* ids) {
    if (limit_ == 0) grow();
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (i + kAhead < keys.size()) __builtin_prefetch(&places_[home(keys[i + kAhead])]);
      ids[i] = intern(keys[i]);
    }
  }

 private:
  static constexpr std::uint32_t kFree = 0xFFFFFFFF;
  static constexpr std::size_t kAhead = 8;

  [[nodiscard]] std::size_t home(std::uint64_t key) const { return mix(key) & mask_; }

  std::uint32_t intern(std::uint64_t key) {
    if (size_ >= limit_) grow();
    std::size_t at = home(key);
    while (places_[at] != kFree) {
      if (keys_[places_[at]] == key) return places_[at];
      at = (at + 1) & mask_;
    }
    keys_.ensure(size_);
    keys_[size_] = key;
    places_[at] = size_;
    return size_++;
  }

  void grow() {
    const std::size_t count = places_.size() == 0 ? 1024 : (mask_ + 1) * 2;
    if (count > kFree) throw std::length_error("a trace has at most 3 * 2^30 distinct keys");
    Slab<std::uint32_t> places;
    places.reserve(count);
    for (std::size_t at = 0; at < count; ++at) places[at] = kFree;
    mask_ = count - 1;
    limit_ = count / 4 * 3;
    for (std::uint32_t id = 0; id < size_; ++id) {
      std::size_t at = home(keys_[id]);
      while (places[at] != kFree) at = (at + 1) & mask_;
      places[at] = id;
    }
    places.swap(places_);
  }

  Slab<std::uint64_t> keys_;    // by id
  Slab<std::uint32_t> places_;  // ids by hash
  std::size_t mask_ = 0;
  std::size_t limit_ = 0;  // keys that the places take before they grow
  std::uint32_t size_ = 0;
};

}  // namespace augury
