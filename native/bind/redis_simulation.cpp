#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>

#include <string>

#include "bind/arrays.hpp"
#include "bind/bind.hpp"
#include "sim/redis.hpp"

namespace nb = nanobind;

namespace augury {
namespace {

void feed(RedisSimulation& simulation, const Array<std::uint8_t>& operations,
          const Array<std::uint32_t>& ids, const Array<std::uint64_t>& sizes,
          const Array<std::uint64_t>& times, const Array<std::uint64_t>& ttls) {
  const std::size_t count = operations.size();
  if (ids.size() != count || sizes.size() != count || times.size() != count ||
      ttls.size() != count) {
    throw std::invalid_argument("all arrays must have the same length");
  }
  const nb::gil_scoped_release unlocked;
  simulation.feed({.operations = view(operations),
                   .ids = view(ids),
                   .sizes = view(sizes),
                   .times = view(times),
                   .ttls = view(ttls)});
}

}  // namespace

void bind_redis_simulation(nb::module_& module) {
  nb::class_<RedisSimulation>(module, "RedisSimulation")
      .def(nb::new_([](const std::string& policy, std::uint64_t capacity, int samples,
                       int log_factor, int decay_time, std::uint64_t seed) {
             return std::make_unique<RedisSimulation>(
                 RedisSimulation::Options{.policy = policy,
                                          .capacity = capacity,
                                          .samples = samples,
                                          .log_factor = log_factor,
                                          .decay_time = decay_time,
                                          .seed = seed});
           }),
           nb::arg("policy"), nb::arg("capacity"), nb::kw_only(), nb::arg("samples") = 5,
           nb::arg("log_factor") = 10, nb::arg("decay_time") = 1, nb::arg("seed") = 1)
      .def("feed", &feed, nb::arg("operations"), nb::arg("ids"), nb::arg("sizes"), nb::arg("times"),
           nb::arg("ttls"))
      .def("reset_counts", &RedisSimulation::reset_counts)
      .def("__len__", &RedisSimulation::size)
      .def_prop_ro("used", &RedisSimulation::used)
      .def_prop_ro("reads", [](const RedisSimulation& s) { return s.counts().reads; })
      .def_prop_ro("hits", [](const RedisSimulation& s) { return s.counts().hits; })
      .def_prop_ro("evictions", [](const RedisSimulation& s) { return s.counts().evictions; })
      .def_prop_ro("expirations", [](const RedisSimulation& s) { return s.counts().expirations; })
      .def_prop_ro("refused", [](const RedisSimulation& s) { return s.counts().refused; });
}

}  // namespace augury
