// Builds models from NumPy arrays, which may come from a file: nothing in them is trusted.
#include "model/model.hpp"

#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>

#include "bind/arrays.hpp"
#include "bind/bind.hpp"
#include "model/dense.hpp"
#include "model/forest.hpp"

namespace nb = nanobind;

namespace augury {
namespace {

template <class T>
using Matrix = nb::ndarray<const T, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

// The arrays of a model by name; each has to be asked for.
class Arrays {
 public:
  explicit Arrays(const nb::dict& arrays) : arrays_(arrays) {}

  template <class A>
  A take(const std::string& name) {
    ++taken_;
    A array;
    if (!arrays_.contains(name.c_str())) {
      throw std::invalid_argument("a model of this kind needs the array " + name);
    }
    if (!nb::try_cast(arrays_[name.c_str()], array)) {
      throw std::invalid_argument("the array " + name + " has another type or other dimensions");
    }
    return array;
  }

  float number(const std::string& name) {
    const auto array = take<Array<float>>(name);
    require(array.size() == 1, "the array " + name + " must have one value");
    return array.data()[0];
  }

  [[nodiscard]] bool has(const std::string& name) const { return arrays_.contains(name.c_str()); }

  // Throws if there are arrays that nobody has asked for.
  void finish() const {
    require(taken_ == arrays_.size(), "there are arrays that a model of this kind does not have");
  }

 private:
  const nb::dict& arrays_;
  std::size_t taken_ = 0;
};

std::shared_ptr<const Model> make_forest(Arrays& arrays) {
  const auto features = arrays.take<Array<std::int32_t>>("features");
  const auto feature = arrays.take<Array<std::int32_t>>("feature");
  const auto threshold = arrays.take<Array<float>>("threshold");
  const auto left = arrays.take<Array<std::int32_t>>("left");
  const auto right = arrays.take<Array<std::int32_t>>("right");
  const auto value = arrays.take<Array<float>>("value");
  const auto roots = arrays.take<Array<std::int32_t>>("roots");
  const float base = arrays.number("base");
  arrays.finish();
  require(features.size() == 1 && features.data()[0] > 0,
          "the array features must have one value of at least 1");
  return std::make_shared<const Forest>(static_cast<std::size_t>(features.data()[0]),
                                        ForestArrays{.feature = view(feature),
                                                     .threshold = view(threshold),
                                                     .left = view(left),
                                                     .right = view(right),
                                                     .value = view(value),
                                                     .roots = view(roots),
                                                     .base = base});
}

Standardisation make_standardisation(Arrays& arrays) {
  const auto mean = arrays.take<Array<float>>("mean");
  const auto scale = arrays.take<Array<float>>("scale");
  return {view(mean), view(scale)};
}

std::shared_ptr<const Model> make_linear(Arrays& arrays) {
  const auto weights = arrays.take<Array<float>>("weights");
  const float bias = arrays.number("bias");
  Standardisation standardisation = make_standardisation(arrays);
  arrays.finish();
  return std::make_shared<const Linear>(view(weights), bias, std::move(standardisation));
}

std::shared_ptr<const Model> make_mlp(Arrays& arrays) {
  std::vector<Matrix<float>> weights;
  std::vector<Array<float>> biases;
  std::vector<Mlp::LayerArrays> layers;
  for (std::size_t i = 0; arrays.has("weights" + std::to_string(i)); ++i) {
    weights.push_back(arrays.take<Matrix<float>>("weights" + std::to_string(i)));
    biases.push_back(arrays.take<Array<float>>("bias" + std::to_string(i)));
    require(weights[i].shape(0) == biases[i].size(),
            "a layer must have as many rows of weights as it has biases");
    layers.push_back(
        {weights[i].shape(1), {weights[i].data(), weights[i].size()}, view(biases[i])});
  }
  Standardisation standardisation = make_standardisation(arrays);
  const Activation activation = arrays.has("logistic") && arrays.number("logistic") != 0
                                    ? Activation::kLogistic
                                    : Activation::kRectified;
  arrays.finish();
  return std::make_shared<const Mlp>(layers, std::move(standardisation), activation);
}

std::shared_ptr<const Model> make_model(const std::string& kind, const nb::dict& given) {
  Arrays arrays(given);
  if (kind == "forest") return make_forest(arrays);
  if (kind == "linear") return make_linear(arrays);
  if (kind == "mlp") return make_mlp(arrays);
  throw std::invalid_argument("a model is a forest, linear or an mlp, not " + kind);
}

NewArray<float> score(const Model& model, const Matrix<float>& rows) {
  require(rows.shape(1) == model.features(), "the model takes rows of " +
                                                 std::to_string(model.features()) +
                                                 " features, not " + std::to_string(rows.shape(1)));
  auto scores = std::make_unique_for_overwrite<float[]>(rows.shape(0));
  {
    const nb::gil_scoped_release unlocked;
    model.score({rows.data(), rows.size()}, {scores.get(), rows.shape(0)});
  }
  return hand_over(std::move(scores), rows.shape(0));
}

}  // namespace

void bind_model(nb::module_& module) {
  nb::class_<Model>(module, "Model")
      .def(nb::new_([](const std::string& kind, const nb::dict& arrays) {
             return std::const_pointer_cast<Model>(make_model(kind, arrays));
           }),
           nb::arg("kind"), nb::arg("arrays"))
      .def("score", &score, nb::arg("X"))
      .def_prop_ro("features", &Model::features);
}

}  // namespace augury
