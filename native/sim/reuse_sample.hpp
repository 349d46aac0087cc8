// How deep in an LRU stack, and after how many requests, a sample of the keys is asked for again.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

#include "core/hash.hpp"
#include "core/slab.hpp"
#include "core/types.hpp"
#include "sim/buckets.hpp"
#include "sim/key_sample.hpp"
#include "sim/lru_stack.hpp"
#include "sketch/distinct.hpp"

namespace augury {

// What a sample says about all requests, by groups of keys. A request counts as many times as there
// are keys for each in the sample.
class ReuseCounts {
 public:
  // By group, then by bucket of Buckets: repeated requests, and bytes of these.
  [[nodiscard]] std::span<const double> requests() const { return requests_; }
  [[nodiscard]] std::span<const double> bytes() const { return bytes_; }
  // By group: all sampled requests and their bytes, and keys.
  [[nodiscard]] std::span<const double> sampled() const { return sampled_; }
  [[nodiscard]] std::span<const double> sampled_bytes() const { return sampled_bytes_; }
  // Of the trace, exactly.
  [[nodiscard]] std::uint64_t all() const { return all_; }
  [[nodiscard]] double all_bytes() const { return all_bytes_; }
  // Of the trace, within Distinct::kError.
  [[nodiscard]] double distinct() const { return distinct_.estimate(); }
  [[nodiscard]] std::size_t memory() const {
    return (requests_.size() + bytes_.size()) * sizeof(double) + Distinct::bytes();
  }

  void ask(std::uint32_t group, std::uint64_t size, double times) {
    sampled_[group] += times;
    sampled_bytes_[group] += times * static_cast<double>(size);
  }
  void repeat(std::uint32_t group, double distance, std::uint64_t size, double times) {
    const auto whole = static_cast<std::uint64_t>(std::min(distance, 0x1p63));
    const std::size_t at = std::size_t{group} * Buckets::kCount + Buckets::of(whole);
    requests_[at] += times;
    if (!bytes_.empty()) bytes_[at] += times * static_cast<double>(size);
  }
  void seen(std::uint64_t hash) { distinct_.add(hash); }
  void seen(std::span<const std::uint8_t> ranks) { distinct_.merge(ranks); }
  void all(std::uint64_t requests) { all_ += requests; }
  void all_bytes(double bytes) { all_bytes_ += bytes; }
  void with_bytes() {
    if (bytes_.empty()) bytes_.resize(requests_.size(), 0);
  }

 private:
  std::vector<double> requests_ =
      std::vector<double>(std::size_t{kKeyGroups} * Buckets::kCount, 0.0);
  std::vector<double> bytes_;  // empty while no size has been seen
  std::array<double, kKeyGroups> sampled_{};
  std::array<double, kKeyGroups> sampled_bytes_{};
  std::uint64_t all_ = 0;
  double all_bytes_ = 0;
  Distinct distinct_;
};

// The base of both: feeds the requests of sampled keys to `Derived::ask(slot, known, size, now)`,
// and tells it by `Derived::leave(slot)` of keys that leave the sample.
template <class Derived>
class ReuseSample {
 public:
  [[nodiscard]] const ReuseCounts& counts() const { return counts_; }
  [[nodiscard]] const KeySample& sample() const { return sample_; }

  // `sizes`: by request, or empty; together at most 2^63. Throws std::bad_alloc or
  // std::length_error.
  void feed(std::span<const std::uint64_t> keys, std::span<const std::uint64_t> sizes) {
    if (!sizes.empty()) counts_.with_bytes();
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const std::uint64_t size = sizes.empty() ? 1 : sizes[i];
      bytes += size;
      const std::uint64_t hash = sample_.hash(keys[i]);
      counts_.seen(hash);
      if (sample_.takes(hash)) take(keys[i], hash, size, before_ + i);
    }
    before_ += keys.size();
    counts_.all(keys.size());
    counts_.all_bytes(static_cast<double>(bytes));
  }

  // Counts requests that another process has found not to be of sampled keys; see Distinct::merge.
  void leave_out(std::uint64_t requests, double bytes, std::span<const std::uint8_t> ranks) {
    counts_.seen(ranks);
    counts_.all(requests);
    counts_.all_bytes(bytes);
  }

 private:
  friend Derived;

  ReuseSample(double rate, std::uint32_t most, std::uint64_t seed) : sample_(rate, most, seed) {}

  [[nodiscard]] std::uint64_t requests() const { return before_; }

  void take(std::uint64_t key, std::uint64_t hash, std::uint64_t size, std::uint64_t now) {
    auto& derived = static_cast<Derived&>(*this);
    Slot slot = sample_.find(key, hash);
    const bool known = slot != kNone;
    if (!known) {
      slot = sample_.add(key, hash, [&](Slot left) { derived.leave(left); });
      if (slot == kNone) return;
    }
    const double times = 1 / sample_.rate();
    const std::uint32_t group = key_group(hash);
    counts_.ask(group, size, times);
    const double distance = derived.ask(slot, known, size, now);
    if (known) counts_.repeat(group, distance, size, times);
  }

  ReuseCounts counts_;
  KeySample sample_;
  std::uint64_t before_ = 0;  // requests so far
};

// By depth in an LRU stack. At rate 1, Mattson's exact stack distances; else SHARDS.
class StackDistances final : public ReuseSample<StackDistances> {
 public:
  // `weighed`: depths are in bytes; otherwise every key weighs 1.
  StackDistances(double rate, std::uint32_t most, std::uint64_t seed, bool weighed)
      : ReuseSample(rate, most, seed), weighed_(weighed) {}

  [[nodiscard]] std::size_t bytes() const {
    return sample().bytes() + stack_.bytes() + counts_.memory();
  }

 private:
  friend ReuseSample;

  // The key itself is in the sample for certain, those above it as keys in general are.
  double ask(Slot slot, bool known, std::uint64_t size, std::uint64_t /*now*/) {
    const Weight weight = weighed_ ? std::max<std::uint64_t>(size, 1) : 1;
    double depth = 0;
    if (known) {
      depth =
          static_cast<double>(weight) + static_cast<double>(stack_.above(slot)) / sample().rate();
      stack_.remove(slot);
    }
    stack_.push(slot, weight);
    return depth;
  }
  void leave(Slot slot) { stack_.remove(slot); }

  LruStack stack_;
  bool weighed_;
};

// By requests since the last one of the same key.
class ReuseTimes final : public ReuseSample<ReuseTimes> {
 public:
  ReuseTimes(double rate, std::uint32_t most, std::uint64_t seed) : ReuseSample(rate, most, seed) {}

  // By bucket of Buckets: how long ago each key's last request was. Keys that left the sample are
  // not among them: those that stayed stand for all.
  [[nodiscard]] std::vector<double> ages() const {
    std::vector<double> ages(Buckets::kCount, 0.0);
    for (Slot slot = 0; slot < slots_; ++slot) {
      if (last_[slot] != kLeft) ages[Buckets::of(requests() - last_[slot])] += 1 / sample().rate();
    }
    return ages;
  }

  [[nodiscard]] std::size_t bytes() const {
    return sample().bytes() + last_.bytes() + counts_.memory();
  }

 private:
  friend ReuseSample;
  static constexpr std::uint64_t kLeft = UINT64_MAX;

  double ask(Slot slot, bool known, std::uint64_t /*size*/, std::uint64_t now) {
    last_.ensure(slot);
    slots_ = std::max(slots_, slot + 1);
    const auto time = known ? static_cast<double>(now - last_[slot]) : 0;
    last_[slot] = now;
    return time;
  }
  void leave(Slot slot) { last_[slot] = kLeft; }

  Slab<std::uint64_t> last_;  // request, by slot; slots are dense
  Slot slots_ = 0;
};

}  // namespace augury
