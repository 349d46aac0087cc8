// Rows of features for training, from a trace.
#include <nanobind/stl/optional.h>

#include "bind/arrays.hpp"
#include "bind/bind.hpp"
#include "sim/feature_rows.hpp"

namespace nb = nanobind;

namespace augury {
namespace {

void feed(FeatureRows& rows, const Array<std::uint32_t>& ids, const Array<std::uint64_t>& keys,
          const std::optional<Array<std::uint64_t>>& sizes,
          const std::optional<Array<std::uint32_t>>& times) {
  if ((sizes && sizes->size() != ids.size()) || (times && times->size() != ids.size())) {
    throw std::invalid_argument("ids, sizes and times must have the same length");
  }
  const nb::gil_scoped_release unlocked;
  for (const std::uint32_t id : view(ids)) {
    if (id >= keys.size()) throw std::out_of_range("an id has no key");
  }
  rows.feed(view(ids), view(keys), view(sizes), view(times));
}

nb::tuple finish(FeatureRows& rows) {
  rows.finish();
  return nb::make_tuple(copy(rows.rows()), copy(rows.labels()), copy(rows.censored()),
                        copy(rows.moments()));
}

}  // namespace

void bind_features(nb::module_& module) {
  module.attr("FEATURES") = kFeatures;
  nb::class_<FeatureRows>(module, "FeatureRows")
      .def(nb::init<double, std::uint32_t, std::uint64_t, std::uint64_t, std::size_t>(),
           nb::arg("sample"), nb::arg("draws"), nb::arg("seed"), nb::arg("start"), nb::arg("keys"))
      .def("feed", &feed, nb::arg("ids"), nb::arg("keys"), nb::arg("sizes") = nb::none(),
           nb::arg("times") = nb::none())
      .def("finish", &finish);
}

}  // namespace augury
