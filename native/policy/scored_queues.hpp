// The queues of two_stage.hpp, where a model decides who of those next to leave does.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "model/features.hpp"
#include "model/model.hpp"
#include "policy/policy.hpp"
#include "policy/two_stage.hpp"

namespace augury {

// What queues that are asked for the same keys score them by.
struct Scoring {
  explicit Scoring(std::size_t keys) : features(keys) {}

  Features features;
  std::shared_ptr<const Model> model;
  float stay = 0;  // how long an entry stays in the cache, in octaves: see Features::row
};

// The queues propose whom they would evict, many at a time; the model scores them, a quarter
// leaves, worst first, and the others go back to the main queue. So the model is asked only of
// those that a good fixed policy would evict, admission and eviction alike: its errors cost less
// than if it chose from all, and one scoring of 4 rows serves each eviction. (Proposals by a simple
// policy: Z. Song et al., "HALP: heuristic aided learned preference eviction policy for YouTube
// content delivery network", NSDI 2023. Many evicted from one batch: W. Zhou et al., "3L-Cache: low
// overhead and precise learning-based eviction policy for caches", FAST 2025.)
class ScoredQueues final : public Policy {
 public:
  struct Setting {
    std::string_view name;
    TwoStageSetting queues;
    const Scoring* scoring = nullptr;  // nullptr, or without a model: the queues alone decide
    float octaves = 0;                 // by which its "long" is longer than Scoring::stay
  };

  ScoredQueues(const Residents& residents, Weight capacity, const Setting& setting)
      : setting_(setting), queues_(residents, capacity, setting.queues) {
    leaving_.reserve(kBatch);  // so that evict() never needs memory
  }

  [[nodiscard]] std::size_t size() const { return queues_.size() + taken_out_; }
  [[nodiscard]] std::uint64_t number(Slot slot) const { return nodes_[slot].number; }
  [[nodiscard]] const Setting& setting() const { return setting_; }

  static double motion(const Setting& from, const Setting& to) {
    return TwoStage<>::motion(from.queues, to.queues);
  }

  void tune(const Setting& setting) {
    setting_ = setting;
    queues_.tune(setting.queues);
  }

  void hit(Slot slot, const Request& request) override {
    if (nodes_[slot].state == State::kQueued) {
      queues_.hit(slot, request);
    } else {
      nodes_[slot].state = State::kAskedFor;
    }
  }

  void miss(const Request& request) override { queues_.miss(request); }

  Slot evict() override {
    const bool scored = setting_.scoring != nullptr && setting_.scoring->model != nullptr;
    for (;;) {
      if (leaving_.empty()) {
        if (!scored) return queues_.evict();
        propose();
      }
      const Slot slot = leaving_.back().slot;
      leaving_.pop_back();
      const State state = nodes_[slot].state;
      if (state == State::kQueued) continue;  // was removed meanwhile
      put_back(slot);
      if (scored && state == State::kLeaving) {
        queues_.leave(slot);
        return slot;
      }
      queues_.spare(slot);
    }
  }

  void insert(Slot slot, const Request& request) override {
    nodes_.ensure(slot);
    queues_.insert(slot, request);
    nodes_[slot] = {request.number, State::kQueued};
    next_victim_ = leaving_.empty() ? kNone : leaving_.back().slot;
  }

  void remove(Slot slot) override {
    if (nodes_[slot].state == State::kQueued) {
      queues_.remove(slot);
    } else {
      put_back(slot);
    }
  }

  void reweighed(Slot slot, Weight old) override {
    if (nodes_[slot].state == State::kQueued) queues_.reweighed(slot, old);
  }

  void resize(Weight capacity) override { queues_.resize(capacity); }

  bool visit(const Visit& visit) const override {
    for (const Candidate& next : std::views::reverse(leaving_)) {
      const State state = nodes_[next.slot].state;
      if (state != State::kQueued) visit(next.slot, state == State::kAskedFor ? 1 : 0);
    }
    return queues_.visit(visit);
  }
  [[nodiscard]] std::string memory() const override { return queues_.memory(); }
  void resume(std::string_view memory) override { queues_.resume(memory); }

  void validate() const override {
    queues_.validate();
    std::size_t out = 0;
    for (const Candidate& each : leaving_) out += nodes_[each.slot].state != State::kQueued;
    if (out != taken_out_) throw std::logic_error("scored queues: miscounted who leaves");
    if (leaving_.size() > kBatch) throw std::logic_error("scored queues: too many leave");
  }
  [[nodiscard]] std::size_t bytes() const override { return queues_.bytes() + nodes_.bytes(); }

 private:
  static constexpr std::size_t kBatch = 128;
  static constexpr std::size_t kLeaveOne = 4;  // of so many

  enum class State : std::uint8_t {
    kQueued,
    kLeaving,  // taken out of the queues, and in leaving_
    kAskedFor  // likewise, and asked for since
  };
  struct Node {
    std::uint64_t number;
    State state;
  };
  struct Candidate {
    float score;
    Slot slot;
    bool operator<(const Candidate& other) const { return score < other.score; }
  };

  void put_back(Slot slot) {
    nodes_[slot].state = State::kQueued;
    --taken_out_;
  }

  // Fills leaving_, the worst at the back; there is at least one resident.
  [[gnu::noinline]] void propose() {
    const Scoring& scoring = *setting_.scoring;
    const std::size_t count = std::clamp<std::size_t>(queues_.size() / 8, 1, kBatch);
    std::array<float, kBatch * kFeatures> rows;
    std::array<float, kBatch> scores;
    std::array<Candidate, kBatch> candidates;
    for (std::size_t i = 0; i < count; ++i) {
      candidates[i].slot = queues_.propose();
      scoring.features.prefetch(number(candidates[i].slot));
    }
    const float stay = scoring.stay + setting_.octaves;
    for (std::size_t i = 0; i < count; ++i) {
      scoring.features.row(number(candidates[i].slot), stay, rows.data() + i * kFeatures);
    }
    scoring.model->score({rows.data(), count * kFeatures}, {scores.data(), count});
    for (std::size_t i = 0; i < count; ++i) {
      // What has no order leaves first; sorting needs one.
      candidates[i].score =
          std::isnan(scores[i]) ? std::numeric_limits<float>::infinity() : scores[i];
    }
    std::sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(count));
    const std::size_t spared = count - (count + kLeaveOne - 1) / kLeaveOne;
    for (std::size_t i = 0; i < spared; ++i) queues_.spare(candidates[i].slot);
    for (std::size_t i = spared; i < count; ++i) {
      nodes_[candidates[i].slot].state = State::kLeaving;
      leaving_.push_back(candidates[i]);
    }
    taken_out_ = count - spared;
  }

  Setting setting_;
  TwoStage<> queues_;
  Slab<Node> nodes_;
  std::vector<Candidate> leaving_;  // the worst at the back
  std::size_t taken_out_ = 0;       // of them, who is still a resident
};

}  // namespace augury
