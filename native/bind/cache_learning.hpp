// What a learner needs of a cache: models in, requests out, and what the policy knows of a key.
#pragma once

#include <Python.h>

#include "bind/arguments.hpp"

namespace augury {

// (model or None, what to tell of it): see kUseModelDoc of the method's namesake in Python.
PyObject* cache_use_model(PyObject* self, Arguments arguments, Py_ssize_t count);

PyObject* cache_record_requests(PyObject* self, PyObject* limit);
PyObject* cache_recorded_requests(PyObject* self, PyObject*);
PyObject* cache_take_requests(PyObject* self, PyObject*);

// (first slot, how many): of the entries in these slots, numbers and weights, and the slot after
// them, or None if there is none.
PyObject* cache_held(PyObject* self, Arguments arguments, Py_ssize_t count);

PyObject* cache_inspect(PyObject* self, PyObject* key);

}  // namespace augury
