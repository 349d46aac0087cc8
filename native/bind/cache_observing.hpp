// What a cache tells whoever observes it: reads of a sample of its keys, and who decides.
#pragma once

#include "bind/arguments.hpp"
#include "bind/cache_object.hpp"

namespace augury {

PyObject* cache_observe_reads(PyObject* object, Arguments arguments, Py_ssize_t count);
PyObject* cache_take_reads(PyObject* object, PyObject*);
PyObject* cache_ruling(PyObject* object, PyObject*);

}  // namespace augury
