#include "bind/cache_learning.hpp"

#include <nanobind/stl/shared_ptr.h>

#include <algorithm>
#include <string>
#include <utility>

#include "bind/arrays.hpp"
#include "bind/cache_write.hpp"
#include "bind/key_number.hpp"
#include "model/features.hpp"

namespace augury {
namespace {

CacheObject* as_cache(PyObject* self) {
  return reinterpret_cast<CacheObject*>(self);
}

}  // namespace

PyObject* cache_use_model(PyObject* object, Arguments arguments, Py_ssize_t count) {
  CacheObject* self = as_cache(object);
  if (!is_ready(self) || !check_count("_use_model", count, 2, 2)) return nullptr;
  std::shared_ptr<Model> model;
  if (arguments[0] != Py_None && !nanobind::try_cast(nanobind::handle(arguments[0]), model)) {
    raise_configuration_error("use_model() takes a model or None");
    return nullptr;
  }
  try {
    if (model != nullptr) check_serves(*model);
  } catch (const std::invalid_argument& error) {
    raise_configuration_error(error.what());
    return nullptr;
  }
  // The cache that clear() makes has it, too. Neither is released before both have changed.
  const std::shared_ptr<const Model> before = std::exchange(self->plan->model, model);
  self->cache->use_model(std::move(model));
  PyObject* told = std::exchange(self->model, Py_NewRef(arguments[1]));
  Py_XDECREF(told);
  Py_RETURN_NONE;
}

PyObject* cache_record_requests(PyObject* object, PyObject* limit) {
  CacheObject* self = as_cache(object);
  if (!is_ready(self)) return nullptr;
  const std::size_t most = PyLong_AsSize_t(limit);
  if (PyErr_Occurred() != nullptr) return nullptr;
  try {
    self->plan->tape->start(most);
  } catch (...) {
    set_python_error();
    return nullptr;
  }
  Py_RETURN_NONE;
}

PyObject* cache_recorded_requests(PyObject* object, PyObject*) {
  CacheObject* self = as_cache(object);
  if (!is_ready(self)) return nullptr;
  return Py_BuildValue("nn", static_cast<Py_ssize_t>(self->plan->tape->size()),
                       static_cast<Py_ssize_t>(self->cache->size()));
}

PyObject* cache_take_requests(PyObject* object, PyObject*) {
  CacheObject* self = as_cache(object);
  if (!is_ready(self)) return nullptr;
  try {
    Tape::Taken taken = self->plan->tape->take();
    return nanobind::make_tuple(hand_over(std::move(taken.numbers), taken.size),
                                hand_over(std::move(taken.weights), taken.size),
                                hand_over(std::move(taken.times), taken.size))
        .release()
        .ptr();
  } catch (nanobind::python_error& error) {
    error.restore();
  } catch (...) {
    set_python_error();
  }
  return nullptr;
}

PyObject* cache_held(PyObject* object, Arguments arguments, Py_ssize_t count) {
  CacheObject* self = as_cache(object);
  if (!is_ready(self) || !check_count("_held", count, 2, 2)) return nullptr;
  const std::size_t first = PyLong_AsSize_t(arguments[0]);
  const std::size_t many = PyLong_AsSize_t(arguments[1]);
  if (PyErr_Occurred() != nullptr) return nullptr;
  try {
    const Cache& cache = *self->cache;
    const std::size_t stop = std::min<std::size_t>(cache.slots(), first + many);
    auto numbers = std::make_unique_for_overwrite<std::uint64_t[]>(many);
    auto weights = std::make_unique_for_overwrite<Weight[]>(many);
    std::size_t size = 0;
    for (std::size_t at = first; at < stop; ++at) {
      const auto slot = static_cast<Slot>(at);
      auto* key = static_cast<PyObject*>(cache.entry(slot).key);
      if (key == nullptr) continue;
      numbers[size] = number_of(key, cache.hash(slot));
      weights[size++] = cache.weight(slot);
    }
    const bool is_last = stop == cache.slots() || stop <= first;
    return nanobind::make_tuple(hand_over(std::move(numbers), size),
                                hand_over(std::move(weights), size),
                                is_last ? nanobind::none() : nanobind::cast(stop))
        .release()
        .ptr();
  } catch (nanobind::python_error& error) {
    error.restore();
  } catch (...) {
    set_python_error();
  }
  return nullptr;
}

// (weight or None if the key is not there, remaining seconds or None, row as bytes or None, who
// rules, (whom it will probably evict next,) or None, what was told of the model)
PyObject* cache_inspect(PyObject* object, PyObject* key) {
  CacheObject* self = as_cache(object);
  if (!is_ready(self)) return nullptr;
  const Py_hash_t hash = hash_of(key);
  if (hash == -1) return nullptr;
  const std::int64_t now = present(self);
  if (now < 0) return nullptr;
  const Found found = search(self, SoughtKey{table_hash(hash), key});
  if (found.search == Search::kFailed || !is_ready(self)) return nullptr;
  // Everything is copied before an object is made, which may run any code.
  const Cache& cache = *self->cache;
  const bool there = found.search == Search::kFound && !is_expired(cache, found.slot, now) &&
                     !is_failure(static_cast<PyObject*>(cache.entry(found.slot).value));
  const Weight weight = there ? cache.weight(found.slot) : 0;
  const std::int64_t deadline = there ? cache.wheel().deadline(found.slot) : TimerWheel::kForever;
  Row row{};
  const bool known = cache.row(number_of(key, table_hash(hash)), row);
  const std::string ruling(cache.ruling());
  const Slot next = cache.next_victim();
  void* victim = next < cache.slots() ? cache.entry(next).key : nullptr;
  PyObject* leaves =
      victim == nullptr ? Py_NewRef(Py_None) : Py_NewRef(static_cast<PyObject*>(victim));
  PyObject* model = Py_NewRef(self->model == nullptr ? Py_None : self->model);
  PyObject* weighs = there ? PyLong_FromUnsignedLongLong(weight) : Py_NewRef(Py_None);
  PyObject* remaining = deadline == TimerWheel::kForever
                            ? Py_NewRef(Py_None)
                            : PyFloat_FromDouble(static_cast<double>(deadline - now) / 1e9);
  PyObject* bytes =
      known ? PyBytes_FromStringAndSize(reinterpret_cast<const char*>(row.data()), sizeof row)
            : Py_NewRef(Py_None);
  PyObject* boxed = victim == nullptr ? Py_NewRef(Py_None) : PyTuple_Pack(1, leaves);
  Py_DECREF(leaves);
  return Py_BuildValue("(NNNsNN)", weighs, remaining, bytes, ruling.c_str(), boxed, model);
}

}  // namespace augury
