#include "bind/cache_prefetch.hpp"

#include <memory>
#include <utility>

#include "bind/cache_write.hpp"

namespace augury {
namespace {

CacheObject* as_cache(PyObject* self) {
  return reinterpret_cast<CacheObject*>(self);
}

PyObject* list_of(const auto& counts) {
  PyObject* list = PyList_New(static_cast<Py_ssize_t>(counts.size()));
  for (std::size_t i = 0; list != nullptr && i < counts.size(); ++i) {
    PyObject* count = PyLong_FromUnsignedLongLong(counts[i]);
    if (count == nullptr) {
      Py_CLEAR(list);
    } else {
      PyList_SET_ITEM(list, static_cast<Py_ssize_t>(i), count);
    }
  }
  return list;
}

}  // namespace

Probation::Counts count_ahead(const CacheObject* self) {
  Probation::Counts counts = self->ahead_gone;
  const Probation* probation = self->cache == nullptr ? nullptr : self->cache->probation();
  if (probation == nullptr) return counts;
  counts.fetched += probation->counts().fetched;
  counts.used += probation->counts().used;
  counts.unused += probation->counts().unused;
  return counts;
}

void keep_counts_ahead(CacheObject* self) {
  const Probation* probation = self->cache->probation();
  if (probation == nullptr) return;
  const std::size_t waiting = probation->size();
  self->ahead_gone = count_ahead(self);
  self->ahead_gone.unused += waiting;
}

PyObject* cache_prefetch_begin(PyObject* object, PyObject* arguments) {
  CacheObject* self = as_cache(object);
  Py_ssize_t keys, queue, most;
  unsigned int predictors;
  double share, precision;
  PyObject* wake;
  if (!is_ready(self) || PyArg_ParseTuple(arguments, "nInddnO", &keys, &predictors, &most, &share,
                                          &precision, &queue, &wake) == 0) {
    return nullptr;
  }
  if (self->prefetch != nullptr) Py_RETURN_FALSE;
  if (keys < 1 || queue < 1 || most < 1 || most > static_cast<Py_ssize_t>(Mixture::kMost)) {
    PyErr_SetString(PyExc_ValueError, "keys, most or queue are out of range");
    return nullptr;
  }
  Dropped dropped(self);
  try {
    auto prefetch = std::make_unique<Prefetch>(
        Prefetch::Options{.mixture = {.keys = static_cast<std::size_t>(keys),
                                      .predictors = predictors,
                                      .most = static_cast<std::size_t>(most)},
                          .share = share,
                          .precision = precision,
                          .queue = static_cast<std::size_t>(queue)},
        wake);
    Cache& cache = *self->cache;
    auto probation = prefetch->make_probation(cache.capacity());
    // What an earlier one has fetched, and nobody has asked for since.
    while (cache.probation() != nullptr && !cache.probation()->empty()) {
      ++self->statistics.evictions;
      dropped.add(cache.remove(cache.probation()->oldest()), Cause::kSize);
    }
    keep_counts_ahead(self);
    cache.use_probation(std::move(probation));
    self->prefetch = prefetch.release();
    choose_watched(self);
  } catch (...) {
    set_python_error();
    return nullptr;
  }
  Py_RETURN_TRUE;
}

PyObject* cache_prefetch_end(PyObject* object, PyObject*) {
  CacheObject* self = as_cache(object);
  delete std::exchange(self->prefetch, nullptr);
  choose_watched(self);
  Py_RETURN_NONE;
}

PyObject* cache_prefetch_wait(PyObject* object, PyObject* for_wanted) {
  Prefetch* prefetch = as_cache(object)->prefetch;
  return PyBool_FromLong(prefetch != nullptr && prefetch->wait(for_wanted == Py_True) ? 1 : 0);
}

PyObject* cache_prefetch_take(PyObject* object, PyObject* argument) {
  const std::size_t most = PyLong_AsSize_t(argument);
  if (PyErr_Occurred() != nullptr) return nullptr;
  Prefetch* prefetch = as_cache(object)->prefetch;
  if (prefetch == nullptr) return Py_BuildValue("i[]", 0);
  Released released;
  try {
    std::uint64_t batch = 0;
    const auto taken = prefetch->take(most, &batch, released);
    // Making objects may run any code, even code that ends the prefetching.
    for (const Prefetch::Wanted& wanted : taken) released.add(wanted.key);
    PyObject* keys = PyList_New(static_cast<Py_ssize_t>(taken.size()));
    if (keys == nullptr) return nullptr;
    for (std::size_t i = 0; i < taken.size(); ++i) {
      PyObject* key = taken[i].key != nullptr ? Py_NewRef(taken[i].key)
                                              : PyLong_FromUnsignedLongLong(taken[i].number);
      if (key == nullptr) {
        Py_DECREF(keys);
        return nullptr;
      }
      PyList_SET_ITEM(keys, static_cast<Py_ssize_t>(i), key);
    }
    return Py_BuildValue("KN", static_cast<unsigned long long>(batch), keys);
  } catch (...) {
    set_python_error();
    return nullptr;
  }
}

PyObject* cache_prefetch_store(PyObject* object, Arguments arguments, Py_ssize_t count,
                               PyObject* keywords) {
  std::array<PyObject*, 1> given{};
  if (!parse_keywords("_prefetch_store", arguments, count, 3, keywords, std::array{"ttl"}, given)) {
    return nullptr;
  }
  const unsigned long long batch = PyLong_AsUnsignedLongLong(arguments[0]);
  if (PyErr_Occurred() != nullptr) return nullptr;
  const int stored = store_ahead(
      as_cache(object), {.key = arguments[1], .value = arguments[2], .ttl = given[0]}, batch);
  return stored < 0 ? nullptr : PyBool_FromLong(stored);
}

PyObject* cache_prefetch_finish(PyObject* object, Arguments arguments, Py_ssize_t count) {
  if (!check_count("_prefetch_finish", count, 2, 2)) return nullptr;
  const unsigned long long batch = PyLong_AsUnsignedLongLong(arguments[0]);
  if (PyErr_Occurred() != nullptr) return nullptr;
  CacheObject* self = as_cache(object);
  if (self->prefetch != nullptr) self->prefetch->finish(batch, arguments[1] == Py_True);
  Py_RETURN_NONE;
}

PyObject* cache_prefetch_pause(PyObject* object, PyObject* paused) {
  Prefetch* prefetch = as_cache(object)->prefetch;
  if (prefetch == nullptr) Py_RETURN_NONE;
  Released released;
  prefetch->pause(paused == Py_True, released);
  Py_RETURN_NONE;
}

PyObject* cache_prefetch_renew(PyObject* object, PyObject* wake) {
  Prefetch* prefetch = as_cache(object)->prefetch;
  if (prefetch == nullptr) Py_RETURN_NONE;
  Released released;
  prefetch->drop_wanted(released);
  prefetch->wake_by(wake, released);
  Py_RETURN_NONE;
}

// See _Counts in augury.prefetch; empty if nobody fetches ahead.
PyObject* cache_prefetch_counts(PyObject* object, PyObject*) {
  const CacheObject* self = as_cache(object);
  if (self->prefetch == nullptr) return PyTuple_New(0);
  // Copied before an object is made, which may run any code.
  const Prefetch::Counts counts = self->prefetch->counts();
  const std::size_t waiting = self->prefetch->waiting();
  const Probation::Counts ahead = count_ahead(self);
  const double lag = self->prefetch->lag();
  return Py_BuildValue("(KKKKKnKKKdNNN)", counts.requests, counts.misses, counts.fetched,
                       counts.late, counts.revoked, static_cast<Py_ssize_t>(waiting), ahead.fetched,
                       ahead.used, ahead.unused, lag, list_of(counts.fetched_by),
                       list_of(counts.used_by), list_of(counts.waited));
}

}  // namespace augury
