// What miss-ratio curves are made of.
#include <nanobind/stl/optional.h>

#include "bind/arrays.hpp"
#include "bind/bind.hpp"
#include "core/hash.hpp"
#include "sim/key_sample.hpp"
#include "sim/reuse_sample.hpp"
#include "sketch/distinct.hpp"

namespace nb = nanobind;

namespace augury {
namespace {

template <class Curve>
void feed(Curve& curve, const Array<std::uint64_t>& keys,
          const std::optional<Array<std::uint64_t>>& sizes) {
  if (sizes && sizes->size() != keys.size()) {
    throw std::invalid_argument("keys and sizes must have the same length");
  }
  const nb::gil_scoped_release unlocked;
  curve.feed(view(keys), view(sizes));
}

template <class Curve>
void add(nb::class_<Curve>& type) {
  type.def("feed", &feed<Curve>, nb::arg("keys"), nb::arg("sizes") = nb::none())
      .def(
          "leave_out",
          [](Curve& c, std::uint64_t requests, double bytes, const Array<std::uint8_t>& ranks) {
            c.leave_out(requests, bytes, view(ranks));
          },
          nb::arg("requests"), nb::arg("bytes"), nb::arg("ranks"))
      .def("repeats", [](const Curve& c) { return copy(c.counts().requests()); })
      .def("repeated_bytes", [](const Curve& c) { return copy(c.counts().bytes()); })
      .def("sampled", [](const Curve& c) { return copy(c.counts().sampled()); })
      .def("sampled_bytes", [](const Curve& c) { return copy(c.counts().sampled_bytes()); })
      .def_prop_ro("requests", [](const Curve& c) { return c.counts().all(); })
      .def_prop_ro("requested_bytes", [](const Curve& c) { return c.counts().all_bytes(); })
      .def_prop_ro("distinct", [](const Curve& c) { return c.counts().distinct(); })
      .def_prop_ro("rate", [](const Curve& c) { return c.sample().rate(); })
      .def_prop_ro("keys", [](const Curve& c) { return c.sample().size(); })
      .def_prop_ro("bytes", &Curve::bytes);
}

// A sample that counts the distinct keys it was asked about.
struct CountingSample {
  CountingSample(double rate, std::uint64_t seed) : sample(rate, 0, seed) {}
  KeySample sample;
  Distinct distinct;
};

NewArray<bool> takes(CountingSample& counting, const Array<std::uint64_t>& keys) {
  auto taken = std::make_unique_for_overwrite<bool[]>(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const std::uint64_t hash = counting.sample.hash(keys.data()[i]);
    counting.distinct.add(hash);
    taken[i] = counting.sample.takes(hash);
  }
  return hand_over(std::move(taken), keys.size());
}

}  // namespace

void bind_curves(nb::module_& module) {
  nb::class_<StackDistances> distances(module, "StackDistances");
  distances.def(nb::init<double, std::uint32_t, std::uint64_t, bool>(), nb::arg("rate"),
                nb::arg("most"), nb::arg("seed"), nb::arg("weighed"));
  add(distances);
  nb::class_<ReuseTimes> times(module, "ReuseTimes");
  times.def(nb::init<double, std::uint32_t, std::uint64_t>(), nb::arg("rate"), nb::arg("most"),
            nb::arg("seed"));
  times.def("ages", [](const ReuseTimes& t) { return copy(std::span<const double>(t.ages())); });
  add(times);
  nb::class_<CountingSample>(module, "KeySample")
      .def(nb::init<double, std::uint64_t>(), nb::arg("rate"), nb::arg("seed"))
      .def("takes", &takes, nb::arg("keys"))
      .def("ranks", [](const CountingSample& s) { return copy(s.distinct.ranks()); })
      .def_prop_ro("distinct", [](const CountingSample& s) { return s.distinct.estimate(); })
      .def_prop_ro("rate", [](const CountingSample& s) { return s.sample.rate(); });
  module.attr("GROUPS") = kKeyGroups;
  module.attr("DISTINCT_ERROR") = Distinct::kError;
}

}  // namespace augury
