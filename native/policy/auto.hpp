// Tunes itself: see adaptive.hpp. The queues are those of two_stage.hpp.
#pragma once

#include <array>
#include <cstdint>
#include <limits>

#include "policy/adaptive.hpp"
#include "policy/two_stage.hpp"

namespace augury {

// kLastTime: see TwoStage.
template <std::uint32_t kLastTime>
class AutoWithTimes final : public Adaptive<TwoStage<kLastTime>, kTwoStageSettings.size()> {
  using Base = Adaptive<TwoStage<kLastTime>, kTwoStageSettings.size()>;

 public:
  static constexpr std::array kParameters{
      Parameter{"adapt", 1, 0, 1, "0: the queues keep the setting they start with"},
  };
  static constexpr Description kDescription{
      .name = "auto",
      .title = "Auto",
      .paper =
          "Waldspurger et al., Cache modeling and optimization using miniature simulations, "
          "USENIX ATC 2017",
      .parameters = kParameters,
      .adaptive = true,
  };

  explicit AutoWithTimes(const Setup& setup)
      : Base(setup, setup.parameter(kParameters[0]) != 0, kMostRest, kTwoStageSettings) {}

  void hit(Slot slot, const Request& request) override { this->hit_of(slot, request, 0); }
  void miss(const Request& request) override { this->miss_of(request); }

 private:
  static constexpr std::uint64_t kMostRest = 31;
};

using Auto = AutoWithTimes<std::numeric_limits<std::uint32_t>::max()>;

}  // namespace augury
