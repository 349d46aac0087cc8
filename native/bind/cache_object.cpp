#include "bind/cache_object.hpp"

#include <cstring>

#include "bind/arguments.hpp"
#include "bind/saved_error.hpp"
#include "core/clock.hpp"

namespace augury {

void Dropped::release(const Item& item) noexcept {
  if (self_->listener != nullptr && !is_failure(item.value)) {
    PyObject* cause = PyLong_FromLong(static_cast<long>(item.cause));
    PyObject* listener = Py_NewRef(self_->listener);
    PyObject* result = cause == nullptr ? nullptr
                                        : PyObject_CallFunctionObjArgs(listener, item.key,
                                                                       item.value, cause, nullptr);
    if (result == nullptr) PyErr_WriteUnraisable(listener);
    Py_XDECREF(result);
    Py_DECREF(listener);
    Py_XDECREF(cause);
  }
  Py_DECREF(item.key);
  Py_DECREF(item.value);
}

void Dropped::flush() noexcept {
  // A listener must not see, nor swallow, an error that the operation itself raised.
  const SavedError saved;
  Py_INCREF(self_);
  for (std::size_t i = 0; i < count_; ++i) release(first_[i]);
  for (const Item& item : more_) release(item);
  Py_DECREF(self_);
}

std::int64_t present(CacheObject* self) {
  if (self->clock == nullptr) return monotonic_ns();
  PyObject* clock = Py_NewRef(self->clock);
  PyObject* seconds = PyObject_CallNoArgs(clock);
  Py_DECREF(clock);
  if (seconds == nullptr) return -1;
  const double now = PyFloat_AsDouble(seconds);
  Py_DECREF(seconds);
  if (now == -1.0 && PyErr_Occurred() != nullptr) return -1;
  if (!(now >= 0.0 && now < 9e9)) {
    raise_configuration_error("clock() must return seconds from 0 to 9e9");
    return -1;
  }
  if (self->cache != nullptr) {  // by 64 bits: what does not fit into 32 would be undefined
    self->cache->tell_time(static_cast<std::uint32_t>(static_cast<std::uint64_t>(now)));
  }
  return static_cast<std::int64_t>(now * 1e9);
}

bool is_expired(const Cache& cache, Slot slot, std::int64_t now) {
  const std::int64_t deadline = cache.wheel().deadline(slot);
  if (deadline == TimerWheel::kForever) return false;
  return now >= 0 ? deadline <= now : has_passed(deadline);
}

int compare_keys(PyObject* candidate, PyObject* key) {
  if (candidate == key) return 1;
  if (PyUnicode_CheckExact(candidate) && PyUnicode_CheckExact(key)) {
    const Py_ssize_t length = PyUnicode_GET_LENGTH(candidate);
    const auto kind = PyUnicode_KIND(candidate);
    return length == PyUnicode_GET_LENGTH(key) && kind == PyUnicode_KIND(key) &&
           std::memcmp(PyUnicode_DATA(candidate), PyUnicode_DATA(key),
                       static_cast<std::size_t>(length) * static_cast<std::size_t>(kind)) == 0;
  }
  Py_INCREF(candidate);
  const int equal = PyObject_RichCompareBool(candidate, key, Py_EQ);
  Py_DECREF(candidate);
  return equal;
}

void drop_expired(CacheObject* self, Slot slot) {
  Dropped dropped(self);
  ++self->statistics.expirations;
  dropped.add(self->cache->remove(slot), Cause::kExpiry);
}

PyObject* read_watched(CacheObject* self, Slot slot, std::int64_t now) {
  Cache& cache = *self->cache;
  const std::uint64_t hash = cache.hash(slot);
  auto* key = static_cast<PyObject*>(cache.entry(slot).key);
  if (self->recorded.takes(hash)) {
    record_access(self, key, {.size = cache.weight(slot), .hit = true});
  }
  note_read(self, hash, true);
  if (self->prefetch == nullptr) return read_entry(self, cache, slot);
  Released released;
  self->prefetch->begin(cache, slot);
  PyObject* value = read_entry(self, cache, slot);
  self->may_cycle |= PyObject_IS_GC(key) != 0;
  self->prefetch->see(cache, hash, key, true, now, released);
  return value;
}

void miss_watched(CacheObject* self, std::uint64_t hash, PyObject* key, std::int64_t now) {
  if (self->recorded.takes(hash)) record_access(self, key, {});
  note_read(self, hash, false);
  // Making the key may have run any code.
  if (self->prefetch == nullptr || self->cache == nullptr || key == nullptr) {
    PyErr_Clear();
    return;
  }
  Released released;
  self->prefetch->begin(*self->cache, kNone);
  self->may_cycle |= PyObject_IS_GC(key) != 0;
  self->prefetch->see(*self->cache, hash, key, false, now, released);
}

void set_python_error() noexcept {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::length_error& error) {
    PyErr_SetString(PyExc_OverflowError, error.what());
  } catch (const std::invalid_argument& error) {
    PyErr_SetString(PyExc_ValueError, error.what());
  } catch (const std::logic_error& error) {
    PyErr_SetString(PyExc_AssertionError, error.what());
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
}

}  // namespace augury
