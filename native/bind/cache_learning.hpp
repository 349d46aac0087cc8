// What a learner needs of a cache: models in, requests out, and what the policy knows of a key.
#pragma once

#include <Python.h>

#include "bind/arguments.hpp"

namespace augury {

// (native model or None, what `model` returns then)
PyObject* cache_use_model(PyObject* object, Arguments arguments, Py_ssize_t count);

PyObject* cache_record_requests(PyObject* object, PyObject* limit);
PyObject* cache_recorded_requests(PyObject* object, PyObject*);
PyObject* cache_take_requests(PyObject* object, PyObject*);

// (first slot, how many): of the entries in these slots, numbers and weights, and the slot after
// them, or None if there is none.
PyObject* cache_held(PyObject* object, Arguments arguments, Py_ssize_t count);

PyObject* cache_inspect(PyObject* object, PyObject* key);

}  // namespace augury
