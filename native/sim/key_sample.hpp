// A sample of a trace's keys, chosen by their hashes: of a sampled key every request counts.
#pragma once

#include <cmath>
#include <cstdint>
#include <stdexcept>

#include "core/hash.hpp"
#include "core/heap.hpp"
#include "core/residents.hpp"
#include "core/slab.hpp"
#include "core/table.hpp"
#include "core/types.hpp"

namespace augury {

// Keys whose hash is at most a limit. Either the limit stays (fixed rate), or it sinks whenever
// there would be more than so many keys (fixed size), and those above it leave.
// C. A. Waldspurger, N. Park, A. Garthwaite, I. Ahmad, "Efficient MRC construction with SHARDS",
// USENIX FAST 2015.
class KeySample {
 public:
  // `rate`: the share of all keys, above 0 and up to 1. `most`: keys, or 0: any number.
  KeySample(double rate, std::uint32_t most, std::uint64_t seed)
      : salt_(mix(seed)), limit_(limit_of(rate)), most_(most) {
    if (most != 0) by_hash_.reserve(std::size_t{most} + 1);
  }

  // Mixed twice: the policies place keys by a hash of one mixing, and this must be of no kin to it.
  [[nodiscard]] std::uint64_t hash(std::uint64_t key) const { return mix(mix(key) ^ salt_); }
  [[nodiscard]] bool takes(std::uint64_t hash) const { return hash <= limit_; }

  [[nodiscard]] double rate() const { return (static_cast<double>(limit_) + 1) * 0x1p-64; }
  [[nodiscard]] std::size_t size() const { return members_.size(); }
  [[nodiscard]] std::size_t bytes() const {
    return members_.bytes() + keys_.bytes() + index_.bytes() + by_hash_.bytes();
  }

  // The slot of a key that was taken before, or kNone.
  [[nodiscard]] Slot find(std::uint64_t key, std::uint64_t hash) const {
    return index_.find(hash, [&](Slot slot) { return keys_[slot] == key; });
  }

  // Adds a key that takes(hash) and find() does not know. Calls left(slot) for each that leaves
  // for it, while its slot is still valid. Returns kNone if it would have to leave itself.
  template <class Left>
  Slot add(std::uint64_t key, std::uint64_t hash, Left&& left) {
    while (most_ != 0 && members_.size() >= most_) {
      const std::uint64_t highest = by_hash_.front().hash;
      if (hash >= highest) {
        limit_ = hash - 1;
        return kNone;
      }
      limit_ = highest - 1;
      const Slot last = by_hash_.front().slot;
      by_hash_.pop();
      left(last);
      index_.erase(highest, last);
      members_.remove(last);
    }
    index_.prepare([this](Slot slot) { return members_.hash(slot); });
    const Slot slot = members_.add(hash, 1);
    keys_.ensure(slot);
    keys_[slot] = key;
    index_.insert(hash, slot);
    if (most_ != 0) by_hash_.push({hash, slot});
    return slot;
  }

 private:
  struct Member {
    std::uint64_t hash;
    Slot slot;
  };
  struct Higher {
    bool operator()(const Member& a, const Member& b) const { return a.hash > b.hash; }
  };

  static std::uint64_t limit_of(double rate) {
    if (!(rate > 0 && rate <= 1)) throw std::invalid_argument("rate must be above 0, up to 1");
    return rate == 1 ? UINT64_MAX : static_cast<std::uint64_t>(std::ldexp(rate, 64));
  }

  std::uint64_t salt_;
  std::uint64_t limit_;
  std::uint32_t most_;
  Residents members_;
  Slab<std::uint64_t> keys_;  // by slot
  Table index_;
  Heap<Member, Higher> by_hash_;  // only where there is a `most`
};

}  // namespace augury
