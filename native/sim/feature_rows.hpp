// Rows to train from: features of keys at moments of a trace, and when they are asked for next.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

#include "core/heap.hpp"
#include "core/types.hpp"
#include "model/features.hpp"
#include "sim/draws.hpp"

namespace augury {

// log2(1 + requests): what a row is labelled with.
inline float label_of(std::uint64_t requests) {
  return static_cast<float>(std::log2(1.0 + static_cast<double>(requests)));
}

// A row of a key is taken at each moment that `Draws` draws, unless the key is asked for again
// before. So rows are of keys that are silent at that age, as entries are that a cache thinks of
// evicting, and what they are is decided by the past alone: labels are not biased.
class FeatureRows {
 public:
  // Rows of moments before request `start` are left out.
  FeatureRows(double sample, std::uint32_t draws, std::uint64_t seed, std::uint64_t start,
              std::size_t keys)
      : draws_(sample, draws, seed), start_(start), features_(keys) {}

  // `numbers`: the keys, by id; there may be more each time, never fewer. `sizes`, `times`: by
  // request, or empty; see Request.
  void feed(std::span<const std::uint32_t> ids, std::span<const std::uint64_t> numbers,
            std::span<const std::uint64_t> sizes, std::span<const std::uint32_t> times) {
    require(numbers.size() >= open_.size(), "there are fewer keys than before");
    grow(numbers.size());
    for (std::size_t i = 0; i < ids.size(); ++i) {
      while (!due_.empty() && due_.front().time <= now_) {
        take(numbers);
        due_.pop();
      }
      const std::uint32_t id = ids[i];
      resolve(id);
      features_.request(numbers[id], sizes.empty() ? 0 : sizes[i], times.empty() ? 0 : times[i]);
      last_[id] = now_++;
      draws_.after(now_ - 1, [&](std::uint64_t moment, float stay) {
        if (due_.full()) due_.reserve(2 * due_.size() + 64);
        due_.push({moment, now_ - 1, id, stay});
      });
    }
  }

  // No more requests come: labels of keys that were not asked for again are when at the earliest
  // that may be.
  void finish() {
    for (std::size_t at = 0; at < labels_.size(); ++at) {
      if (std::isnan(labels_[at])) {
        labels_[at] = label_of(now_ - moments_[at]);
        censored_[at] = 1;
      }
    }
    for (auto& row : open_) row = kNone;
  }

  [[nodiscard]] std::span<const float> rows() const { return rows_; }
  // log2(1 + requests before the one for the key)
  [[nodiscard]] std::span<const float> labels() const { return labels_; }
  [[nodiscard]] std::span<const std::uint8_t> censored() const { return censored_; }
  // The request before which a row was taken.
  [[nodiscard]] std::span<const std::uint64_t> moments() const { return moments_; }

 private:
  struct Due {
    std::uint64_t time;
    std::uint64_t last;  // request for the key
    std::uint32_t id;
    float stay;
  };
  struct Sooner {
    bool operator()(const Due& a, const Due& b) const { return a.time < b.time; }
  };

  void grow(std::size_t keys) {
    const std::size_t before = open_.size();
    if (keys <= before) return;
    open_.resize(keys, kNone);
    last_.resize(keys, 0);
  }

  void take(std::span<const std::uint64_t> numbers) {
    const Due due = due_.front();
    if (last_[due.id] != due.last || now_ < start_) return;
    rows_.resize(rows_.size() + kFeatures);
    features_.row(numbers[due.id], due.stay, rows_.data() + rows_.size() - kFeatures);
    labels_.push_back(std::nanf(""));
    censored_.push_back(0);
    moments_.push_back(now_);
    before_.push_back(open_[due.id]);
    open_[due.id] = static_cast<std::uint32_t>(labels_.size() - 1);
  }

  // The key's rows get their labels.
  void resolve(std::uint32_t id) {
    for (std::uint32_t at = open_[id]; at != kNone; at = before_[at]) {
      labels_[at] = label_of(now_ - moments_[at]);
    }
    open_[id] = kNone;
  }

  Draws draws_;
  std::uint64_t start_;
  Features features_;
  std::uint64_t now_ = 0;
  Heap<Due, Sooner> due_;
  std::vector<std::uint32_t> open_;  // by id: its last row without a label, or kNone
  std::vector<std::uint64_t> last_;  // by id: its last request
  std::vector<float> rows_;
  std::vector<float> labels_;
  std::vector<std::uint8_t> censored_;
  std::vector<std::uint64_t> moments_;
  std::vector<std::uint32_t> before_;  // by row: the open row before it of the same key
};

}  // namespace augury
