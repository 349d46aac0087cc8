// What a Redis or Valkey server would keep: its own approximations of LRU and LFU, with their
// samples, their pool, their coarse clocks and their counters.
//
// Redis, src/evict.c and src/object.c, versions 4 to 8; Valkey, the same files, versions 7 to 9.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <queue>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "core/random.hpp"

namespace augury {

enum class RedisOperation : std::uint8_t {
  kRead = 0,    // of a key that is stored thereafter if it is not there, unless its size is 0
  kWrite = 1,   // of a value as a whole
  kDelete = 2,  // by a command
  kExpire = 3,  // gives another time to live
};

class RedisSimulation {
 public:
  struct Options {
    std::string policy;          // as maxmemory-policy
    std::uint64_t capacity = 0;  // bytes of entries
    int samples = 5;             // maxmemory-samples
    int log_factor = 10;         // lfu-log-factor
    int decay_time = 1;          // lfu-decay-time, minutes
    std::uint64_t seed = 1;
  };

  // Parallel; times and times to live in milliseconds, 0: none.
  struct Operations {
    std::span<const std::uint8_t> operations;
    std::span<const std::uint32_t> ids;
    std::span<const std::uint64_t> sizes;
    std::span<const std::uint64_t> times;
    std::span<const std::uint64_t> ttls;
  };

  struct Counts {
    std::uint64_t reads = 0;
    std::uint64_t hits = 0;
    std::uint64_t evictions = 0;
    std::uint64_t expirations = 0;
    std::uint64_t refused = 0;  // writes answered by an error of memory
  };

  explicit RedisSimulation(const Options& options)
      : options_(options), rule_(rule_of(options.policy)), random_(options.seed) {
    if (options.samples < 1 || options.log_factor < 0 || options.decay_time < 0) {
      throw std::invalid_argument("samples, log_factor and decay_time must not be negative");
    }
    volatile_only_ = options.policy.starts_with("volatile-");
  }

  void feed(const Operations& all) {
    for (std::size_t i = 0; i < all.operations.size(); ++i) {
      now_ = std::max(now_, all.times[i]);
      expire();
      const std::uint32_t id = all.ids[i];
      if (id >= entries_.size()) entries_.resize(std::max<std::size_t>(id + 1, 2 * id));
      // Before each command, so that one entry may be too much in the meantime.
      make_room();
      run(static_cast<RedisOperation>(all.operations[i]), id, all.sizes[i], all.ttls[i]);
    }
  }

  [[nodiscard]] const Counts& counts() const { return counts_; }
  void reset_counts() { counts_ = {}; }
  [[nodiscard]] std::size_t size() const { return all_.size(); }
  [[nodiscard]] std::uint64_t used() const { return used_; }

 private:
  enum class Rule : std::uint8_t { kNone, kLru, kLfu, kRandom, kTtl };

  static constexpr std::uint32_t kNowhere = ~std::uint32_t{0};
  static constexpr std::size_t kPool = 16;
  static constexpr std::uint32_t kClockMask = (1U << 24) - 1;
  static constexpr std::uint8_t kFirstCount = 5;

  struct Entry {
    std::uint64_t size = 0;
    std::uint64_t deadline = 0;  // 0: none
    std::uint32_t place = kNowhere;
    std::uint32_t place_volatile = kNowhere;
    std::uint32_t clock = 0;  // of LRU: seconds, 24 bits
    std::uint16_t minutes = 0;
    std::uint8_t count = 0;
  };
  struct Pooled {
    std::uint64_t idle;
    std::uint32_t id;
  };
  struct Deadline {
    std::uint64_t at;
    std::uint32_t id;
    bool operator>(const Deadline& other) const { return at > other.at; }
  };

  static Rule rule_of(std::string_view policy) {
    if (policy == "noeviction") return Rule::kNone;
    if (policy == "volatile-ttl") return Rule::kTtl;
    const std::size_t dash = policy.find('-');
    const std::string_view scope = policy.substr(0, dash);
    if (dash != std::string_view::npos && (scope == "allkeys" || scope == "volatile")) {
      const std::string_view rule = policy.substr(dash + 1);
      if (rule == "lru") return Rule::kLru;
      if (rule == "lfu") return Rule::kLfu;
      if (rule == "random") return Rule::kRandom;
    }
    throw std::invalid_argument("unknown maxmemory-policy: " + std::string(policy));
  }

  void run(RedisOperation operation, std::uint32_t id, std::uint64_t size, std::uint64_t ttl) {
    Entry& entry = entries_[id];
    const bool there = entry.place != kNowhere;
    switch (operation) {
      case RedisOperation::kRead:
        ++counts_.reads;
        if (there) {
          ++counts_.hits;
          touch(entry);
        } else if (size != 0) {
          write(id, size, ttl);
        }
        break;
      case RedisOperation::kWrite:
        write(id, size, ttl);
        break;
      case RedisOperation::kDelete:
        if (there) remove(id);
        break;
      case RedisOperation::kExpire:
        if (there) set_deadline(id, ttl);
        break;
    }
  }

  void write(std::uint32_t id, std::uint64_t size, std::uint64_t ttl) {
    make_room();  // the write is a command of its own
    if (used_ > options_.capacity) {
      ++counts_.refused;
      return;
    }
    Entry& entry = entries_[id];
    if (entry.place == kNowhere) {
      entry.count = kFirstCount;
      entry.minutes = minutes();
      entry.clock = clock();
      entry.place = add(all_, id);
    } else {
      used_ -= entry.size;
      touch(entry);
    }
    entry.size = size;
    used_ += size;
    set_deadline(id, ttl);
  }

  void set_deadline(std::uint32_t id, std::uint64_t ttl) {
    Entry& entry = entries_[id];
    entry.deadline = ttl == 0 ? 0 : now_ + ttl;
    if (ttl == 0) {
      drop(volatile_, entry.place_volatile, &Entry::place_volatile);
    } else {
      if (entry.place_volatile == kNowhere) entry.place_volatile = add(volatile_, id);
      deadlines_.push({entry.deadline, id});
    }
  }

  void expire() {
    while (!deadlines_.empty() && deadlines_.top().at <= now_) {
      const Deadline due = deadlines_.top();
      deadlines_.pop();
      const Entry& entry = entries_[due.id];
      if (entry.place == kNowhere || entry.deadline != due.at) continue;
      remove(due.id);
      ++counts_.expirations;
    }
  }

  void make_room() {
    while (used_ > options_.capacity) {
      const std::uint32_t victim = choose();
      if (victim == kNowhere) return;
      remove(victim);
      ++counts_.evictions;
    }
  }

  [[nodiscard]] const std::vector<std::uint32_t>& eligible() const {
    return volatile_only_ ? volatile_ : all_;
  }
  [[nodiscard]] bool is_eligible(std::uint32_t id) const {
    return (volatile_only_ ? entries_[id].place_volatile : entries_[id].place) != kNowhere;
  }

  std::uint32_t choose() {
    const std::vector<std::uint32_t>& keys = eligible();
    if (rule_ == Rule::kNone || keys.empty()) return kNowhere;
    if (rule_ == Rule::kRandom) return keys[random_.below(keys.size())];
    for (;;) {
      populate(keys);
      while (pooled_ != 0) {
        const std::uint32_t best = pool_[--pooled_].id;
        // It may have left since. If it came back or was asked for since, it is taken all the same.
        if (is_eligible(best)) return best;
      }
    }
  }

  // Puts a few keys in the pool, where the best victim is the last one.
  void populate(const std::vector<std::uint32_t>& keys) {
    const auto samples = static_cast<std::size_t>(options_.samples);
    // Neighbours in the table are neighbours by their hashes, so random ones serve as well.
    for (std::size_t i = 0; i < std::min(samples, keys.size()); ++i) {
      const std::uint32_t id = keys.size() <= samples ? keys[i] : keys[random_.below(keys.size())];
      const std::uint64_t idle = idle_of(entries_[id]);
      std::size_t at = 0;
      while (at < pooled_ && pool_[at].idle < idle) ++at;
      if (pooled_ < kPool) {
        std::copy_backward(pool_.begin() + static_cast<std::ptrdiff_t>(at),
                           pool_.begin() + static_cast<std::ptrdiff_t>(pooled_),
                           pool_.begin() + static_cast<std::ptrdiff_t>(pooled_) + 1);
        ++pooled_;
      } else {
        if (at == 0) continue;
        --at;  // the least idle one leaves
        std::copy(pool_.begin() + 1, pool_.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                  pool_.begin());
      }
      pool_[at] = {idle, id};
    }
  }

  [[nodiscard]] std::uint64_t idle_of(const Entry& entry) const {
    switch (rule_) {
      case Rule::kLru:
        return (clock() - entry.clock) & kClockMask;
      case Rule::kLfu:
        return 255U - decayed(entry);
      default:
        return std::numeric_limits<std::uint64_t>::max() - entry.deadline;
    }
  }

  // Only one of both is kept by a server, but neither knows of the other.
  void touch(Entry& entry) {
    entry.clock = clock();
    entry.count = decayed(entry);
    entry.minutes = minutes();
    if (entry.count == 255) return;
    const int above = std::max(entry.count - kFirstCount, 0);
    const double chance = 1.0 / (above * options_.log_factor + 1);
    if (static_cast<double>(random_.next() >> 11) * 0x1p-53 < chance) ++entry.count;
  }

  [[nodiscard]] std::uint8_t decayed(const Entry& entry) const {
    if (options_.decay_time == 0) return entry.count;
    const auto passed = static_cast<std::uint16_t>(minutes() - entry.minutes);
    const int periods = passed / options_.decay_time;
    return static_cast<std::uint8_t>(std::max(entry.count - periods, 0));
  }

  [[nodiscard]] std::uint32_t clock() const {
    return static_cast<std::uint32_t>(now_ / 1000) & kClockMask;
  }
  [[nodiscard]] std::uint16_t minutes() const { return static_cast<std::uint16_t>(now_ / 60'000); }

  void remove(std::uint32_t id) {
    Entry& entry = entries_[id];
    used_ -= entry.size;
    entry.deadline = 0;
    drop(volatile_, entry.place_volatile, &Entry::place_volatile);
    drop(all_, entry.place, &Entry::place);
  }

  static std::uint32_t add(std::vector<std::uint32_t>& keys, std::uint32_t id) {
    keys.push_back(id);
    return static_cast<std::uint32_t>(keys.size() - 1);
  }
  // The last one takes its place.
  void drop(std::vector<std::uint32_t>& keys, std::uint32_t& place, std::uint32_t Entry::* which) {
    if (place == kNowhere) return;
    const std::uint32_t last = keys.back();
    keys[place] = last;
    entries_[last].*which = place;
    keys.pop_back();
    place = kNowhere;
  }

  Options options_;
  Rule rule_;
  bool volatile_only_ = false;
  Random random_;
  std::uint64_t now_ = 0;  // milliseconds
  std::uint64_t used_ = 0;
  std::vector<Entry> entries_;           // by id
  std::vector<std::uint32_t> all_;       // ids of what is there
  std::vector<std::uint32_t> volatile_;  // and has a deadline
  std::priority_queue<Deadline, std::vector<Deadline>, std::greater<>> deadlines_;
  std::array<Pooled, kPool> pool_{};
  std::size_t pooled_ = 0;
  Counts counts_;
};

}  // namespace augury
