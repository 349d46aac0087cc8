#include "bind/cache_snapshot.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bind/arrays.hpp"
#include "bind/cache_write.hpp"
#include "bind/key_number.hpp"

namespace augury {
namespace {

constexpr std::uint32_t kMostHits = 255;

CacheObject* as_cache(PyObject* self) {
  return reinterpret_cast<CacheObject*>(self);
}

struct Standing {
  Slot slot;
  std::uint8_t hits;
};

// References that are not given up to a list are released.
class References {
 public:
  References() = default;
  References(const References&) = delete;
  References& operator=(const References&) = delete;
  ~References() {
    for (PyObject* object : objects_) Py_DECREF(object);
  }
  void reserve(std::size_t size) { objects_.reserve(size); }
  void add(PyObject* object) { objects_.push_back(Py_NewRef(object)); }

  // nullptr with an exception set if there is no memory.
  PyObject* into_list() {
    PyObject* list = PyList_New(static_cast<Py_ssize_t>(objects_.size()));
    if (list == nullptr) return nullptr;
    Py_ssize_t at = 0;
    for (PyObject* object : std::exchange(objects_, {})) PyList_SET_ITEM(list, at++, object);
    return list;
  }

 private:
  std::vector<PyObject*> objects_;
};

// Those that leave first first; neither remembered failures nor what has expired.
std::vector<Standing> standings(const Cache& cache, std::int64_t now) {
  std::vector<Standing> order;
  order.reserve(cache.size());
  cache.visit([&](Slot slot, std::uint32_t hits) {
    order.push_back({slot, static_cast<std::uint8_t>(std::min(hits, kMostHits))});
  });
  std::erase_if(order, [&](const Standing& each) {
    return cache.wheel().deadline(each.slot) <= now ||
           is_failure(static_cast<PyObject*>(cache.entry(each.slot).value));
  });
  return order;
}

// An entry that is taken out to be inserted again.
struct Waiting {
  std::uint64_t hash;
  Entry entry;
  unsigned hits;
  Weight weight = 0;  // 0: there is no entry with this very key
  std::int64_t deadline = TimerWheel::kForever;
};

void line_up(CacheObject* self, std::vector<Waiting>& line, std::int64_t now, Dropped& dropped) {
  Cache& cache = *self->cache;
  ++self->changes;
  for (Waiting& each : line) {
    const Slot slot =
        cache.find(each.hash, [&](Slot at) { return cache.entry(at).key == each.entry.key; });
    if (slot == kNone) continue;
    each.weight = cache.weight(slot);
    each.deadline = cache.wheel().deadline(slot);
    each.entry = cache.remove(slot);
  }
  const TapePause pause(*self->plan->tape);
  for (const Waiting& each : line) {
    if (each.weight == 0) continue;
    try {
      const std::uint64_t number =
          cache.reads_numbers() ? number_of(static_cast<PyObject*>(each.entry.key), each.hash) : 0;
      const Slot slot = cache.insert(each.hash, number, each.entry, each.weight, each.deadline, now,
                                     [&](Entry left) { dropped.add(left, Cause::kSize); });
      for (unsigned hit = 0; hit < each.hits; ++hit) cache.hit(slot);
    } catch (const std::exception&) {  // there is no memory
      dropped.add(each.entry, Cause::kSize);
    }
  }
}

bool parse_hits(PyObject* object, int* hits) {
  const long given = PyLong_AsLong(object);
  if (PyErr_Occurred() != nullptr) return false;
  *hits = static_cast<int>(std::clamp<long>(given, 0, kMostHits));
  return true;
}

}  // namespace

PyObject* cache_contents(PyObject* object, PyObject*) {
  CacheObject* self = as_cache(object);
  if (!is_ready(self)) return nullptr;
  const std::int64_t now = present(self);
  if (now < 0 || !is_ready(self)) return nullptr;
  try {
    References keys;
    References values;
    // No object is made before all are referred to: that may collect garbage and so run any code.
    const Cache& cache = *self->cache;
    const std::vector<Standing> order = standings(cache, now);
    const std::size_t size = order.size();
    keys.reserve(size);
    values.reserve(size);
    auto remaining = std::make_unique_for_overwrite<std::int64_t[]>(size);
    auto weights = std::make_unique_for_overwrite<Weight[]>(size);
    auto hits = std::make_unique_for_overwrite<std::uint8_t[]>(size);
    std::string memory = cache.memory();
    // They lie anywhere in memory, and their counts of references are written.
    constexpr std::size_t kAhead = 16;
    for (std::size_t at = 0; at < size; ++at) {
      if (at + 2 * kAhead < size) __builtin_prefetch(&cache.entry(order[at + 2 * kAhead].slot));
      if (at + kAhead < size) {
        const Entry& soon = cache.entry(order[at + kAhead].slot);
        __builtin_prefetch(soon.key, 1);
        __builtin_prefetch(soon.value, 1);
      }
      const Slot slot = order[at].slot;
      const Entry& entry = cache.entry(slot);
      keys.add(static_cast<PyObject*>(entry.key));
      values.add(static_cast<PyObject*>(entry.value));
      const std::int64_t deadline = cache.wheel().deadline(slot);
      remaining[at] = deadline == TimerWheel::kForever ? deadline : deadline - now;
      weights[at] = cache.weight(slot);
      hits[at] = order[at].hits;
    }
    nanobind::object key_list = nanobind::steal(keys.into_list());
    nanobind::object value_list = nanobind::steal(values.into_list());
    if (!key_list.is_valid() || !value_list.is_valid()) return nullptr;
    return nanobind::make_tuple(key_list, value_list, hand_over(std::move(remaining), size),
                                hand_over(std::move(weights), size),
                                hand_over(std::move(hits), size),
                                nanobind::bytes(memory.data(), memory.size()))
        .release()
        .ptr();
  } catch (nanobind::python_error& error) {
    error.restore();
  } catch (...) {
    set_python_error();
  }
  return nullptr;
}

PyObject* cache_restore(PyObject* object, Arguments arguments, Py_ssize_t count,
                        PyObject* keywords) {
  std::array<PyObject*, 3> given{};
  int hits = 0;
  if (!parse_keywords("_restore", arguments, count, 3, keywords,
                      std::array{"ttl", "size", "ticket"}, given) ||
      !parse_hits(arguments[2], &hits)) {
    return nullptr;
  }
  if (given[2] != nullptr && PyObject_TypeCheck(given[2], ticket_type) == 0) {
    PyErr_SetString(PyExc_TypeError, "_restore() needs a Ticket");
    return nullptr;
  }
  const int stored = store(as_cache(object), {.key = arguments[0],
                                              .value = arguments[1],
                                              .ttl = given[0],
                                              .size = given[1],
                                              .ticket = reinterpret_cast<TicketObject*>(given[2]),
                                              .only_if_absent = true,
                                              .hits = hits});
  return stored < 0 ? nullptr : PyBool_FromLong(stored);
}

PyObject* cache_line_up(PyObject* object, Arguments arguments, Py_ssize_t count) {
  CacheObject* self = as_cache(object);
  if (!is_ready(self) || !check_count("_line_up", count, 2, 2)) return nullptr;
  PyObject* keys = arguments[0];
  if (PyTuple_Check(keys) == 0 || PyBytes_Check(arguments[1]) == 0 ||
      PyTuple_GET_SIZE(keys) != PyBytes_GET_SIZE(arguments[1])) {
    PyErr_SetString(PyExc_TypeError, "_line_up() needs a tuple and as many bytes");
    return nullptr;
  }
  const std::int64_t now = present(self);
  if (now < 0 || !is_ready(self)) return nullptr;
  Dropped dropped(self);
  try {
    std::vector<Waiting> line;
    line.reserve(static_cast<std::size_t>(PyTuple_GET_SIZE(keys)));
    for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(keys); ++at) {
      const Py_hash_t hash = hash_of(PyTuple_GET_ITEM(keys, at));
      if (hash == -1) return nullptr;
      line.push_back({.hash = table_hash(hash),
                      .entry = {PyTuple_GET_ITEM(keys, at), nullptr},
                      .hits = static_cast<unsigned char>(PyBytes_AS_STRING(arguments[1])[at])});
    }
    // From here on no Python code runs.
    line_up(self, line, now, dropped);
  } catch (...) {
    set_python_error();
    return nullptr;
  }
  Py_RETURN_NONE;
}

PyObject* cache_resume(PyObject* object, PyObject* memory) {
  CacheObject* self = as_cache(object);
  if (!is_ready(self)) return nullptr;
  if (PyBytes_Check(memory) == 0) {
    PyErr_SetString(PyExc_TypeError, "_resume() needs bytes");
    return nullptr;
  }
  try {
    self->cache->resume(
        {PyBytes_AS_STRING(memory), static_cast<std::size_t>(PyBytes_GET_SIZE(memory))});
  } catch (...) {
    set_python_error();
    return nullptr;
  }
  Py_RETURN_NONE;
}

}  // namespace augury
