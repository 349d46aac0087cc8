// The Python object around a cache, and what the types bound on top of it share.
#pragma once

#include <Python.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "bind/prefetch.hpp"
#include "bind/recording.hpp"
#include "cache/cache.hpp"
#include "cache/read_sample.hpp"
#include "core/hash.hpp"

namespace augury {

// Why an entry left; in the order of augury.events.Cause.
enum class Cause : int { kSize, kExpiry, kExplicit, kReplaced };

struct Statistics {
  std::uint64_t hits, misses, negative_hits, insertions, updates, evictions, expirations, removals,
      rejections, loads, load_failures, load_ns;
};

struct CacheObject {
  PyObject_HEAD PyObject* weakrefs;
  Cache* cache;      // nullptr until __init__
  Sampler watched;   // which keys' reads are told to anyone: those recorded, or all
  Sampler recorded;  // which keys' accesses are recorded; none without a recording
  Plan* plan;
  PyObject* weigher;      // callable or nullptr
  PyObject* listener;     // callable or nullptr
  PyObject* clock;        // callable or nullptr: the monotonic clock
  PyObject* flights;      // dict: key -> Ticket of the load under way
  std::int64_t ttl;       // default time to live in ns, or TimerWheel::kForever
  std::uint64_t changes;  // grows whenever an entry comes or goes
  std::size_t failures;   // entries that hold a Failure
  Statistics statistics;
  bool may_cycle;              // some key or value may refer back to the cache
  std::uint32_t source;        // what the recording knows this cache by
  RecordingObject* recording;  // or nullptr
  PyObject* model;             // what was told of the model in use, or nullptr
  Prefetch* prefetch;          // nullptr: nobody fetches ahead
  ReadSample* reads;           // nullptr: nobody observes
  // Of entries that were fetched ahead: those of a Probation that is gone, and all counted when the
  // statistics were reset.
  Probation::Counts ahead_gone, ahead_reset;
};

extern PyTypeObject* cache_type;

// A remembered absence or error: an entry that look-ups treat as missing.
struct FailureObject {
  PyObject_HEAD PyObject* error;
};
extern PyTypeObject* failure_type;

inline bool is_failure(PyObject* value) {
  return Py_TYPE(value) == failure_type;
}

// The right of a load under way to store its result. Any write to its key revokes it.
struct TicketObject {
  PyObject_HEAD char valid;
};
extern PyTypeObject* ticket_type;

// Entries on their way out. Releasing a reference and calling a listener may run any Python code,
// even code that uses this cache, so both wait until the operation that dropped the entries is
// complete.
class Dropped {
 public:
  explicit Dropped(CacheObject* self) : self_(self) {}
  Dropped(const Dropped&) = delete;
  Dropped& operator=(const Dropped&) = delete;
  ~Dropped() {
    if (count_ != 0) [[unlikely]]
      flush();
  }

  // Takes over the references of the entry. Without memory to remember it they are never released,
  // which is the lesser evil.
  void add(Entry entry, Cause cause) noexcept {
    auto* value = static_cast<PyObject*>(entry.value);
    if (is_failure(value)) --self_->failures;
    ++self_->changes;
    const Item item{static_cast<PyObject*>(entry.key), value, cause};
    if (count_ < first_.size()) {
      first_[count_++] = item;
      return;
    }
    try {
      more_.push_back(item);
    } catch (const std::bad_alloc&) {
      return;
    }
  }

 private:
  struct Item {
    PyObject* key;
    PyObject* value;
    Cause cause;
  };

  void flush() noexcept;
  void release(const Item& item) noexcept;

  CacheObject* self_;
  std::size_t count_ = 0;
  std::array<Item, 4> first_;
  std::vector<Item> more_;
};

inline std::uint64_t table_hash(Py_hash_t hash) {
  return mix(static_cast<std::uint64_t>(hash));
}

// PyObject_Hash with its two commonest cases inlined: -1 with an exception set if the key is not
// hashable.
inline Py_hash_t hash_of(PyObject* key) {
  if (PyUnicode_CheckExact(key)) {
    const Py_hash_t hash = reinterpret_cast<PyASCIIObject*>(key)->hash;
    if (hash != -1) [[likely]]
      return hash;
  } else if (PyLong_CheckExact(key)) {
    const auto* integer = reinterpret_cast<PyLongObject*>(key);
#if PY_VERSION_HEX >= 0x030C0000
    if (PyUnstable_Long_IsCompact(integer)) [[likely]] {
      const Py_hash_t value = PyUnstable_Long_CompactValue(integer);
      return value == -1 ? -2 : value;
    }
#else
    const Py_ssize_t size = Py_SIZE(integer);
    if (size == 1) return static_cast<Py_hash_t>(integer->ob_digit[0]);
    if (size == 2) {  // as ids often are; with 60 bits still below the modulus
      static_assert(PyLong_SHIFT == 30);
      return static_cast<Py_hash_t>(integer->ob_digit[0]) |
             static_cast<Py_hash_t>(integer->ob_digit[1]) << PyLong_SHIFT;
    }
#endif
  }
  return PyObject_Hash(key);
}

// Compares two keys as dict does: 1, 0, or -1 with an exception set.
int compare_keys(PyObject* candidate, PyObject* key);

enum class Search { kFound, kAbsent, kFailed };

struct Found {
  Search search;
  Slot slot;
};

// A key sought. A `Sought` has `hash` and `object`, and compares itself with a stored key in two
// ways: is(candidate), true only if they are identical, and equals(candidate): 1, 0, or -1 with an
// exception set, perhaps having run any code.
struct SoughtKey {
  std::uint64_t hash;
  PyObject* key;

  // A new reference to the key as an object; nullptr with an exception set if it cannot be made.
  [[nodiscard]] PyObject* object() const { return Py_NewRef(key); }
  [[nodiscard]] bool is(PyObject* candidate) const { return candidate == key; }
  [[nodiscard]] int equals(PyObject* candidate) const { return compare_keys(candidate, key); }
};

// Looks for an entry. When it returns, the cache is as it was at the last comparison: where
// comparing ran code that changed the cache the search starts again, as dict's does.
template <class Sought>
[[gnu::noinline]] Found search(CacheObject* self, const Sought& sought) {
  constexpr int kRestarts = 1000;
  for (int restart = 0; restart < kRestarts; ++restart) {
    if (self->cache == nullptr) return {Search::kAbsent, kNone};
    const std::uint64_t changes = self->changes;
    bool failed = false;
    bool changed = false;
    const Cache& cache = *self->cache;
    const Slot slot = cache.find(sought.hash, [&](Slot at) {
      auto* candidate = static_cast<PyObject*>(cache.entry(at).key);
      if (sought.is(candidate)) return true;
      if (cache.hash(at) != sought.hash) return false;
      const int equal = sought.equals(candidate);
      failed = equal < 0;
      changed = self->changes != changes;
      return equal != 0 || changed;
    });
    if (failed) return {Search::kFailed, kNone};
    if (!changed) return {slot == kNone ? Search::kAbsent : Search::kFound, slot};
  }
  PyErr_SetString(PyExc_RuntimeError, "comparing the key changed the cache again and again");
  return {Search::kFailed, kNone};
}

// The present time in ns. Negative with an exception set if the user's clock failed.
std::int64_t present(CacheObject* self);

// Whether the entry's deadline, if it has one, has passed. `now` is the present by the user's
// clock, or negative if the cache uses its own.
bool is_expired(const Cache& cache, Slot slot, std::int64_t now);

// Takes out an entry that a read found past its deadline.
void drop_expired(CacheObject* self, Slot slot);

// Records an access of a key that is sampled.
[[gnu::noinline]] inline void record_access(CacheObject* self, PyObject* key, Access access) {
  access.source = self->source;
  record(self->recording, key, access);
}

// Watches the reads that anyone wants to be told of; for when that changes.
inline void choose_watched(CacheObject* self) {
  self->watched = self->prefetch != nullptr ? Sampler(1.0) : self->recorded;
  if (self->reads != nullptr) self->watched = self->watched.wider(self->reads->wanted());
}

// Notes a read for whoever observes.
inline void note_read(CacheObject* self, std::uint64_t hash, bool hit) {
  if (self->reads == nullptr || !self->reads->wanted().takes(hash)) return;
  self->reads->add(hash, hit);
  if (self->reads->full()) choose_watched(self);
}

// Tells whoever watches of a read: of this entry, which it ends, or of a key that is not there.
// `now` as for is_expired().
PyObject* read_watched(CacheObject* self, Slot slot, std::int64_t now);
void miss_watched(CacheObject* self, std::uint64_t hash, PyObject* key, std::int64_t now);

template <class Sought>
[[gnu::noinline]] void tell_miss(CacheObject* self, const Sought& sought, std::int64_t now) {
  PyObject* key = sought.object();
  miss_watched(self, sought.hash, key, now);
  Py_XDECREF(key);
}

template <class Sought>
void count_miss(CacheObject* self, const Sought& sought, std::int64_t now) {
  ++self->statistics.misses;
  if (self->watched.takes(sought.hash)) [[unlikely]]
    tell_miss(self, sought, now);
}

// Ends a read that found this entry, which is not expired.
[[gnu::always_inline]] inline PyObject* read_entry(CacheObject* self, Cache& cache, Slot slot) {
  auto* value = static_cast<PyObject*>(cache.entry(slot).value);
  Py_INCREF(value);
  cache.hit(slot);
  if (is_failure(value)) [[unlikely]] {
    ++self->statistics.negative_hits;
    Py_DECREF(value);
    return nullptr;
  }
  ++self->statistics.hits;
  return value;
}

template <class Sought>
[[gnu::noinline]] PyObject* read_slowly(CacheObject* self, const Sought& sought) {
  std::int64_t now = -1;
  if (self->clock != nullptr) {
    now = present(self);
    if (now < 0) return nullptr;
  }
  const Found found = search(self, sought);
  if (found.search != Search::kFound) {
    if (found.search == Search::kAbsent) count_miss(self, sought, now);
    return nullptr;
  }
  if (is_expired(*self->cache, found.slot, now)) {
    drop_expired(self, found.slot);
    count_miss(self, sought, now);
    return nullptr;
  }
  if (self->watched.takes(sought.hash)) [[unlikely]]
    return read_watched(self, found.slot, now);
  return read_entry(self, *self->cache, found.slot);
}

// The look-up behind every read. Returns a new reference, or nullptr: with an exception set if the
// search failed, else the key is absent. What nearly always happens is inlined: the very object
// that is the key lies at its home, and no entry has a deadline.
template <class Sought>
[[gnu::always_inline]] inline PyObject* read(CacheObject* self, const Sought& sought) {
  Cache* cache = self->cache;
  if (cache != nullptr && cache->wheel().idle()) [[likely]] {
    const Slot slot = cache->find_at_home(sought.hash, [&](Slot at) {
      return sought.is(static_cast<PyObject*>(cache->entry(at).key));
    });
    if (slot != kNone) [[likely]] {
      if (self->watched.takes(sought.hash)) [[unlikely]]
        return read_watched(self, slot, -1);
      return read_entry(self, *cache, slot);
    }
  }
  return read_slowly(self, sought);
}

inline PyObject* read_key(CacheObject* self, PyObject* key) {
  const Py_hash_t hash = hash_of(key);
  if (hash == -1) [[unlikely]]
    return nullptr;
  return read(self, SoughtKey{table_hash(hash), key});
}

// Turns the C++ exception being handled into a Python one.
void set_python_error() noexcept;

}  // namespace augury
