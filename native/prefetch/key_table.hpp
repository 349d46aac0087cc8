// The keys that predictors know, numbered, so that what they remember of them lies in plain arrays.
#pragma once

#include <algorithm>
#include <cstdint>
#include <stdexcept>

#include "core/slab.hpp"
#include "core/table.hpp"
#include "core/types.hpp"

namespace augury {

// Numbers are dense and given anew: a key that was not asked for in a full round of the clock's
// hand gives up its number to a new one (CLOCK; F. J. Corbato, "A paging experiment with the
// Multics system", 1968). Where the hand finds no such key soon, the next one it comes to does.
// Keys are told apart by 64 bits of hash: of n keys two are taken for one with probability n^2 /
// 2^65, and then one's guesses are the other's.
class KeyTable {
 public:
  // What a look-up of a key that is asked for did.
  struct Touched {
    Slot key;
    bool added;     // it was not known, or no more
    bool replaced;  // and its number was another key's, which is forgotten
  };

  // Knows up to `most` keys, at least 1.
  explicit KeyTable(std::size_t most) : most_(std::clamp<std::size_t>(most, 1, kNone)) {}

  [[nodiscard]] std::size_t size() const { return size_; }
  // Whether every further key takes another's number.
  [[nodiscard]] bool full() const { return size_ == most_; }
  [[nodiscard]] std::uint64_t hash(Slot key) const { return keys_[key].hash; }
  // When the key was asked for last, by the clock of touch().
  [[nodiscard]] std::uint64_t last(Slot key) const { return keys_[key].last; }
  [[nodiscard]] std::size_t bytes() const { return table_.bytes() + keys_.bytes(); }

  void prefetch(Slot key) const { __builtin_prefetch(&keys_[key]); }

  [[nodiscard]] Slot find(std::uint64_t hash) const {
    return table_.find(hash, [&](Slot key) { return keys_[key].hash == hash; });
  }

  // Throws std::bad_alloc, and then nothing has changed.
  Touched touch(std::uint64_t hash, std::uint64_t now) {
    if (const Slot key = find(hash); key != kNone) {
      keys_[key].last = now;
      keys_[key].spared = true;
      return {key, false, false};
    }
    table_.prepare([&](Slot key) { return keys_[key].hash; });
    const bool full = size_ == most_;
    if (!full) keys_.ensure(size_);
    const Slot key = full ? give_up() : static_cast<Slot>(size_++);
    keys_[key] = {.hash = hash, .last = now, .spared = false};
    table_.insert(hash, key);
    return {key, true, full};
  }

  void validate() const {
    table_.validate([&](Slot key) { return keys_[key].hash; });
    if (table_.size() != size_) throw std::logic_error("key table: miscounted");
  }

 private:
  struct Key {
    std::uint64_t hash;
    std::uint64_t last : 63;
    std::uint64_t spared : 1;  // asked for since the hand came by
  };

  static constexpr int kMostPassed = 64;  // by the hand, for one request

  Slot give_up() {
    for (int passed = 0; keys_[hand_].spared && passed < kMostPassed; ++passed) {
      keys_[hand_].spared = false;
      hand_ = hand_ + 1 == most_ ? 0 : hand_ + 1;
    }
    const auto key = static_cast<Slot>(hand_);
    hand_ = hand_ + 1 == most_ ? 0 : hand_ + 1;
    table_.erase(keys_[key].hash, key);
    return key;
  }

  std::size_t most_;
  std::size_t size_ = 0;
  std::size_t hand_ = 0;
  Slab<Key> keys_;
  Table table_;
};

}  // namespace augury
