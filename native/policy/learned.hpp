// Learned: `auto` with one more candidate, queues that ask a model: see adaptive.hpp and
// scored_queues.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policy/adaptive.hpp"
#include "policy/scored_queues.hpp"
#include "policy/tape.hpp"

namespace augury {

// A new model rules at first. The shadow caches tell whether it should, and in which queues: where
// it does not help they fall back on the queues alone. Without a model it is `auto`.
class Learned final : public Adaptive<ScoredQueues, 2 * kTwoStageSettings.size()> {
  static constexpr std::size_t kModel = kTwoStageSettings.size();  // the first with a model
  using Base = Adaptive<ScoredQueues, 2 * kModel>;

 public:
  static constexpr std::array kParameters{
      Parameter{"guard", 1, 0, 1, "0: the model decides, whatever the shadow caches say"},
      Parameter{"history", 16, 1, 64, "keys remembered, as a multiple of the entries"},
  };
  static constexpr Description kDescription{
      .name = "learned",
      .title = "Learned",
      .paper =
          "Song et al., HALP: heuristic aided learned preference eviction policy for YouTube "
          "content delivery network, NSDI 2023",
      .parameters = kParameters,
      .adaptive = true,
      .learns = true,
  };

  explicit Learned(const Setup& setup) : Learned(setup, std::make_unique<Scoring>(0)) {}

  [[nodiscard]] bool reads_numbers() const override { return true; }

  void use_model(std::shared_ptr<const Model> model) override {
    if (model == nullptr && scoring_->model == nullptr) return;
    scoring_->model = std::move(model);
    begin(scoring_->model != nullptr ? kModel : ruler() < kModel ? ruler() : 0);
  }

  [[nodiscard]] std::string_view ruling() const override {
    // Without a model, its candidates are queues like the others, and may still rule.
    return scoring_->model == nullptr ? live().setting().queues.name : Base::ruling();
  }

  [[nodiscard]] std::vector<Candidate> candidates() const override {
    return candidates_of(scoring_->model == nullptr ? kModel : 2 * kModel);
  }

  void hit(Slot slot, const Request& request) override {
    const std::uint64_t number = live().number(slot);
    scoring_->features.request(number, request.size, request.time);
    if (tape_ != nullptr) tape_->push(number, residents_.weight(slot), request.time);
    hit_of(slot, request, number);
  }

  void miss(const Request& request) override {
    scoring_->features.request(request.number, request.size, request.time);
    if (tape_ != nullptr) tape_->push(request.number, request.weight, request.time);
    miss_of(request);
  }

  void insert(Slot slot, const Request& request) override {
    Base::insert(slot, request);
    ++inserted_;
    measure_stay();
    const auto keys = static_cast<std::size_t>(history_ * static_cast<double>(live().size()));
    scoring_->features.limit(std::max(kFewest, keys));
  }

  bool row(std::uint64_t number, Row& row) const override {
    scoring_->features.row(number, scoring_->stay, row.data());
    return true;
  }

  [[nodiscard]] std::string memory() const override {
    std::string bytes;
    append(bytes, stay_);
    scoring_->features.save(bytes, horizon());
    return bytes + Base::memory();
  }
  void resume(std::string_view memory) override {
    double stay = 0;
    // That of the requests by which entries were inserted is not kept.
    const bool known = consume(memory, stay) && stay >= 1 && scoring_->features.restore(memory);
    Base::resume(known ? memory : std::string_view{});
    if (!known) return;
    measured_ = scoring_->features.now();
    inserted_ = 0;
    stay_ = stay;
    tell_stay();
  }

  void validate() const override {
    Base::validate();
    scoring_->features.validate();
  }
  [[nodiscard]] std::size_t bytes() const override {
    return Base::bytes() + scoring_->features.bytes();
  }

 private:
  static constexpr std::size_t kFewest = 65'536;  // keys remembered
  // Shadows cost less than the features do.
  static constexpr std::uint64_t kMostRest = 3;

  Learned(const Setup& setup, std::unique_ptr<Scoring> scoring)
      : Base(setup, setup.parameter(kParameters[0]) != 0, kMostRest, settings(scoring.get())),
        residents_(setup.residents),
        tape_(setup.tape),
        history_(setup.parameter(kParameters[1])),
        scoring_(std::move(scoring)) {
    use_model(setup.model);
  }

  static Settings settings(const Scoring* scoring) {
    Settings settings;
    for (std::size_t i = 0; i < kModel; ++i) {
      settings[i] = {kTwoStageSettings[i].name, kTwoStageSettings[i]};
    }
    // A model of how keys behave has a use for how far to look ahead, too.
    settings[kModel] = {"model", kTwoStageSettings[0], scoring};
    settings[kModel + 1] = {"model, for loops and scans", kTwoStageSettings[1], scoring, 1};
    settings[kModel + 2] = {"model, for what is new lately", kTwoStageSettings[2], scoring};
    settings[kModel + 3] = {"model, short-sighted", kTwoStageSettings[0], scoring, -1};
    return settings;
  }

  // By Little's law: entries, divided by how many come with each request.
  void measure_stay() {
    const auto entries = static_cast<std::uint32_t>(live().size());
    const std::uint32_t requests = scoring_->features.now() - measured_;
    if (requests >= std::max(entries, 64U)) {
      stay_ = static_cast<double>(entries) * requests / inserted_;
      measured_ = scoring_->features.now();
      inserted_ = 0;
    }
    stay_ = std::max<double>(stay_, entries);
    tell_stay();
  }
  void tell_stay() { scoring_->stay = octaves(level(static_cast<std::uint64_t>(stay_))); }

  // Requests for which a key is worth being remembered by the next process: some times as long as
  // an entry stays. All that is known would be larger than many an entry, and gains nothing more.
  [[nodiscard]] std::uint32_t horizon() const {
    return static_cast<std::uint32_t>(std::min(4 * stay_, 0x1p31));
  }

  const Residents& residents_;
  Tape* tape_;
  double history_;
  std::unique_ptr<Scoring> scoring_;
  double stay_ = 1;             // requests that an entry is in the cache for, on average
  std::uint32_t measured_ = 0;  // when that was found
  std::uint32_t inserted_ = 0;  // since then
};

}  // namespace augury
