// The type augury._native.Cache: dict-like access at dict's speed, by raw type slots.
#include <Python.h>
#include <structmember.h>

#include <algorithm>

#include "bind/arguments.hpp"
#include "bind/bind.hpp"
#include "bind/cache_docs.hpp"
#include "bind/cache_learning.hpp"
#include "bind/cache_object.hpp"
#include "bind/cache_observing.hpp"
#include "bind/cache_prefetch.hpp"
#include "bind/cache_snapshot.hpp"
#include "bind/cache_write.hpp"

namespace augury {

PyTypeObject* cache_type;

namespace {

CacheObject* as_cache(PyObject* self) {
  return reinterpret_cast<CacheObject*>(self);
}

// ---------------------------------------------------------------- mapping

PyObject* cache_subscript(PyObject* self, PyObject* key) {
  PyObject* value = read_key(as_cache(self), key);
  if (value == nullptr && PyErr_Occurred() == nullptr) {
    raise_key_error(key);
  }
  return value;
}

int cache_assign(PyObject* self, PyObject* key, PyObject* value) {
  if (value != nullptr) return store(as_cache(self), {.key = key, .value = value}) < 0 ? -1 : 0;
  PyObject* held;
  const int taken = take(as_cache(self), key, &held);
  if (taken < 0) return -1;
  if (held == nullptr) {
    raise_key_error(key);
    return -1;
  }
  Py_DECREF(held);
  return 0;
}

// A live entry's value (borrowed) without a trace in policy or statistics, or nullptr.
PyObject* peek(CacheObject* self, PyObject* key, bool failures) {
  const Py_hash_t hash = hash_of(key);
  if (hash == -1) return nullptr;
  const std::int64_t now = self->clock == nullptr ? -1 : present(self);
  if (self->clock != nullptr && now < 0) return nullptr;
  const Found found = search(self, SoughtKey{table_hash(hash), key});
  if (found.search != Search::kFound) return nullptr;
  if (is_expired(*self->cache, found.slot, now)) return nullptr;
  auto* value = static_cast<PyObject*>(self->cache->entry(found.slot).value);
  return is_failure(value) && !failures ? nullptr : value;
}

int cache_contains(PyObject* self, PyObject* key) {
  if (peek(as_cache(self), key, false) != nullptr) return 1;
  return PyErr_Occurred() == nullptr ? 0 : -1;
}

Py_ssize_t cache_length(PyObject* object) {
  CacheObject* self = as_cache(object);
  if (self->cache == nullptr) return 0;
  if (!self->cache->wheel().idle()) {
    const std::int64_t now = present(self);
    if (now < 0) return -1;
    Dropped dropped(self);
    expire(self, now, true, dropped);
  }
  return static_cast<Py_ssize_t>(self->cache->size() - self->failures);
}

// ---------------------------------------------------------------- methods

PyObject* cache_get(PyObject* self, Arguments arguments, Py_ssize_t count) {
  if (!check_count("get", count, 1, 2)) [[unlikely]]
    return nullptr;
  PyObject* value = read_key(as_cache(self), arguments[0]);
  if (value != nullptr) [[likely]]
    return value;
  if (PyErr_Occurred() != nullptr) return nullptr;
  return Py_NewRef(count == 2 ? arguments[1] : Py_None);
}

PyObject* cache_peek(PyObject* self, Arguments arguments, Py_ssize_t count) {
  if (!check_count("peek", count, 1, 2)) return nullptr;
  PyObject* value = peek(as_cache(self), arguments[0], false);
  if (value == nullptr) {
    if (PyErr_Occurred() != nullptr) return nullptr;
    value = count == 2 ? arguments[1] : Py_None;
  }
  return Py_NewRef(value);
}

PyObject* cache_set(PyObject* self, Arguments arguments, Py_ssize_t count, PyObject* keywords) {
  std::array<PyObject*, 2> given{};
  if (!parse_keywords("set", arguments, count, 2, keywords, std::array{"ttl", "size"}, given)) {
    return nullptr;
  }
  const int stored =
      store(as_cache(self),
            {.key = arguments[0], .value = arguments[1], .ttl = given[0], .size = given[1]});
  return stored < 0 ? nullptr : PyBool_FromLong(stored);
}

PyObject* cache_store_loaded(PyObject* self, Arguments arguments, Py_ssize_t count,
                             PyObject* keywords) {
  std::array<PyObject*, 2> given{};
  if (!parse_keywords("_store_loaded", arguments, count, 3, keywords, std::array{"ttl", "size"},
                      given)) {
    return nullptr;
  }
  if (PyObject_TypeCheck(arguments[2], ticket_type) == 0) {
    PyErr_SetString(PyExc_TypeError, "_store_loaded() needs a Ticket");
    return nullptr;
  }
  const int stored =
      store(as_cache(self), {.key = arguments[0],
                             .value = arguments[1],
                             .ttl = given[0],
                             .size = given[1],
                             .ticket = reinterpret_cast<TicketObject*>(arguments[2])});
  return stored < 0 ? nullptr : PyBool_FromLong(stored);
}

PyObject* cache_get_or_load(PyObject* self, Arguments arguments, Py_ssize_t count,
                            PyObject* keywords) {
  static PyObject* load_name = PyUnicode_InternFromString("_load");
  std::array<PyObject*, 4> given{};
  if (!parse_keywords("get_or_load", arguments, count, 2, keywords,
                      std::array{"ttl", "size", "negative_ttl", "error_ttl"}, given)) {
    return nullptr;
  }
  PyObject* value = read_key(as_cache(self), arguments[0]);
  if (value != nullptr || PyErr_Occurred() != nullptr) return value;
  const Py_ssize_t total = count + (keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords));
  std::array<PyObject*, 1 + 2 + given.size()> forwarded{self};
  std::copy(arguments, arguments + total, forwarded.begin() + 1);
  return PyObject_VectorcallMethod(load_name, forwarded.data(), static_cast<std::size_t>(count) + 1,
                                   keywords);
}

PyObject* cache_get_many(PyObject* self, PyObject* keys) {
  PyObject* found = PyDict_New();
  PyObject* iterator = found == nullptr ? nullptr : PyObject_GetIter(keys);
  if (iterator != nullptr) {
    while (PyObject* key = PyIter_Next(iterator)) {
      PyObject* value = read_key(as_cache(self), key);
      if (value != nullptr) PyDict_SetItem(found, key, value);
      Py_XDECREF(value);
      Py_DECREF(key);
      if (PyErr_Occurred() != nullptr) break;
    }
    Py_DECREF(iterator);
  }
  if (PyErr_Occurred() != nullptr) Py_CLEAR(found);
  return found;
}

PyObject* cache_delete(PyObject* self, PyObject* key) {
  PyObject* value;
  const int taken = take(as_cache(self), key, &value);
  const bool present = value != nullptr;
  Py_XDECREF(value);
  return taken < 0 ? nullptr : PyBool_FromLong(present);
}

PyObject* cache_pop(PyObject* self, Arguments arguments, Py_ssize_t count) {
  if (!check_count("pop", count, 1, 2)) return nullptr;
  PyObject* value;
  if (take(as_cache(self), arguments[0], &value) < 0) return nullptr;
  if (value != nullptr) return value;
  if (count == 2) return Py_NewRef(arguments[1]);
  raise_key_error(arguments[0]);
  return nullptr;
}

PyObject* cache_popitem(PyObject* object, PyObject*) {
  CacheObject* self = as_cache(object);
  if (cache_length(object) < 0) return nullptr;  // nothing expired is left afterwards
  Dropped dropped(self);
  while (self->cache != nullptr && self->cache->size() != 0) {
    const Entry entry = self->cache->evict();
    auto* key = static_cast<PyObject*>(entry.key);
    auto* value = static_cast<PyObject*>(entry.value);
    ++self->statistics.removals;
    dropped.add(entry, Cause::kExplicit);
    if (is_failure(value)) continue;
    return revoke_flight(self, key) ? PyTuple_Pack(2, key, value) : nullptr;
  }
  PyErr_SetString(PyExc_KeyError, "popitem(): the cache is empty");
  return nullptr;
}

PyObject* cache_setdefault(PyObject* self, Arguments arguments, Py_ssize_t count) {
  if (!check_count("setdefault", count, 1, 2)) return nullptr;
  PyObject* held = read_key(as_cache(self), arguments[0]);
  if (held != nullptr || PyErr_Occurred() != nullptr) return held;
  PyObject* value = count == 2 ? arguments[1] : Py_None;
  const int stored =
      store(as_cache(self), {.key = arguments[0], .value = value, .only_if_absent = true});
  if (stored < 0) return nullptr;
  // Another thread may have been faster while this one asked the weigher or the clock.
  if (stored == 0) held = peek(as_cache(self), arguments[0], false);
  if (held == nullptr && PyErr_Occurred() != nullptr) return nullptr;
  return Py_NewRef(held == nullptr ? value : held);
}

PyObject* cache_clear(PyObject* object, PyObject*) {
  CacheObject* self = as_cache(object);
  if (!is_ready(self)) return nullptr;
  if (cache_length(object) < 0) return nullptr;  // what has expired was not cleared
  PyObject* flights = PyDict_New();
  if (flights == nullptr) return nullptr;
  try {
    Dropped dropped(self);
    Released released;
    // No Python code runs between here and the last entry.
    auto fresh = std::make_unique<Cache>(*self->plan);
    if (self->prefetch != nullptr) {
      fresh->use_probation(self->prefetch->make_probation(fresh->capacity()));
      self->prefetch->drop_keys(released);
    }
    keep_counts_ahead(self);
    const std::unique_ptr<Cache> old(std::exchange(self->cache, fresh.release()));
    ++self->changes;
    std::swap(flights, self->flights);
    PyObject *key, *ticket;
    Py_ssize_t position = 0;
    while (PyDict_Next(flights, &position, &key, &ticket) != 0) {
      reinterpret_cast<TicketObject*>(ticket)->valid = 0;
    }
    for (Slot slot = 0; slot < old->slots(); ++slot) {
      if (old->entry(slot).key == nullptr) continue;
      ++self->statistics.removals;
      dropped.add(old->entry(slot), Cause::kExplicit);
    }
    Py_DECREF(flights);
  } catch (...) {
    Py_DECREF(flights);
    set_python_error();
    return nullptr;
  }
  Py_RETURN_NONE;
}

PyObject* cache_resize(PyObject* object, PyObject* argument) {
  CacheObject* self = as_cache(object);
  Weight capacity;
  if (!is_ready(self) || !parse_weight(argument, &capacity)) return nullptr;
  if (cache_length(object) < 0) return nullptr;  // what has expired goes first
  Dropped dropped(self);
  try {
    self->plan->capacity = capacity;
    self->cache->resize(capacity, [&](Entry entry) {
      ++self->statistics.evictions;
      dropped.add(entry, Cause::kSize);
    });
  } catch (...) {
    set_python_error();
    return nullptr;
  }
  Py_RETURN_NONE;
}

// Remaining seconds; None without a deadline; KeyError if the key is absent.
PyObject* cache_ttl(PyObject* object, PyObject* key) {
  CacheObject* self = as_cache(object);
  const std::int64_t now = present(self);
  if (now < 0) return nullptr;
  const Py_hash_t hash = hash_of(key);
  if (hash == -1) return nullptr;
  const Found found = search(self, SoughtKey{table_hash(hash), key});
  if (found.search == Search::kFailed) return nullptr;
  const bool present = found.search == Search::kFound &&
                       !is_failure(static_cast<PyObject*>(self->cache->entry(found.slot).value));
  const std::int64_t deadline =
      present ? self->cache->wheel().deadline(found.slot) : std::int64_t{0};
  if (deadline <= now) {
    raise_key_error(key);
    return nullptr;
  }
  if (deadline == TimerWheel::kForever) Py_RETURN_NONE;
  return PyFloat_FromDouble(static_cast<double>(deadline - now) / 1e9);
}

// A list of make(key, value) over the live entries, and over remembered failures if asked.
template <class Make>
PyObject* snapshot(PyObject* object, Make&& make, bool failures = false) {
  if (cache_length(object) < 0) return nullptr;
  CacheObject* self = as_cache(object);
  PyObject* list = PyList_New(0);
  if (list == nullptr || self->cache == nullptr) return list;
  // Allocating may collect garbage and so run any code: slots() is read anew each time.
  for (Slot slot = 0; slot < self->cache->slots(); ++slot) {
    const Entry& entry = self->cache->entry(slot);
    if (entry.key == nullptr) continue;
    if (!failures && is_failure(static_cast<PyObject*>(entry.value))) continue;
    PyObject* key = Py_NewRef(static_cast<PyObject*>(entry.key));
    PyObject* value = Py_NewRef(static_cast<PyObject*>(entry.value));
    PyObject* item = make(key, value);
    Py_DECREF(key);
    Py_DECREF(value);
    const bool appended = item != nullptr && PyList_Append(list, item) == 0;
    Py_XDECREF(item);
    if (!appended) {
      Py_DECREF(list);
      return nullptr;
    }
  }
  return list;
}

PyObject* cache_keys(PyObject* self, PyObject*) {
  return snapshot(self, [](PyObject* key, PyObject*) { return Py_NewRef(key); });
}
PyObject* cache_all_keys(PyObject* self, PyObject*) {
  return snapshot(self, [](PyObject* key, PyObject*) { return Py_NewRef(key); }, true);
}
PyObject* cache_values(PyObject* self, PyObject*) {
  return snapshot(self, [](PyObject*, PyObject* value) { return Py_NewRef(value); });
}
PyObject* cache_items(PyObject* self, PyObject*) {
  return snapshot(self, [](PyObject* key, PyObject* value) { return PyTuple_Pack(2, key, value); });
}

PyObject* cache_iterate(PyObject* self) {
  PyObject* keys = cache_keys(self, nullptr);
  PyObject* iterator = keys == nullptr ? nullptr : PyObject_GetIter(keys);
  Py_XDECREF(keys);
  return iterator;
}

// The Failure stored under a key, or None.
PyObject* cache_failure(PyObject* self, PyObject* key) {
  PyObject* value = peek(as_cache(self), key, true);
  if (value != nullptr && is_failure(value)) return Py_NewRef(value);
  if (PyErr_Occurred() != nullptr) return nullptr;
  Py_RETURN_NONE;
}

PyObject* cache_count_load(PyObject* self, Arguments arguments, Py_ssize_t count) {
  if (!check_count("_count_load", count, 3, 3)) return nullptr;
  const unsigned long long ns = PyLong_AsUnsignedLongLong(arguments[0]);
  if (PyErr_Occurred() != nullptr) return nullptr;
  const bool succeeded = arguments[1] != Py_False;
  Statistics& statistics = as_cache(self)->statistics;
  ++statistics.loads;
  statistics.load_ns += ns;
  if (!succeeded) ++statistics.load_failures;
  if (as_cache(self)->recording == nullptr) Py_RETURN_NONE;
  const Py_hash_t hash = hash_of(arguments[2]);
  if (hash == -1) return nullptr;
  if (as_cache(self)->recorded.takes(table_hash(hash))) {
    record_access(as_cache(self), arguments[2],
                  {.latency = static_cast<std::int64_t>(ns),
                   .operation = Operation::kLoad,
                   .hit = succeeded});
  }
  Py_RETURN_NONE;
}

PyObject* cache_statistics(PyObject* self, PyObject*) {
  const Statistics& s = as_cache(self)->statistics;
  const Probation::Counts ahead = count_ahead(as_cache(self));
  const Probation::Counts& before = as_cache(self)->ahead_reset;
  return Py_BuildValue("(KKKKKKKKKKKKKKK)", s.hits, s.misses, s.negative_hits, s.insertions,
                       s.updates, s.evictions, s.expirations, s.removals, s.rejections, s.loads,
                       s.load_failures, s.load_ns, ahead.fetched - before.fetched,
                       ahead.used - before.used, ahead.unused - before.unused);
}

PyObject* cache_reset_stats(PyObject* self, PyObject*) {
  as_cache(self)->statistics = {};
  as_cache(self)->ahead_reset = count_ahead(as_cache(self));
  Py_RETURN_NONE;
}

PyObject* cache_validate(PyObject* object, PyObject*) {
  CacheObject* self = as_cache(object);
  if (!is_ready(self)) return nullptr;
  try {
    self->cache->validate();
    std::size_t failures = 0;
    for (Slot slot = 0; slot < self->cache->slots(); ++slot) {
      const Entry& entry = self->cache->entry(slot);
      if (entry.key != nullptr && is_failure(static_cast<PyObject*>(entry.value))) ++failures;
    }
    if (failures != self->failures) throw std::logic_error("cache: failures miscounted");
    if (self->prefetch != nullptr) self->prefetch->validate();
  } catch (...) {
    set_python_error();
    return nullptr;
  }
  Py_RETURN_NONE;
}

PyObject* cache_sizeof(PyObject* object, PyObject*) {
  const CacheObject* self = as_cache(object);
  const std::size_t held = (self->cache == nullptr ? 0 : self->cache->bytes()) +
                           (self->prefetch == nullptr ? 0 : self->prefetch->bytes()) +
                           (self->reads == nullptr ? 0 : self->reads->bytes());
  return PyLong_FromSize_t(static_cast<std::size_t>(Py_TYPE(object)->tp_basicsize) + held);
}

// ---------------------------------------------------------------- life

PyObject* cache_new(PyTypeObject* type, PyObject*, PyObject*) {
  auto* self = reinterpret_cast<CacheObject*>(type->tp_alloc(type, 0));
  if (self == nullptr) return nullptr;
  self->ttl = TimerWheel::kForever;
  self->flights = PyDict_New();
  if (self->flights == nullptr) Py_CLEAR(self);
  return reinterpret_cast<PyObject*>(self);
}

PyObject* none_to_null(PyObject* object) {
  return object == Py_None ? nullptr : Py_NewRef(object);
}

// (capacity, policy, parameters, seed, ttl, weigher, listener, clock, recording, source), all
// checked by augury.Cache.
int cache_init(PyObject* object, PyObject* arguments, PyObject*) {
  CacheObject* self = as_cache(object);
  if (self->cache != nullptr) {
    PyErr_SetString(PyExc_RuntimeError, "Cache.__init__() was called before");
    return -1;
  }
  PyObject *capacity, *parameters, *ttl, *weigher, *listener, *clock, *recording;
  const char* policy;
  unsigned long long seed;
  unsigned int source;
  if (PyArg_ParseTuple(arguments, "OsO!KOOOOOI", &capacity, &policy, &PyDict_Type, &parameters,
                       &seed, &ttl, &weigher, &listener, &clock, &recording, &source) == 0) {
    return -1;
  }
  if (recording != Py_None &&
      (Py_TYPE(recording) != recording_type ||
       source >= reinterpret_cast<RecordingObject*>(recording)->sources->size())) {
    PyErr_SetString(PyExc_TypeError, "recording must be a Recording with this source, or None");
    return -1;
  }
  Plan plan;
  plan.policy = policy;
  plan.seed = seed;
  std::int64_t ttl_ns;
  if (!parse_weight(capacity, &plan.capacity) || !parse_ttl(ttl, &ttl_ns)) return -1;
  try {
    PyObject *name, *value;
    Py_ssize_t position = 0;
    while (PyDict_Next(parameters, &position, &name, &value) != 0) {
      const char* text = PyUnicode_AsUTF8(name);
      const double number = PyFloat_AsDouble(value);
      if (PyErr_Occurred() != nullptr) return -1;
      plan.parameters.emplace(text, number);
    }
    auto kept = std::make_unique<Plan>(std::move(plan));
    // Reading the arguments may have run any code.
    if (self->cache != nullptr) {
      PyErr_SetString(PyExc_RuntimeError, "Cache.__init__() was called before");
      return -1;
    }
    self->cache = new Cache(*kept);
    self->plan = kept.release();
    self->ttl = ttl_ns;
  } catch (...) {
    set_python_error();
    return -1;
  }
  self->weigher = none_to_null(weigher);
  self->listener = none_to_null(listener);
  self->clock = none_to_null(clock);
  if (recording != Py_None) {
    self->recording = reinterpret_cast<RecordingObject*>(Py_NewRef(recording));
    self->source = source;
    self->recorded = self->recording->sampler;
    choose_watched(self);
  }
  return 0;
}

int cache_traverse(PyObject* object, visitproc visit, void* arg) {
  CacheObject* self = as_cache(object);
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(self->weigher);
  Py_VISIT(self->listener);
  Py_VISIT(self->clock);
  Py_VISIT(self->flights);
  Py_VISIT(reinterpret_cast<PyObject*>(self->recording));
  Py_VISIT(self->model);
  if (self->cache == nullptr || !self->may_cycle) return 0;
  if (self->prefetch != nullptr) {
    if (const int result = self->prefetch->traverse(visit, arg); result != 0) return result;
  }
  for (Slot slot = 0; slot < self->cache->slots(); ++slot) {
    const Entry& entry = self->cache->entry(slot);
    if (entry.key == nullptr) continue;
    Py_VISIT(static_cast<PyObject*>(entry.key));
    Py_VISIT(static_cast<PyObject*>(entry.value));
  }
  return 0;
}

// Releases every entry without telling anyone.
void drop_all(CacheObject* self) {
  const std::unique_ptr<Cache> cache(std::exchange(self->cache, nullptr));
  ++self->changes;
  self->failures = 0;
  if (cache == nullptr) return;
  for (Slot slot = 0; slot < cache->slots(); ++slot) {
    const Entry& entry = cache->entry(slot);
    Py_XDECREF(static_cast<PyObject*>(entry.key));
    Py_XDECREF(static_cast<PyObject*>(entry.value));
  }
}

int cache_tp_clear(PyObject* object) {
  CacheObject* self = as_cache(object);
  self->watched = self->recorded = Sampler();
  delete std::exchange(self->prefetch, nullptr);
  delete std::exchange(self->reads, nullptr);
  drop_all(self);
  Py_CLEAR(self->weigher);
  Py_CLEAR(self->listener);
  Py_CLEAR(self->clock);
  Py_CLEAR(self->recording);
  Py_CLEAR(self->model);
  return 0;
}

void cache_dealloc(PyObject* object) {
  CacheObject* self = as_cache(object);
  PyObject_GC_UnTrack(object);
  if (self->weakrefs != nullptr) PyObject_ClearWeakRefs(object);
  cache_tp_clear(object);
  Py_CLEAR(self->flights);
  delete std::exchange(self->plan, nullptr);
  PyTypeObject* type = Py_TYPE(object);
  type->tp_free(object);
  Py_DECREF(type);
}

PyObject* cache_capacity(PyObject* self, void*) {
  const CacheObject* cache = as_cache(self);
  return PyLong_FromUnsignedLongLong(cache->cache == nullptr ? 0 : cache->cache->capacity());
}
PyObject* cache_weight(PyObject* self, void*) {
  const CacheObject* cache = as_cache(self);
  return PyLong_FromUnsignedLongLong(cache->cache == nullptr ? 0 : cache->cache->weight());
}

constexpr int kKeywords = METH_FASTCALL | METH_KEYWORDS;

PyMethodDef cache_methods[] = {
    {"get", cfunction(cache_get), METH_FASTCALL, kGetDoc},
    {"peek", cfunction(cache_peek), METH_FASTCALL, kPeekDoc},
    {"set", cfunction(cache_set), kKeywords, kSetDoc},
    {"get_or_load", cfunction(cache_get_or_load), kKeywords, kGetOrLoadDoc},
    {"get_many", cache_get_many, METH_O, kGetManyDoc},
    {"delete", cache_delete, METH_O, kDeleteDoc},
    {"pop", cfunction(cache_pop), METH_FASTCALL, kPopDoc},
    {"popitem", cache_popitem, METH_NOARGS, kPopitemDoc},
    {"setdefault", cfunction(cache_setdefault), METH_FASTCALL, kSetdefaultDoc},
    {"clear", cache_clear, METH_NOARGS, kClearDoc},
    {"_use_model", cfunction(cache_use_model), METH_FASTCALL, kUseModelDoc},
    {"_record_requests", cache_record_requests, METH_O, kRecordRequestsDoc},
    {"_recorded_requests", cache_recorded_requests, METH_NOARGS, kRecordedRequestsDoc},
    {"_take_requests", cache_take_requests, METH_NOARGS, kTakeRequestsDoc},
    {"_held", cfunction(cache_held), METH_FASTCALL, kHeldDoc},
    {"_contents", cache_contents, METH_NOARGS, kContentsDoc},
    {"_restore", cfunction(cache_restore), kKeywords, kRestoreDoc},
    {"_line_up", cfunction(cache_line_up), METH_FASTCALL, kLineUpDoc},
    {"_resume", cache_resume, METH_O, kResumeDoc},
    {"_inspect", cache_inspect, METH_O, kInspectDoc},
    {"_observe_reads", cfunction(cache_observe_reads), METH_FASTCALL, kObserveReadsDoc},
    {"_take_reads", cache_take_reads, METH_NOARGS, kTakeReadsDoc},
    {"_ruling", cache_ruling, METH_NOARGS, kRulingDoc},
    {"resize", cache_resize, METH_O, kResizeDoc},
    {"ttl", cache_ttl, METH_O, kTtlDoc},
    {"reset_stats", cache_reset_stats, METH_NOARGS, kResetStatsDoc},
    {"validate", cache_validate, METH_NOARGS, kValidateDoc},
    {"_keys", cache_keys, METH_NOARGS, kKeysDoc},
    {"_all_keys", cache_all_keys, METH_NOARGS, kAllKeysDoc},
    {"_values", cache_values, METH_NOARGS, kValuesDoc},
    {"_items", cache_items, METH_NOARGS, kItemsDoc},
    {"_failure", cache_failure, METH_O, kFailureDoc},
    {"_statistics", cache_statistics, METH_NOARGS, kStatisticsDoc},
    {"_count_load", cfunction(cache_count_load), METH_FASTCALL, kCountLoadDoc},
    {"_store_loaded", cfunction(cache_store_loaded), kKeywords, kStoreLoadedDoc},
    {"_prefetch_begin", cache_prefetch_begin, METH_VARARGS, kPrefetchBeginDoc},
    {"_prefetch_end", cache_prefetch_end, METH_NOARGS, kPrefetchEndDoc},
    {"_prefetch_wait", cache_prefetch_wait, METH_O, kPrefetchWaitDoc},
    {"_prefetch_take", cache_prefetch_take, METH_O, kPrefetchTakeDoc},
    {"_prefetch_store", cfunction(cache_prefetch_store), kKeywords, kPrefetchStoreDoc},
    {"_prefetch_finish", cfunction(cache_prefetch_finish), METH_FASTCALL, kPrefetchFinishDoc},
    {"_prefetch_pause", cache_prefetch_pause, METH_O, kPrefetchPauseDoc},
    {"_prefetch_renew", cache_prefetch_renew, METH_O, kPrefetchRenewDoc},
    {"_prefetch_counts", cache_prefetch_counts, METH_NOARGS, kPrefetchCountsDoc},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     "Return the generic type, for annotations."},
    {"__sizeof__", cache_sizeof, METH_NOARGS, kSizeofDoc},
    {nullptr, nullptr, 0, nullptr},
};

PyMemberDef cache_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(CacheObject, weakrefs), READONLY, nullptr},
    {"_flights", T_OBJECT_EX, offsetof(CacheObject, flights), READONLY,
     "The board of loads under way: key -> Ticket."},
    {"_weigher", T_OBJECT, offsetof(CacheObject, weigher), READONLY,
     "What weighs entries; None if nothing does."},
    {"model", T_OBJECT, offsetof(CacheObject, model), READONLY,
     "The model in use: an `augury.Artefact`; None if none decides."},
    {nullptr, 0, 0, 0, nullptr},
};

PyGetSetDef cache_properties[] = {
    {"capacity", cache_capacity, nullptr,
     "How much the cache holds: entries, or the sum of their weights.", nullptr},
    {"weight", cache_weight, nullptr,
     "The sum of the weights of all entries; without a weigher, their number. Entries that have "
     "expired and were not yet noticed count too.",
     nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot cache_slots[] = {
    {Py_tp_doc, const_cast<char*>("The native part of `augury.Cache`.")},
    {Py_tp_new, slot(cache_new)},
    {Py_tp_init, slot(cache_init)},
    {Py_tp_dealloc, slot(cache_dealloc)},
    {Py_tp_traverse, slot(cache_traverse)},
    {Py_tp_clear, slot(cache_tp_clear)},
    {Py_tp_iter, slot(cache_iterate)},
    {Py_tp_methods, cache_methods},
    {Py_tp_members, cache_members},
    {Py_tp_getset, cache_properties},
    {Py_mp_subscript, slot(cache_subscript)},
    {Py_mp_ass_subscript, slot(cache_assign)},
    {Py_mp_length, slot(cache_length)},
    {Py_sq_contains, slot(cache_contains)},
    {0, nullptr},
};

PyType_Spec cache_spec = {
    .name = "augury._native.Cache",
    .basicsize = sizeof(CacheObject),
    .itemsize = 0,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = cache_slots,
};

// CPython calls a method without building a frame for its arguments only where the object's type is
// the very type that the method belongs to, so a subclass calls what it inherits more slowly. This
// makes the inherited methods the subclass's own, where it does not define them itself.
PyObject* adopt_methods(PyObject*, PyObject* type) {
  if (PyType_Check(type) == 0 ||
      PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(type), cache_type) == 0) {
    PyErr_SetString(PyExc_TypeError, "adopt_methods() needs a subclass of Cache");
    return nullptr;
  }
  for (PyMethodDef* method = cache_methods; method->ml_name != nullptr; ++method) {
    if ((method->ml_flags & METH_CLASS) != 0) continue;
    PyObject* own = reinterpret_cast<PyTypeObject*>(type)->tp_dict;
    PyObject* name = PyUnicode_InternFromString(method->ml_name);
    if (name == nullptr) return nullptr;
    int failed = 0;
    if (PyDict_Contains(own, name) == 0) {
      PyObject* descriptor = PyDescr_NewMethod(reinterpret_cast<PyTypeObject*>(type), method);
      failed = descriptor == nullptr || PyObject_SetAttr(type, name, descriptor) < 0 ? 1 : 0;
      Py_XDECREF(descriptor);
    }
    Py_DECREF(name);
    if (failed != 0) return nullptr;
  }
  return Py_NewRef(type);
}

PyMethodDef adopt_definition = {"adopt_methods", adopt_methods, METH_O, nullptr};

}  // namespace

void bind_cache(nanobind::module_& module) {
  PyObject* adopt = PyCFunction_New(&adopt_definition, nullptr);
  if (adopt == nullptr || PyModule_AddObject(module.ptr(), "adopt_methods", adopt) < 0) {
    throw nanobind::python_error();
  }
  cache_type = add_type(module, &cache_spec, "Cache");
}

}  // namespace augury
