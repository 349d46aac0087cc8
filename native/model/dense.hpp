// Models made of matrices, over standardised features.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "model/model.hpp"

namespace augury {

// (x - mean) / scale, by feature.
class Standardisation {
 public:
  Standardisation(std::span<const float> mean, std::span<const float> scale)
      : mean_(mean.begin(), mean.end()), inverse_(scale.begin(), scale.end()) {
    require(mean.size() == scale.size(), "mean and scale must have the same length");
    require_finite(mean, "mean");
    require_finite(scale, "scale");
    for (float& scale_of_one : inverse_) {
      require(scale_of_one > 0, "scale must be more than 0");
      scale_of_one = 1 / scale_of_one;
      require(std::isfinite(scale_of_one), "scale is too small");
    }
  }
  [[nodiscard]] std::size_t size() const { return mean_.size(); }
  [[nodiscard]] float apply(float x, std::size_t feature) const {
    return (x - mean_[feature]) * inverse_[feature];
  }

 private:
  std::vector<float> mean_;
  std::vector<float> inverse_;  // of scale
};

class Linear final : public Model {
 public:
  Linear(std::span<const float> weights, float bias, Standardisation standardisation)
      : Model(weights.size()),
        weights_(weights.begin(), weights.end()),
        bias_(bias),
        standardisation_(std::move(standardisation)) {
    require(standardisation_.size() == weights.size(),
            "weights, mean and scale must have the same length");
    require_finite(weights, "weights");
    require_finite({&bias, 1}, "bias");
  }

  void score(std::span<const float> rows, std::span<float> out) const override {
    const float* row = rows.data();
    for (float& score : out) {
      score = bias_;
      for (std::size_t i = 0; i < weights_.size(); ++i) {
        score += weights_[i] * standardisation_.apply(row[i], i);
      }
      row += weights_.size();
    }
  }

 private:
  std::vector<float> weights_;
  float bias_;
  Standardisation standardisation_;
};

// What a hidden neuron makes of its sum.
enum class Activation : std::uint8_t { kRectified, kLogistic };

// Layers y = W x + b, with max(0, y) or 1 / (1 + exp(-y)) between them; the last one has one
// output.
class Mlp final : public Model {
 public:
  struct LayerArrays {
    std::size_t inputs;
    std::span<const float> weights;  // a row of `inputs` for each output
    std::span<const float> bias;     // by output
  };

  Mlp(std::span<const LayerArrays> layers, Standardisation standardisation, Activation activation)
      : Model(standardisation.size()),
        standardisation_(std::move(standardisation)),
        activation_(activation) {
    require(!layers.empty(), "a network has at least one layer");
    std::size_t inputs = features();
    for (const LayerArrays& layer : layers) {
      const std::size_t outputs = layer.bias.size();
      require(outputs != 0 && outputs <= kWidest, "a layer has from 1 to 1024 outputs");
      require(layer.inputs == inputs, "a layer's inputs are not the outputs of the one before");
      require(layer.weights.size() == inputs * outputs, "a layer's weights are not a matrix");
      require_finite(layer.weights, "weights");
      require_finite(layer.bias, "bias");
      layers_.push_back(
          {{layer.weights.begin(), layer.weights.end()}, {layer.bias.begin(), layer.bias.end()}});
      inputs = outputs;
    }
    require(inputs == 1, "the last layer has one output");
    require(features() <= kWidest, "a network takes at most 1024 features");
  }

  void score(std::span<const float> rows, std::span<float> out) const override {
    std::array<float, kWidest> from;
    std::array<float, kWidest> to;
    const float* row = rows.data();
    for (float& score : out) {
      for (std::size_t i = 0; i < features(); ++i) from[i] = standardisation_.apply(row[i], i);
      row += features();
      std::size_t inputs = features();
      for (const Layer& layer : layers_) {
        const float* weights = layer.weights.data();
        for (std::size_t o = 0; o < layer.bias.size(); ++o, weights += inputs) {
          float sum = layer.bias[o];
          for (std::size_t i = 0; i < inputs; ++i) sum += weights[i] * from[i];
          to[o] = &layer == &layers_.back() ? sum : activated(sum);
        }
        inputs = layer.bias.size();
        std::copy_n(to.begin(), inputs, from.begin());
      }
      score = from[0];
    }
  }

 private:
  static constexpr std::size_t kWidest = 1024;
  struct Layer {
    std::vector<float> weights;
    std::vector<float> bias;
  };
  [[nodiscard]] float activated(float sum) const {
    return activation_ == Activation::kLogistic ? 1 / (1 + std::exp(-sum)) : std::max(sum, 0.0F);
  }

  std::vector<Layer> layers_;
  Standardisation standardisation_;
  Activation activation_;
};

}  // namespace augury
