// A frozen model, which scores rows of features; training is Python's part.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>

namespace augury {

// Immutable once built, so that threads may share one and a cache may change to another at any
// time.
class Model {
 public:
  virtual ~Model() = default;
  Model() = default;
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  // How many numbers a row has.
  [[nodiscard]] std::size_t features() const { return features_; }

  // Scores `out.size()` rows, one after another in `rows`. Never throws, whatever the numbers are.
  virtual void score(std::span<const float> rows, std::span<float> out) const = 0;

 protected:
  explicit Model(std::size_t features) : features_(features) {
    constexpr std::size_t kMost = 1U << 16;
    if (features == 0 || features > kMost) {
      throw std::invalid_argument("a model takes from 1 to 65536 features");
    }
  }

 private:
  std::size_t features_;
};

inline void require(bool holds, const std::string& otherwise) {
  if (!holds) throw std::invalid_argument(otherwise);
}

inline void require_finite(std::span<const float> values, const char* name) {
  for (const float value : values) {
    require(std::isfinite(value), std::string(name) + " has a value that is not finite");
  }
}

}  // namespace augury
