// The type augury._native.NextKeys: what the predictors made of the last request of each key.
#include <nanobind/stl/optional.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "bind/bind.hpp"
#include "bind/cache_object.hpp"
#include "prefetch/mixture.hpp"

namespace nb = nanobind;

namespace augury {
namespace {

// Keys are text, bytes or integers, so that nothing here runs Python code or refers to itself.
class NextKeys {
 public:
  NextKeys(std::size_t keys, std::size_t most, std::uint64_t horizon)
      : mixture_({.keys = keys, .most = most}) {
    mixture_.horizon(horizon);
  }

  // Sessions are told apart by their hashes; without them all requests are of one.
  void see(const nb::list& keys, const std::optional<nb::list>& sessions) {
    const std::size_t count = keys.size();
    if (sessions && sessions->size() != count) {
      throw std::invalid_argument("keys and sessions must have the same length");
    }
    for (std::size_t i = 0; i < count; ++i) {
      const nb::object key = keys[i];
      learn(key, sessions ? hash_of(nb::object((*sessions)[i])) : 0);
    }
  }

  nb::list next(const nb::object& key, std::size_t most) const {
    nb::list found;
    const Slot number = mixture_.keys().find(hash_of(key));
    if (number == kNone || number >= known_.size()) return found;
    for (const Said& said : known_[number].said) {
      if (found.size() >= most || said.hash == kNothing) break;
      // Its number may be another key's by now.
      const Slot next = said.key == kNone ? mixture_.keys().find(said.hash) : said.key;
      const bool is_known = next != kNone && next < known_.size() && known_[next].key.is_valid() &&
                            mixture_.keys().hash(next) == said.hash;
      if (!is_known && said.key != kNone) continue;
      nb::object named = is_known ? known_[next].key : nb::cast(said.number);
      found.append(nb::make_tuple(named, said.probability, said.predictor));
    }
    return found;
  }

  [[nodiscard]] std::size_t size() const { return mixture_.keys().size(); }
  [[nodiscard]] std::size_t bytes() const {
    return mixture_.bytes() + known_.capacity() * sizeof(Known);
  }

 private:
  static constexpr std::uint64_t kNothing = 0;

  struct Said {
    std::uint64_t hash = kNothing;
    std::uint64_t number = 0;
    Slot key = kNone;
    float probability = 0;
    std::uint8_t predictor = 0;
  };
  struct Known {
    nb::object key;
    std::array<Said, Mixture::kMost> said;
  };

  static std::uint64_t hash_of(const nb::object& key) {
    const Py_hash_t hash = PyObject_Hash(key.ptr());
    if (hash == -1) throw nb::python_error();
    return table_hash(hash);
  }

  void learn(const nb::object& key, std::uint64_t session) {
    Mixture::Request request{.hash = hash_of(key), .session = session};
    if (PyLong_CheckExact(key.ptr())) {
      request.number = PyLong_AsUnsignedLongLong(key.ptr());
      request.numeric = PyErr_Occurred() == nullptr;
      PyErr_Clear();
    } else if (!PyUnicode_CheckExact(key.ptr()) && !PyBytes_CheckExact(key.ptr())) {
      throw nb::type_error("keys are text, bytes or integers");
    }
    const auto choices = mixture_.see(request, 0.0F, [](std::uint64_t) { return false; });
    const KeyTable::Touched& touched = mixture_.touched();
    if (touched.key >= known_.size()) {
      known_.resize(std::max<std::size_t>(touched.key + 1, known_.size() + known_.size() / 2));
    }
    Known& known = known_[touched.key];
    if (touched.added) known.key = key;
    known.said.fill({});
    std::size_t at = 0;
    for (const Choice& choice : choices) {
      known.said[at++] = {.hash = choice.hash,
                          .number = choice.number,
                          .key = choice.key,
                          .probability = choice.probability,
                          .predictor = choice.predictor};
    }
  }

  Mixture mixture_;
  std::vector<Known> known_;  // by number of the mixture's
};

}  // namespace

void bind_next_keys(nb::module_& module) {
  nb::class_<NextKeys>(module, "NextKeys")
      .def(nb::init<std::size_t, std::size_t, std::uint64_t>(), nb::kw_only(), nb::arg("keys"),
           nb::arg("most"), nb::arg("horizon"))
      .def("see", &NextKeys::see, nb::arg("keys"), nb::arg("sessions") = nb::none())
      .def("next", &NextKeys::next, nb::arg("key"), nb::arg("most"))
      .def("__len__", &NextKeys::size)
      .def_prop_ro("bytes", &NextKeys::bytes);
}

}  // namespace augury
