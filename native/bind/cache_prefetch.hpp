// What a prefetcher needs of a cache: whom to fetch, where to put it, and what came of it.
#pragma once

#include <Python.h>

#include "bind/arguments.hpp"
#include "bind/cache_object.hpp"

namespace augury {

// (keys known, predictors, most, share, precision, queue, wake), all checked by augury.Prefetcher.
// See Prefetch. False if somebody fetches ahead already.
PyObject* cache_prefetch_begin(PyObject* object, PyObject* arguments);
// Entries that wait may still be used.
PyObject* cache_prefetch_end(PyObject* object, PyObject*);

// Where nobody fetches ahead, those below do nothing.

// (whether to wait for something to fetch, or only for the end)
PyObject* cache_prefetch_wait(PyObject* object, PyObject* for_wanted);
// (how many): (batch, keys)
PyObject* cache_prefetch_take(PyObject* object, PyObject* argument);
// (batch, key, value, *, ttl): whether it was stored.
PyObject* cache_prefetch_store(PyObject* object, Arguments arguments, Py_ssize_t count,
                               PyObject* keywords);
// (batch, whether the source has answered)
PyObject* cache_prefetch_finish(PyObject* object, Arguments arguments, Py_ssize_t count);

PyObject* cache_prefetch_pause(PyObject* object, PyObject* paused);
// (wake): this is a forked child, where nothing is under way.
PyObject* cache_prefetch_renew(PyObject* object, PyObject* wake);
PyObject* cache_prefetch_counts(PyObject* object, PyObject*);

// Entries fetched ahead since the cache was made.
Probation::Counts count_ahead(const CacheObject* self);
// The same when its probation goes.
void keep_counts_ahead(CacheObject* self);

}  // namespace augury
