// What a snapshot needs of a cache: its contents in order, and to be filled with those of another.
#pragma once

#include <Python.h>

#include "bind/arguments.hpp"

namespace augury {

PyObject* cache_contents(PyObject* object, PyObject*);
PyObject* cache_restore(PyObject* object, Arguments arguments, Py_ssize_t count,
                        PyObject* keywords);
// (keys of entries as a tuple, hits as bytes): gives entries with these very keys the places in the
// policy that they would have if they had come in this order.
PyObject* cache_line_up(PyObject* object, Arguments arguments, Py_ssize_t count);

PyObject* cache_resume(PyObject* object, PyObject* memory);

}  // namespace augury
