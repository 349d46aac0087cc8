// Every predictor, a line each. Adding one: write its header, include it and list it here.
#pragma once

#include "prefetch/association.hpp"
#include "prefetch/context.hpp"
#include "prefetch/markov.hpp"
#include "prefetch/periodic.hpp"
#include "prefetch/runs.hpp"

namespace augury {

template <class... Predictors>
struct PredictorList {
  static constexpr std::size_t kSize = sizeof...(Predictors);
};

// clang-format off: a line each
using Predictors = PredictorList<
    Markov,
    Context,
    Runs,
    Association,
    Periodic>;
// clang-format on

}  // namespace augury
