#include "sim/simulation.hpp"

#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/unique_ptr.h>

#include "bind/arrays.hpp"
#include "bind/bind.hpp"
#include "core/hash.hpp"

namespace nb = nanobind;

namespace augury {
namespace {

void feed(Simulation& simulation, const Array<std::uint32_t>& ids,
          const Array<std::uint64_t>& hashes, const std::optional<Array<std::uint64_t>>& sizes,
          const std::optional<Array<std::int64_t>>& next,
          const std::optional<Array<std::uint64_t>>& keys,
          const std::optional<Array<std::uint32_t>>& times) {
  if ((sizes && sizes->size() != ids.size()) || (next && next->size() != ids.size()) ||
      (times && times->size() != ids.size())) {
    throw std::invalid_argument("ids, sizes, next and times must have the same length");
  }
  if (keys && keys->size() < hashes.size()) {
    throw std::invalid_argument("keys and hashes must have the same length");
  }
  const Requests requests{.ids = view(ids),
                          .hashes = view(hashes),
                          .sizes = view(sizes),
                          .keys = view(keys),
                          .next = view(next),
                          .times = view(times)};
  const nb::gil_scoped_release unlocked;
  for (const std::uint32_t id : requests.ids) {
    if (id >= requests.hashes.size()) throw std::out_of_range("an id has no hash");
  }
  simulation.feed(requests);
}

// Serving scores rows of the present features.
std::shared_ptr<const Model> checked(std::shared_ptr<const Model> model) {
  if (model != nullptr) check_serves(*model);
  return model;
}

// The hashes that the live cache would use for these keys as Python integers, so that policies
// which depend on hashes decide alike in both.
NewArray<std::uint64_t> hash_integers(const Array<std::uint64_t>& keys) {
  auto hashes = std::make_unique_for_overwrite<std::uint64_t[]>(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) hashes[i] = integer_hash(keys.data()[i]);
  return hand_over(std::move(hashes), keys.size());
}

}  // namespace

void bind_simulation(nb::module_& module) {
  module.def("hash_integers", &hash_integers, nb::arg("keys"));
  nb::class_<Simulation>(module, "Simulation")
      .def(nb::new_([](std::string_view policy, Weight capacity, bool weighed, std::uint64_t seed,
                       const std::map<std::string, double>& parameters,
                       std::shared_ptr<Model> model) {
             auto simulation =
                 make_simulation(policy, capacity, weighed, seed,
                                 {parameters.begin(), parameters.end()}, checked(std::move(model)));
             if (simulation == nullptr) throw nb::value_error("unknown policy");
             return simulation;
           }),
           nb::arg("policy"), nb::arg("capacity"), nb::arg("weighed") = false, nb::arg("seed") = 1,
           nb::arg("parameters") = std::map<std::string, double>{}, nb::arg("model") = nb::none())
      .def("feed", &feed, nb::arg("ids"), nb::arg("hashes"), nb::arg("sizes") = nb::none(),
           nb::arg("next") = nb::none(), nb::arg("keys") = nb::none(),
           nb::arg("times") = nb::none())
      .def(
          "use_model",
          [](Simulation& s, std::shared_ptr<Model> model) {
            s.use_model(checked(std::move(model)));
          },
          nb::arg("model").none())
      .def("reset_counts", &Simulation::reset_counts)
      .def("validate", &Simulation::validate, nb::call_guard<nb::gil_scoped_release>())
      .def_prop_ro("requests", [](const Simulation& s) { return s.counts().requests; })
      .def_prop_ro("misses", [](const Simulation& s) { return s.counts().misses; })
      .def_prop_ro("requested_bytes", [](const Simulation& s) { return s.counts().bytes; })
      .def_prop_ro("missed_bytes", [](const Simulation& s) { return s.counts().missed_bytes; })
      .def("group_misses",
           [](const Simulation& s) {
             return copy(std::span<const std::uint64_t>(s.counts().group_misses));
           })
      .def("group_missed_bytes",
           [](const Simulation& s) {
             return copy(std::span<const std::uint64_t>(s.counts().group_missed_bytes));
           })
      .def_prop_ro("entries", &Simulation::entries)
      .def_prop_ro("bytes", &Simulation::bytes);
}

}  // namespace augury
