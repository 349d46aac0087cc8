// Which moments of a trace rows are taken at: random, and whatever the keys are.
#pragma once

#include <cmath>
#include <cstdint>
#include <stdexcept>

#include "core/random.hpp"

namespace augury {

// After a request, with probability `sample`, a time that entries stay in the cache is drawn, up to
// the requests so far, and an age of up to eight times that, each octave as likely as another; and
// that `draws` times.
class Draws {
 public:
  Draws(double sample, std::uint32_t draws, std::uint64_t seed)
      : sample_(sample), draws_(draws), random_(seed) {
    if (!(sample > 0 && sample <= 1))
      throw std::invalid_argument("sample must be above 0, up to 1");
  }

  // Calls draw(moment, stay) for each draw after `request`; to be called for one after another,
  // from 0.
  template <class Draw>
  void after(std::uint64_t request, Draw&& draw) {
    const std::uint32_t draws = uniform() < sample_ ? draws_ : 0;
    for (std::uint32_t at = 0; at < draws; ++at) {
      const double past = std::log2(static_cast<double>(request) + 2);
      const auto stay = static_cast<float>(std::floor(uniform() * past * 8) / 8);
      const double age = std::exp2(uniform() * (stay + kBeyond));
      draw(request + static_cast<std::uint64_t>(age), stay);
    }
  }

 private:
  static constexpr float kBeyond = 3;  // octaves that an entry may be older than `stay`

  double uniform() { return static_cast<double>(random_.next() >> 11) * 0x1p-53; }

  double sample_;
  std::uint32_t draws_;
  Random random_;
};

}  // namespace augury
