// Learned: evicts whom a model expects to be asked for last. Candidates are drawn from the
// residents and scored in a batch; the worst of them are remembered, and leave one after another as
// long as nothing better is known of them. New entries are candidates as soon as they have come, so
// the same model decides on admission. Z. Song, D. S. Berger, K. Li, W. Lloyd, "Learning relaxed
// Belady for content distribution network caching", NSDI 2020; W. Zhou et al., "3L-Cache: low
// overhead and precise learning-based eviction policy for caches", FAST 2025.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "core/random.hpp"
#include "model/features.hpp"
#include "model/model.hpp"
#include "policy/members.hpp"
#include "policy/policy.hpp"
#include "policy/s3fifo.hpp"

namespace augury {

// Without a model it is S3-FIFO, whose queues go on as long as there is one, too.
class Learned final : public Policy {
 public:
  static constexpr std::array kParameters{
      Parameter{"evict", 8, 1, 64, "entries that leave for each scoring of 64 candidates"},
      Parameter{"history", 8, 1, 64, "keys remembered, as a multiple of the entries"},
  };
  static constexpr Description kDescription{
      .name = "learned",
      .title = "Learned",
      .paper =
          "Song, Berger, Li, Lloyd, Learning relaxed Belady for content distribution network "
          "caching, NSDI 2020",
      .parameters = kParameters,
      .adaptive = true,
      .learns = true,
  };

  explicit Learned(const Setup& setup)
      : residents_(setup.residents),
        tape_(setup.tape),
        evictions_(static_cast<std::uint32_t>(setup.parameter(kParameters[0]))),
        history_(setup.parameter(kParameters[1])),
        fifo_(setup),
        random_(setup.seed),
        features_(0) {
    pool_.reserve(kPool + kDrawn + kFresh);  // so that evict() never needs memory
    use_model(setup.model);
    resize(setup.capacity);
  }

  [[nodiscard]] bool reads_numbers() const override { return true; }

  void use_model(std::shared_ptr<const Model> model) override {
    model_ = std::move(model);
    pool_.clear();
    left_ = 0;
  }

  void hit(Slot slot, const Request& request) override {
    features_.request(nodes_[slot].number, request.size, request.time);
    if (tape_ != nullptr) tape_->push(nodes_[slot].number, residents_.weight(slot), request.time);
    nodes_[slot].asked = features_.now();
    fifo_.hit(slot, request);
  }

  void miss(const Request& request) override {
    features_.request(request.number, request.size, request.time);
    if (tape_ != nullptr) tape_->push(request.number, request.weight, request.time);
    fifo_.miss(request);
  }

  Slot evict() override {
    if (model_ == nullptr) {
      const Slot slot = fifo_.evict();
      forget(slot);
      return slot;
    }
    for (;;) {
      if (left_ == 0 || pool_.empty()) consider();
      const Candidate worst = pool_.back();
      pool_.pop_back();
      if (!is_current(worst)) continue;
      --left_;
      fifo_.remove(worst.slot);
      forget(worst.slot);
      return worst.slot;
    }
  }

  void insert(Slot slot, const Request& request) override {
    nodes_.ensure(slot);
    members_.add(slot);
    try {
      fifo_.insert(slot, request);
    } catch (...) {
      members_.remove(slot);
      throw;
    }
    ++inserted_;
    if (stay_ < members_.size()) stay_ = members_.size();
    nodes_[slot] = {request.number, features_.now(), true};
    fresh_[fresh_next_++ % kFresh] = slot;
    features_.limit(std::max(
        kFewest, static_cast<std::size_t>(history_ * static_cast<double>(members_.size()))));
    next_victim_ = model_ == nullptr || pool_.empty() ? fifo_.next_victim() : pool_.back().slot;
  }

  void remove(Slot slot) override {
    fifo_.remove(slot);
    forget(slot);
  }

  void reweighed(Slot slot, Weight old) override { fifo_.reweighed(slot, old); }
  void resize(Weight capacity) override { fifo_.resize(capacity); }

  bool row(std::uint64_t number, Row& row) const override {
    features_.row(number, octaves(level(static_cast<std::uint64_t>(stay_))), row.data());
    return true;
  }
  [[nodiscard]] std::string_view ruling() const override {
    return model_ == nullptr ? "queues" : "model";
  }

  void validate() const override {
    fifo_.validate();
    members_.validate();
    features_.validate();
    for (const Slot slot : members_.slots()) {
      if (!nodes_[slot].resident) throw std::logic_error("learned: a member is no resident");
    }
    if (pool_.size() > kPool) throw std::logic_error("learned: too many candidates");
  }
  [[nodiscard]] std::size_t bytes() const override {
    return fifo_.bytes() + members_.bytes() + features_.bytes() + nodes_.bytes();
  }

 private:
  static constexpr std::uint32_t kDrawn = 64;
  static constexpr std::uint32_t kFresh = 64;
  static constexpr std::uint32_t kPool = 64;
  static constexpr std::size_t kFewest = 4096;  // keys remembered

  struct Node {
    std::uint64_t number;
    std::uint32_t asked;  // when it was asked for last
    bool resident;
  };
  struct Candidate {
    float score;
    Slot slot;
    std::uint32_t asked;
    bool operator<(const Candidate& other) const { return score < other.score; }
  };

  [[nodiscard]] bool is_current(const Candidate& candidate) const {
    const Node& node = nodes_[candidate.slot];
    return node.resident && node.asked == candidate.asked;
  }

  void forget(Slot slot) {
    nodes_[slot].resident = false;
    members_.remove(slot);
  }

  // By Little's law: entries, divided by how many come with each request.
  void measure_stay() {
    const std::uint32_t requests = features_.now() - measured_;
    if (requests >= std::max(members_.size(), 64U)) {
      stay_ = static_cast<double>(members_.size()) * requests / std::max(inserted_, 1U);
      measured_ = features_.now();
      inserted_ = 0;
    }
  }

  // Scores the new entries and some drawn from all, and keeps the worst.
  [[gnu::noinline]] void consider() {
    measure_stay();
    left_ = std::min(evictions_, std::max(members_.size() / 8, 1U));
    std::array<Slot, kDrawn + kFresh> slots;
    std::size_t count = 0;
    for (std::uint32_t i = 0; i < std::min(fresh_next_, kFresh); ++i) {
      if (nodes_[fresh_[i]].resident) slots[count++] = fresh_[i];
    }
    fresh_next_ = 0;
    while (count < kDrawn) slots[count++] = members_.draw(random_);
    std::sort(slots.begin(), slots.begin() + static_cast<std::ptrdiff_t>(count));
    count = static_cast<std::size_t>(
        std::unique(slots.begin(), slots.begin() + static_cast<std::ptrdiff_t>(count)) -
        slots.begin());
    const float stay = octaves(level(static_cast<std::uint64_t>(stay_)));
    std::array<float, (kDrawn + kFresh) * kFeatures> rows;
    std::array<float, kDrawn + kFresh> scores;
    for (std::size_t i = 0; i < count; ++i) {
      features_.row(nodes_[slots[i]].number, stay, rows.data() + i * kFeatures);
    }
    model_->score({rows.data(), count * kFeatures}, {scores.data(), count});
    std::erase_if(pool_, [&](const Candidate& candidate) {
      return !is_current(candidate) ||
             std::binary_search(slots.begin(), slots.begin() + static_cast<std::ptrdiff_t>(count),
                                candidate.slot);
    });
    for (std::size_t i = 0; i < count; ++i) {
      // What has no order leaves first; sorting needs one.
      const float score =
          std::isnan(scores[i]) ? std::numeric_limits<float>::infinity() : scores[i];
      pool_.push_back({score, slots[i], nodes_[slots[i]].asked});
    }
    std::sort(pool_.begin(), pool_.end());  // NOLINT(modernize-use-ranges): has but a <
    if (pool_.size() > kPool) {
      pool_.erase(pool_.begin(), pool_.end() - static_cast<std::ptrdiff_t>(kPool));
    }
  }

  const Residents& residents_;
  Tape* tape_;
  std::uint32_t evictions_;
  double stay_ = 1;             // requests that an entry is in the cache for, on average
  std::uint32_t measured_ = 0;  // when that was found
  std::uint32_t inserted_ = 0;  // since then
  double history_;
  S3Fifo fifo_;
  Random random_;
  Features features_;
  std::shared_ptr<const Model> model_;
  Slab<Node> nodes_;
  Members members_;
  std::array<Slot, kFresh> fresh_{};
  std::uint32_t fresh_next_ = 0;
  std::uint32_t left_ = 0;       // to evict until the next scoring
  std::vector<Candidate> pool_;  // the worst at the back
};

}  // namespace augury
