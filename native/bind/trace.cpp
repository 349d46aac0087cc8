// What reading a trace needs at full speed.
#include <nanobind/nanobind.h>

#include "bind/arrays.hpp"
#include "bind/bind.hpp"
#include "sim/key_index.hpp"
#include "sim/next_access.hpp"
#include "sim/reuse.hpp"

namespace nb = nanobind;

namespace augury {
namespace {

NewArray<std::uint32_t> intern(KeyIndex& index, const Array<std::uint64_t>& keys) {
  auto ids = std::make_unique_for_overwrite<std::uint32_t[]>(keys.size());
  {
    const nb::gil_scoped_release unlocked;
    index.intern(view(keys), ids.get());
  }
  return hand_over(std::move(ids), keys.size());
}

NewArray<std::int64_t> fill(NextAccess& access, const Array<std::uint32_t>& ids) {
  auto next = std::make_unique_for_overwrite<std::int64_t[]>(ids.size());
  {
    const nb::gil_scoped_release unlocked;
    access.fill(view(ids), next.get());
  }
  return hand_over(std::move(next), ids.size());
}

void ask(Reuse& reuse, const Array<std::uint32_t>& ids) {
  const nb::gil_scoped_release unlocked;
  reuse.feed(view(ids));
}

NewArray<std::uint64_t> bounds() {
  auto highest = std::make_unique_for_overwrite<std::uint64_t[]>(Buckets::kCount);
  for (std::uint32_t bucket = 0; bucket < Buckets::kCount; ++bucket) {
    highest[bucket] = Buckets::highest(bucket);
  }
  return hand_over(std::move(highest), Buckets::kCount);
}

}  // namespace

void bind_trace(nb::module_& module) {
  nb::class_<KeyIndex>(module, "KeyIndex")
      .def(nb::init<>())
      .def("intern", &intern, nb::arg("keys"))
      .def("keys", [](const KeyIndex& index) { return copy(index.keys()); })
      .def("__len__", &KeyIndex::size);
  nb::class_<NextAccess>(module, "NextAccess")
      .def(nb::init<std::uint64_t, std::uint32_t>(), nb::arg("requests"), nb::arg("keys"))
      .def("fill", &fill, nb::arg("ids"));
  nb::class_<Reuse>(module, "Reuse")
      .def(nb::init<>())
      .def("feed", &ask, nb::arg("ids"))
      .def("frequencies", [](const Reuse& reuse) { return copy(reuse.frequencies()); })
      .def("distances",
           [](const Reuse& reuse) {
             return copy(std::span<const std::uint64_t>(reuse.distances()));
           })
      .def_static("bounds", &bounds);
}

}  // namespace augury
