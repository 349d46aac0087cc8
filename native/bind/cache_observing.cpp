#include "bind/cache_observing.hpp"

#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bind/arrays.hpp"
#include "bind/cache_write.hpp"

namespace augury {
namespace {

CacheObject* as_cache(PyObject* self) {
  return reinterpret_cast<CacheObject*>(self);
}

}  // namespace

PyObject* cache_observe_reads(PyObject* object, Arguments arguments, Py_ssize_t count) {
  CacheObject* self = as_cache(object);
  if (!is_ready(self) || !check_count("_observe_reads", count, 2, 2)) return nullptr;
  const std::size_t most = PyLong_AsSize_t(arguments[0]);
  const double share = PyErr_Occurred() == nullptr ? PyFloat_AsDouble(arguments[1]) : 0;
  if (PyErr_Occurred() != nullptr) return nullptr;
  if (!(share >= 0 && share <= 1)) {
    PyErr_SetString(PyExc_ValueError, "share must be from 0 to 1");
    return nullptr;
  }
  if (most != 0 && self->reads != nullptr) Py_RETURN_FALSE;
  try {
    auto reads = most == 0 ? nullptr : std::make_unique<ReadSample>(most, share);
    delete std::exchange(self->reads, reads.release());
  } catch (...) {
    set_python_error();
    return nullptr;
  }
  choose_watched(self);
  Py_RETURN_TRUE;
}

PyObject* cache_take_reads(PyObject* object, PyObject*) {
  CacheObject* self = as_cache(object);
  try {
    ReadSample::Taken taken =
        self->reads == nullptr ? ReadSample::Taken{nullptr, 0} : self->reads->take();
    choose_watched(self);
    return nanobind::cast(hand_over(std::move(taken.reads), taken.size)).release().ptr();
  } catch (nanobind::python_error& error) {
    error.restore();
  } catch (...) {
    set_python_error();
  }
  return nullptr;
}

PyObject* cache_ruling(PyObject* object, PyObject*) {
  CacheObject* self = as_cache(object);
  if (!is_ready(self)) return nullptr;
  try {
    // Copied before an object is made, which may run any code.
    const std::string ruling(self->cache->ruling());
    std::vector<std::pair<std::string, double>> candidates;
    for (const Candidate& each : self->cache->candidates()) {
      candidates.emplace_back(each.name, each.hit_ratio);
    }
    return nanobind::make_tuple(ruling, candidates).release().ptr();
  } catch (nanobind::python_error& error) {
    error.restore();
  } catch (...) {
    set_python_error();
  }
  return nullptr;
}

}  // namespace augury
