#include "bind/cache_write.hpp"

#include <optional>

#include "bind/arguments.hpp"
#include "bind/key_number.hpp"

namespace augury {

bool revoke_flight(CacheObject* self, PyObject* key) {
  static PyObject* pop_name = PyUnicode_InternFromString("pop");
  // Releasing a ticket may run any code, which may begin another flight.
  while (PyDict_GET_SIZE(self->flights) != 0) {
    // Comparing keys may clear the cache, which gives it a new board.
    PyObject* flights = Py_NewRef(self->flights);
    // Found and taken off at once: between two look-ups another flight could take its place, and no
    // later write would find that one to revoke it.
    PyObject* ticket = PyObject_CallMethodObjArgs(flights, pop_name, key, Py_None, nullptr);
    const bool cleared = flights != self->flights;
    Py_DECREF(flights);
    if (ticket == nullptr) return false;
    const bool taken = ticket != Py_None;
    if (taken) reinterpret_cast<TicketObject*>(ticket)->valid = 0;
    Py_DECREF(ticket);
    if (!taken && !cleared) break;
  }
  return true;
}

namespace {

// What is known about a write before the cache is touched.
struct Terms {
  std::uint64_t hash;
  Weight weight = 1;
  std::int64_t deadline = TimerWheel::kForever;
  std::int64_t now = -1;  // negative: no entry has a deadline
};

bool settle(CacheObject* self, const Write& write, Terms* terms) {
  const Py_hash_t hash = hash_of(write.key);
  if (hash == -1) return false;
  terms->hash = table_hash(hash);
  std::int64_t ttl = self->ttl;
  if (write.ttl != nullptr && !parse_ttl(write.ttl, &ttl)) return false;
  if (write.size != nullptr) {
    if (!parse_weight(write.size, &terms->weight)) return false;
  } else if (self->weigher != nullptr && !is_failure(write.value)) {
    PyObject* weigher = Py_NewRef(self->weigher);
    PyObject* weight = PyObject_CallFunctionObjArgs(weigher, write.key, write.value, nullptr);
    Py_DECREF(weigher);
    if (weight == nullptr) return false;
    const bool parsed = parse_weight(weight, &terms->weight);
    Py_DECREF(weight);
    if (!parsed) return false;
  }
  // A clock of the user's is asked in any case: entries with a deadline may yet appear, written by
  // the code that comparing keys runs.
  if (self->clock != nullptr || ttl != TimerWheel::kForever || !self->cache->wheel().idle()) {
    terms->now = present(self);
    if (terms->now < 0) return false;
    if (ttl < TimerWheel::kForever - terms->now) terms->deadline = terms->now + ttl;
  }
  return true;
}

// Looks for an entry that the user writes or takes, and revokes the load of its key under way. A
// load may begin whenever code of the user's runs, so that comes last: a search that it has
// outdated is repeated.
Found search_and_revoke(CacheObject* self, const SoughtKey& sought) {
  constexpr int kRestarts = 1000;
  for (int restart = 0; restart < kRestarts; ++restart) {
    const Found found = search(self, sought);
    if (found.search == Search::kFailed) return found;
    const std::uint64_t changes = self->changes;
    if (!revoke_flight(self, sought.key)) return {Search::kFailed, kNone};
    if (self->changes == changes) return found;
  }
  PyErr_SetString(PyExc_RuntimeError, "comparing the key changed the cache again and again");
  return {Search::kFailed, kNone};
}

// False if the policy gives up this very entry to make room for its new weight.
bool overwrite(CacheObject* self, Slot slot, const Write& write, const Terms& terms,
               Dropped& dropped) {
  Cache& cache = *self->cache;
  cache.reschedule(slot, terms.deadline, terms.now);
  auto* key = static_cast<PyObject*>(cache.entry(slot).key);
  void* old = cache.replace(slot, Py_NewRef(write.value));
  self->failures += is_failure(write.value) ? 1 : 0;
  ++self->statistics.updates;
  dropped.add({Py_NewRef(key), old}, Cause::kReplaced);
  cache.hit(slot);
  bool kept = true;
  cache.reweigh(slot, terms.weight, [&](Entry entry) {
    kept &= entry.key != key;
    ++self->statistics.evictions;
    dropped.add(entry, Cause::kSize);
  });
  return kept;
}

// Whether nobody has asked for the entry yet.
bool waits(const Cache& cache, Slot slot) {
  return cache.probation() != nullptr && cache.probation()->holds(slot);
}

void insert(CacheObject* self, const Write& write, const Terms& terms, Dropped& dropped) {
  ++self->changes;  // even a failed insertion may have moved the table
  Cache& cache = *self->cache;
  const std::uint64_t number = cache.reads_numbers() ? number_of(write.key, terms.hash) : 0;
  std::optional<TapePause> pause;
  if (write.hits >= 0) pause.emplace(*self->plan->tape);
  const Slot slot = cache.insert(
      terms.hash, number, {write.key, write.value}, terms.weight, terms.deadline, terms.now,
      [&](Entry entry) {
        ++self->statistics.evictions;
        dropped.add(entry, Cause::kSize);
      },
      write.cost);
  for (int hit = 0; hit < write.hits; ++hit) cache.hit(slot);
  Py_INCREF(write.key);
  Py_INCREF(write.value);
  ++self->statistics.insertions;
  self->failures += is_failure(write.value) ? 1 : 0;
}

}  // namespace

bool is_ready(CacheObject* self) {
  if (self->cache != nullptr) return true;
  PyErr_SetString(PyExc_RuntimeError, "Cache.__init__() was not called");
  return false;
}

void expire(CacheObject* self, std::int64_t now, bool exact, Dropped& dropped) {
  self->cache->advance(now, exact, [&](Entry entry) {
    ++self->statistics.expirations;
    dropped.add(entry, Cause::kExpiry);
  });
}

int store(CacheObject* self, const Write& write) {
  if (!is_ready(self)) return -1;
  Terms terms;
  if (!settle(self, write, &terms)) return -1;
  Dropped dropped(self);
  try {
    if (self->cache->wheel().due(terms.now)) expire(self, terms.now, false, dropped);
    const SoughtKey sought{terms.hash, write.key};
    Found found = write.ticket == nullptr && write.hits < 0 ? search_and_revoke(self, sought)
                                                            : search(self, sought);
    if (found.search == Search::kFailed) return -1;
    // From here on no Python code runs before the write is complete.
    if (write.ticket != nullptr && write.ticket->valid == 0) return 0;
    if (self->prefetch != nullptr) self->prefetch->revoke(terms.hash);
    Cache& cache = *self->cache;
    if (found.search == Search::kFound && is_expired(cache, found.slot, terms.now)) {
      ++self->statistics.expirations;
      dropped.add(cache.remove(found.slot), Cause::kExpiry);
      found.search = Search::kAbsent;
    }
    if (write.only_if_absent && found.search == Search::kFound &&
        !is_failure(static_cast<PyObject*>(cache.entry(found.slot).value))) {
      return 0;
    }
    if (self->recorded.takes(terms.hash) && !is_failure(write.value) && write.hits < 0)
        [[unlikely]] {
      record_access(self, write.key,
                    {.size = terms.weight,
                     .operation = Operation::kSet,
                     .hit = found.search == Search::kFound});
    }
    if (terms.weight > cache.capacity()) {
      ++self->statistics.rejections;
      // The old value is out of date.
      if (found.search == Search::kFound) dropped.add(cache.remove(found.slot), Cause::kSize);
      return 0;
    }
    self->may_cycle |= PyObject_IS_GC(write.key) || PyObject_IS_GC(write.value);
    if (found.search == Search::kFound && waits(cache, found.slot)) {
      // It was fetched in vain: a write is no use of it.
      dropped.add(cache.remove(found.slot), Cause::kReplaced);
      insert(self, write, terms, dropped);
      --self->statistics.insertions;
      ++self->statistics.updates;
      return 1;
    }
    if (found.search == Search::kFound) {
      return overwrite(self, found.slot, write, terms, dropped) ? 1 : 0;
    }
    insert(self, write, terms, dropped);
    return 1;
  } catch (...) {
    set_python_error();
    return -1;
  }
}

int store_ahead(CacheObject* self, const Write& write, std::uint64_t batch) {
  if (!is_ready(self)) return -1;
  Terms terms;
  if (!settle(self, write, &terms)) return -1;
  Dropped dropped(self);
  try {
    if (self->cache->wheel().due(terms.now)) expire(self, terms.now, false, dropped);
    const Found found = search(self, SoughtKey{terms.hash, write.key});
    if (found.search == Search::kFailed) return -1;
    // From here on no Python code runs before the write is complete.
    std::uint8_t predictor = 0;
    if (self->prefetch == nullptr || !self->prefetch->arrive(terms.hash, batch, &predictor)) {
      return 0;
    }
    Cache& cache = *self->cache;
    if (found.search == Search::kFound) {
      if (!is_expired(cache, found.slot, terms.now)) return 0;
      ++self->statistics.expirations;
      dropped.add(cache.remove(found.slot), Cause::kExpiry);
    }
    ++self->changes;  // even a failed insertion may have moved the table
    self->prefetch->prepare(cache.slots());
    const std::uint64_t number = cache.reads_numbers() ? number_of(write.key, terms.hash) : 0;
    const Slot slot = cache.insert_ahead(terms.hash, number, {write.key, write.value}, terms.weight,
                                         terms.deadline, terms.now, [&](Entry entry) {
                                           ++self->statistics.evictions;
                                           dropped.add(entry, Cause::kSize);
                                         });
    if (slot == kNone) return 0;
    Py_INCREF(write.key);
    Py_INCREF(write.value);
    self->may_cycle |= PyObject_IS_GC(write.key) || PyObject_IS_GC(write.value);
    self->prefetch->stored(slot, predictor);
    return 1;
  } catch (...) {
    set_python_error();
    return -1;
  }
}

int take(CacheObject* self, PyObject* key, PyObject** value) {
  *value = nullptr;
  if (!is_ready(self)) return -1;
  const Py_hash_t hash = hash_of(key);
  if (hash == -1) return -1;
  const std::int64_t now = self->clock == nullptr ? -1 : present(self);
  if (self->clock != nullptr && now < 0) return -1;
  const Found found = search_and_revoke(self, SoughtKey{table_hash(hash), key});
  if (found.search == Search::kFailed) return -1;
  if (self->prefetch != nullptr) self->prefetch->revoke(table_hash(hash));
  const bool absent = found.search == Search::kAbsent || is_expired(*self->cache, found.slot, now);
  if (self->recorded.takes(table_hash(hash))) [[unlikely]] {
    record_access(self, key,
                  {.size = absent ? 0 : self->cache->weight(found.slot),
                   .operation = Operation::kDelete,
                   .hit = !absent});
  }
  if (found.search == Search::kAbsent) return 0;
  Cache& cache = *self->cache;
  Dropped dropped(self);
  if (absent) {
    ++self->statistics.expirations;
    dropped.add(cache.remove(found.slot), Cause::kExpiry);
    return 0;
  }
  auto* held = static_cast<PyObject*>(cache.entry(found.slot).value);
  if (!is_failure(held)) *value = Py_NewRef(held);
  ++self->statistics.removals;
  dropped.add(cache.remove(found.slot), Cause::kExplicit);
  return 1;
}

}  // namespace augury
