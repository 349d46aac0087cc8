#include <nanobind/stl/array.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include "bind/arrays.hpp"
#include "bind/bind.hpp"
#include "sim/forecast.hpp"
#include "sim/prefetching.hpp"

namespace nb = nanobind;

namespace augury {
namespace {

PrefetchRequests checked(const Array<std::uint32_t>& ids, const Array<std::uint64_t>& hashes,
                         const std::optional<Array<std::uint64_t>>& sizes,
                         const Array<std::uint64_t>& keys,
                         const std::optional<Array<std::uint32_t>>& times,
                         const std::optional<Array<std::uint32_t>>& sessions, bool numbered) {
  if ((sizes && sizes->size() != ids.size()) || (times && times->size() != ids.size()) ||
      (sessions && sessions->size() != ids.size())) {
    throw std::invalid_argument("ids, sizes, times and sessions must have the same length");
  }
  if (keys.size() < hashes.size()) {
    throw std::invalid_argument("keys and hashes must have the same length");
  }
  const PrefetchRequests requests{.requests = {.ids = view(ids),
                                               .hashes = view(hashes),
                                               .sizes = view(sizes),
                                               .keys = view(keys),
                                               .times = view(times)},
                                  .sessions = view(sessions),
                                  .numbered = numbered};
  for (const std::uint32_t id : requests.requests.ids) {
    if (id >= requests.requests.hashes.size()) throw std::out_of_range("an id has no hash");
  }
  return requests;
}

void feed(PrefetchSimulation& simulation, const Array<std::uint32_t>& ids,
          const Array<std::uint64_t>& hashes, const std::optional<Array<std::uint64_t>>& sizes,
          const Array<std::uint64_t>& keys, const std::optional<Array<std::uint32_t>>& times,
          const std::optional<Array<std::uint32_t>>& sessions, bool numbered) {
  const PrefetchRequests requests = checked(ids, hashes, sizes, keys, times, sessions, numbered);
  const nb::gil_scoped_release unlocked;
  simulation.feed(requests);
}

std::pair<NewArray<std::uint32_t>, NewArray<float>> forecast(
    Forecast& forecast, const Array<std::uint32_t>& ids, const Array<std::uint64_t>& hashes,
    const Array<std::uint64_t>& keys, const std::optional<Array<std::uint32_t>>& times,
    const std::optional<Array<std::uint32_t>>& sessions, bool numbered) {
  const PrefetchRequests requests =
      checked(ids, hashes, std::nullopt, keys, times, sessions, numbered);
  const std::size_t size = ids.size() * forecast.most();
  auto guessed = std::make_unique_for_overwrite<std::uint32_t[]>(size);
  auto probabilities = std::make_unique_for_overwrite<float[]>(size);
  {
    const nb::gil_scoped_release unlocked;
    forecast.feed(requests, {guessed.get(), size}, {probabilities.get(), size});
  }
  return {hand_over(std::move(guessed), size), hand_over(std::move(probabilities), size)};
}

nb::dict counts_of(const PrefetchSimulation& simulation) {
  const PrefetchCounts counts = simulation.counts();
  nb::dict all;
  all["requests"] = counts.requests;
  all["misses"] = counts.misses;
  all["requested_bytes"] = counts.bytes;
  all["missed_bytes"] = counts.missed_bytes;
  all["fetched"] = counts.fetched;
  all["fetched_bytes"] = counts.fetched_bytes;
  all["used"] = counts.used;
  all["unused"] = counts.unused;
  all["late"] = counts.late;
  all["fetched_by"] = counts.fetched_by;
  all["used_by"] = counts.used_by;
  all["waited"] = counts.waited;
  return all;
}

template <class... Each>
nb::list descriptions(PredictorList<Each...>) {
  nb::list all;
  (all.append(nb::make_tuple(std::string(Each::kDescription.name),
                             std::string(Each::kDescription.title),
                             std::string(Each::kDescription.paper))),
   ...);
  return all;
}

}  // namespace

void bind_prefetch_simulation(nb::module_& module) {
  module.def("predictors", [] { return descriptions(Predictors{}); });
  nb::class_<PrefetchSimulation>(module, "PrefetchSimulation")
      .def(
          nb::new_([](std::string policy, Weight capacity, bool weighed, std::uint64_t seed,
                      const std::map<std::string, double>& parameters, std::shared_ptr<Model> model,
                      std::size_t keys, std::uint32_t predictors, std::uint32_t depth,
                      std::size_t most, double share, double precision, std::uint64_t delay) {
            if (model != nullptr) check_serves(*model);
            return std::make_unique<PrefetchSimulation>(PrefetchSimulation::Options{
                .plan = {.capacity = capacity,
                         .policy = std::move(policy),
                         .parameters = {parameters.begin(), parameters.end()},
                         .seed = seed,
                         .model = std::move(model)},
                .weighed = weighed,
                .mixture = {.keys = keys, .predictors = predictors, .depth = depth, .most = most},
                .share = share,
                .precision = precision,
                .delay = delay});
          }),
          nb::arg("policy"), nb::arg("capacity"), nb::kw_only(), nb::arg("weighed"),
          nb::arg("seed"), nb::arg("parameters"), nb::arg("model").none(), nb::arg("keys"),
          nb::arg("predictors"), nb::arg("depth"), nb::arg("most"), nb::arg("share"),
          nb::arg("precision"), nb::arg("delay"))
      .def("feed", &feed, nb::arg("ids"), nb::arg("hashes"), nb::arg("sizes").none(),
           nb::arg("keys"), nb::arg("times").none(), nb::arg("sessions").none(),
           nb::arg("numbered"))
      .def("counts", &counts_of)
      .def("reset_counts", &PrefetchSimulation::reset_counts)
      .def("validate", &PrefetchSimulation::validate)
      .def_prop_ro("room", &PrefetchSimulation::room)
      .def_prop_ro("threshold", &PrefetchSimulation::threshold)
      .def_prop_ro("predictor_bytes", &PrefetchSimulation::predictor_bytes);
  nb::class_<Forecast>(module, "Forecast")
      .def(nb::new_([](std::size_t keys, std::uint32_t predictors, std::size_t most,
                       std::uint64_t horizon) {
             return std::make_unique<Forecast>(
                 Mixture::Options{.keys = keys, .predictors = predictors, .most = most}, horizon);
           }),
           nb::kw_only(), nb::arg("keys"), nb::arg("predictors"), nb::arg("most"),
           nb::arg("horizon"))
      .def("feed", &forecast, nb::arg("ids"), nb::arg("hashes"), nb::arg("keys"),
           nb::arg("times").none(), nb::arg("sessions").none(), nb::arg("numbered"));
}

}  // namespace augury
