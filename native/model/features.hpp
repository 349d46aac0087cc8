// What a model is told of a key: a row of numbers, kept up to date request by request.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>
#include <string_view>

#include "core/bytes.hpp"
#include "core/hash.hpp"
#include "model/key_number.hpp"
#include "model/model.hpp"
#include "sketch/states.hpp"

namespace augury {

// src/augury/features.py says what each one means. Training and serving both run this.
struct Feature {
  enum : std::size_t {
    kAge,
    kGap,  // four of them
    kLife = kGap + 4,
    kCount,
    kRecent,
    kUsual,
    kSize,
    kRun,
    kBelow,
    kAbove,
    kNear,             // four of them
    kFar = kNear + 4,  // four of them
    kNovelty = kFar + 4,
    kStay,
    kKin,               // two of them
    kHabit = kKin + 2,  // two of them
    kEnd = kHabit + 2
  };
};
inline constexpr std::size_t kFeatures = Feature::kEnd;
using Row = std::array<float, kFeatures>;

// Throws std::invalid_argument unless the model scores such rows.
inline void check_serves(const Model& model) {
  require(model.features() == kFeatures, "the model was trained with other features");
}

// log2(1 + x) in steps of an eighth, by straight lines between powers of two: exact arithmetic, so
// that it is the same everywhere.
inline std::uint8_t level(std::uint64_t x) {
  const std::uint64_t v = std::min<std::uint64_t>(x, 0xFFFFFFFEU) + 1;
  const int e = std::bit_width(v) - 1;
  const auto eighths = static_cast<unsigned>(((v << 3) >> e) & 7);
  return static_cast<std::uint8_t>(std::min(static_cast<unsigned>(e) * 8 + eighths, 254U));
}
inline constexpr std::uint8_t kUnknown = 255;  // longer ago than can be told, or never
inline constexpr float kNever = 32;            // stands for it in a row
inline float octaves(std::uint8_t of) {
  return static_cast<float>(of) / 8;
}

// The same of a count, not rounded.
inline float octaves(float count) {
  const auto bits = std::bit_cast<std::uint32_t>(1 + count);  // of a float from 1 up
  const auto exponent = static_cast<std::int32_t>(bits >> 23) - 127;
  const auto fraction = std::bit_cast<float>((bits & 0x7FFFFFU) | 0x3F800000U) - 1;
  return static_cast<float>(exponent) + fraction;
}

// What is left of a count after `gap` requests, if half is lost every 2^kHalf: straight lines
// between the halves.
template <unsigned kHalf>
float decayed(float count, std::uint32_t gap) {
  const std::uint32_t halves = gap >> kHalf;
  if (halves >= 31) return 0;
  const auto rest = static_cast<float>(gap & ((1U << kHalf) - 1)) / (1U << kHalf);
  return count * (1 - rest / 2) / static_cast<float>(1U << halves);
}

inline constexpr std::uint32_t kDay = 86'400;  // seconds

// The time of day at which a key last came back after half a day or more, by the hand of a 24-hour
// clock. Requests that follow one another sooner show no habit; were they counted, a log of less
// than a few days would only show how long ago they were.
class Habit {
 public:
  Habit() = default;
  // `time` of the first request: see Request::time.
  explicit Habit(std::uint32_t time) : hour_(hour(time)) {}

  void add(std::uint32_t time) {
    if (time == 0) return;
    if (static_cast<std::uint16_t>(hour(time) - hour_) >= 12) hand_ = place(time);
    hour_ = hour(time);
  }

  // The cosine between then and `time`: 1 at the same time of day, -1 twelve hours from it; 0 if it
  // never came back so.
  [[nodiscard]] float at(std::uint32_t time) const {
    if (hand_ == kNone) return 0;
    return kCosine[static_cast<std::size_t>(place(time) + kSteps - hand_) % kSteps];
  }

 private:
  static constexpr std::uint8_t kSteps = 96;  // quarters of an hour
  static constexpr std::uint8_t kNone = 255;

  static std::uint16_t hour(std::uint32_t time) { return static_cast<std::uint16_t>(time / 3600); }
  static std::uint8_t place(std::uint32_t time) {
    return static_cast<std::uint8_t>(time % kDay / (kDay / kSteps));
  }

  // In 126ths: an even number, so that none is half-way between two and all machines round alike.
  static inline const std::array<float, kSteps> kCosine = [] {
    std::array<float, kSteps> cosine{};
    for (std::size_t at = 0; at < kSteps; ++at) {
      const double turn = static_cast<double>(at) / kSteps;
      cosine[at] =
          static_cast<float>(std::lround(126 * std::cos(2 * std::numbers::pi * turn))) / 126;
    }
    return cosine;
  }();

  std::uint16_t hour_ = 0;  // of the last request
  std::uint8_t hand_ = kNone;
};

// Time is counted in requests, in 32 bits: who is silent for more than 2^32 requests looks young
// again, and is predicted wrongly.
class Features {
 public:
  // Remembers at most about `keys` keys.
  explicit Features(std::size_t keys) : keys_(0), near_(0), far_(0), kin_(0) { limit(keys); }

  void limit(std::size_t keys) {
    keys_.limit(keys);
    near_.limit(keys / 4 + 1);
    far_.limit(keys / 16 + 1);
    kin_.limit(keys / 16 + 1);
  }

  [[nodiscard]] std::uint32_t now() const { return now_; }

  // `number`: the key, as a number that is near to those of keys that are like it. `size`: bytes,
  // or 0 if unknown. `time`: see Request::time. Ends with the next moment.
  void request(std::uint64_t number, std::uint64_t size, std::uint32_t time) {
    time_ = time;
    Key* key = keys_.find(mix(number));
    const Key* below = keys_.find(mix(number - 1));
    const bool follows = below != nullptr && now_ - below->last <= kSoon;
    const std::uint8_t run =
        follows ? static_cast<std::uint8_t>(std::min(below->run + 1, 254)) : std::uint8_t{0};
    const bool known = key != nullptr;
    std::uint8_t gap = kUnknown;
    if (known) {
      const std::uint32_t since = now_ - key->last;
      gap = level(since);
      std::copy_backward(key->gaps.begin(), key->gaps.end() - 1, key->gaps.end());
      key->gaps[0] = gap;
      key->recent = 1 + decayed<kRecentHalf>(key->recent, since);
      key->usual = 1 + decayed<kUsualHalf>(key->usual, since);
      key->count += key->count != 0xFFFF;
      key->last = now_;
      key->run = run;
      if (size != 0) key->size = level(size);
      key->habit.add(time);
    } else {
      Key added;
      added.last = added.first = now_;
      added.run = run;
      added.size = level(size);
      added.habit = Habit(time);
      keys_.add(mix(number), added, now_);
    }
    join(near_, number >> kNearBits, gap);
    join(far_, number >> kFarBits, gap);
    join(kin_, namespace_of(number), gap);
    novelty_ += ((known ? 0.0F : 1.0F) - novelty_) / 64;
    ++now_;
  }

  // Asks memory for what row() of that key needs first.
  void prefetch(std::uint64_t number) const {
    keys_.prefetch(mix(number));
    keys_.prefetch(mix(number - 1));
    keys_.prefetch(mix(number + 1));
    near_.prefetch(mix(number >> kNearBits));
  }

  // The row of a key at this moment, before its next request. `stay`: how long an entry stays in
  // the cache, in octaves of requests. Times are told in octaves more than that, and rates in
  // octaves of requests within that time, so that a row means the same to caches of other sizes.
  void row(std::uint64_t number, float stay, float* row) const {
    static constexpr Key kNobody{};
    const Key* found = keys_.find(mix(number));
    const Key& key = found == nullptr ? kNobody : *found;
    const std::uint32_t age = now_ - key.last;
    row[Feature::kAge] = since(found, stay);
    for (std::size_t i = 0; i < 4; ++i) row[Feature::kGap + i] = relative(key.gaps[i], stay);
    row[Feature::kLife] = relative(found == nullptr ? kUnknown : level(now_ - key.first), stay);
    row[Feature::kCount] = octaves(level(key.count));
    row[Feature::kRecent] = rate(decayed<kRecentHalf>(key.recent, age), kRecentHalf, stay);
    row[Feature::kUsual] = rate(decayed<kUsualHalf>(key.usual, age), kUsualHalf, stay);
    row[Feature::kSize] = octaves(key.size);
    row[Feature::kRun] = octaves(level(key.run));
    row[Feature::kBelow] = since(keys_.find(mix(number - 1)), stay);
    row[Feature::kAbove] = since(keys_.find(mix(number + 1)), stay);
    tell(near_, number >> kNearBits, stay, row + Feature::kNear);
    tell(far_, number >> kFarBits, stay, row + Feature::kFar);
    row[Feature::kNovelty] = novelty_;
    row[Feature::kStay] = stay;
    const Group& kin = known(kin_, namespace_of(number));
    row[Feature::kKin] = kin.returns;
    row[Feature::kKin + 1] = kin.gap - stay;
    row[Feature::kHabit] = key.habit.at(time_);
    row[Feature::kHabit + 1] = key.habit.at(time_ + kDay / 4);
  }

  // What is remembered of the keys asked for within the last `horizon` requests, as bytes.
  void save(std::string& bytes, std::uint32_t horizon) const {
    append(bytes, now_);
    append(bytes, time_);
    append(bytes, novelty_);
    keys_.save(bytes, now_, horizon);
    near_.save(bytes, now_, horizon);
    far_.save(bytes, now_, horizon);
    kin_.save(bytes, now_, horizon);
  }

  // Remembers what was saved instead of what it did, and takes it off the front; false, and it
  // remembers less, if it is cut.
  [[nodiscard]] bool restore(std::string_view& bytes) {
    return consume(bytes, now_) && consume(bytes, time_) && consume(bytes, novelty_) &&
           keys_.restore(bytes, now_) && near_.restore(bytes, now_) && far_.restore(bytes, now_) &&
           kin_.restore(bytes, now_);
  }

  [[nodiscard]] std::size_t bytes() const {
    return keys_.bytes() + near_.bytes() + far_.bytes() + kin_.bytes();
  }
  void validate() const {
    keys_.validate();
    near_.validate();
    far_.validate();
    kin_.validate();
  }

 private:
  static constexpr std::uint32_t kSoon = 64;  // requests within which a run goes on
  static constexpr unsigned kRecentHalf = 10;
  static constexpr unsigned kUsualHalf = 14;
  static constexpr unsigned kNearBits = 4;
  static constexpr unsigned kFarBits = 10;

  struct Key {
    std::uint32_t last = 0;
    std::uint32_t first = 0;
    std::uint16_t count = 1;
    std::uint8_t run = 0;  // keys one below the other that were asked for before
    std::uint8_t size = 0;
    Habit habit;
    std::array<std::uint8_t, 4> gaps{kUnknown, kUnknown, kUnknown, kUnknown};  // last one first
    float recent = 1;
    float usual = 1;
  };

  // Keys with the same upper bits.
  struct Group {
    std::uint32_t last = 0;
    float rate = 1;     // requests, decayed
    float returns = 0;  // share of requests for keys that were known
    float gap = 16;     // of those, in octaves, on average
  };

  void join(States<Group>& groups, std::uint64_t number, std::uint8_t gap) {
    Group* group = groups.find(mix(number));
    if (group == nullptr) {
      Group added;
      added.last = now_;
      group = groups.add(mix(number), added, now_);
      if (group == nullptr) return;
    } else {
      group->rate = 1 + decayed<kUsualHalf>(group->rate, now_ - group->last);
      group->last = now_;
    }
    group->returns += ((gap == kUnknown ? 0.0F : 1.0F) - group->returns) / 16;
    if (gap != kUnknown) group->gap += (octaves(gap) - group->gap) / 16;
  }

  static const Group& known(const States<Group>& groups, std::uint64_t number) {
    static constexpr Group kNobody{};
    const Group* found = groups.find(mix(number));
    return found == nullptr ? kNobody : *found;
  }

  void tell(const States<Group>& groups, std::uint64_t number, float stay, float* row) const {
    static constexpr Group kNobody{};
    const Group* found = groups.find(mix(number));
    const Group& group = found == nullptr ? kNobody : *found;
    row[0] = since(found, stay);
    row[1] = rate(decayed<kUsualHalf>(group.rate, now_ - group.last), kUsualHalf, stay);
    row[2] = group.returns;
    row[3] = group.gap - stay;
  }

  template <class State>
  [[nodiscard]] float since(const State* state, float stay) const {
    return relative(state == nullptr ? kUnknown : level(now_ - state->last), stay);
  }

  static float relative(std::uint8_t of, float stay) {
    return of == kUnknown ? kNever : octaves(of) - stay;
  }
  // A count of which half is lost every 2^half requests.
  static float rate(float count, unsigned half, float stay) {
    return octaves(count) + stay - static_cast<float>(half);
  }

  std::uint32_t now_ = 0;
  std::uint32_t time_ = 0;  // of the last request
  float novelty_ = 1;       // share of the last requests that were for unknown keys
  States<Key> keys_;
  States<Group> near_;
  States<Group> far_;
  States<Group> kin_;
};

}  // namespace augury
