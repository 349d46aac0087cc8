// The trees of a fitted estimator, built from NumPy arrays.
#include "inference/tree_ensemble.hpp"

#include "bind/arrays.hpp"
#include "bind/bind.hpp"

namespace nb = nanobind;

namespace augury {
namespace {

template <class T>
using Matrix = nb::ndarray<T, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

void make(TreeEnsemble* self, std::size_t features, const Array<std::int64_t>& left,
          const Array<std::int64_t>& right, const Array<std::int64_t>& feature,
          const Array<double>& threshold, const Array<std::uint8_t>& nan_to_left,
          const Matrix<const double>& values, const Array<std::int64_t>& roots) {
  new (self) TreeEnsemble(features, values.shape(1),
                          {.left = view(left),
                           .right = view(right),
                           .feature = view(feature),
                           .threshold = view(threshold),
                           .nan_to_left = view(nan_to_left),
                           .values = {values.data(), values.size()},
                           .roots = view(roots)});
}

void add(const TreeEnsemble& trees, const Matrix<const float>& rows, const Matrix<double>& sums) {
  if (rows.shape(1) != trees.features() || sums.shape(1) != trees.outputs() ||
      rows.shape(0) != sums.shape(0)) {
    throw std::invalid_argument("rows have the features of the trees, and sums their outputs");
  }
  const nb::gil_scoped_release unlocked;
  trees.add({rows.data(), rows.size()}, {sums.data(), sums.size()});
}

}  // namespace

void bind_tree_ensemble(nb::module_& module) {
  nb::class_<TreeEnsemble>(module, "TreeEnsemble")
      .def("__init__", &make, nb::arg("features"), nb::kw_only(), nb::arg("left"), nb::arg("right"),
           nb::arg("feature"), nb::arg("threshold"), nb::arg("nan_to_left"), nb::arg("values"),
           nb::arg("roots"))
      .def("add", &add, nb::arg("rows"), nb::arg("sums"));
}

}  // namespace augury
