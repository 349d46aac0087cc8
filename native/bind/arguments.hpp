// Reading the arguments of raw methods, and raising what is wrong with them.
#pragma once

#include <Python.h>

#include <array>
#include <cstdint>

#include "core/types.hpp"

namespace augury {

using Arguments = PyObject* const*;

// Each of these returns false with an exception set if the argument does not fit.

// Seconds, a timedelta, or None for TimerWheel::kForever.
bool parse_ttl(PyObject* ttl, std::int64_t* ns);

// A capacity or a size: from 1 to 2**62.
bool parse_weight(PyObject* size, Weight* weight);

inline bool check_count(const char* function, Py_ssize_t count, Py_ssize_t low, Py_ssize_t high) {
  if (count >= low && count <= high) return true;
  PyErr_Format(PyExc_TypeError, "%s() takes %zd to %zd arguments but %zd were given", function, low,
               high, count);
  return false;
}

// Takes the keyword arguments `names` of a METH_FASTCALL | METH_KEYWORDS call that has exactly
// `positional` arguments before them.
template <std::size_t kCount>
bool parse_keywords(const char* function, Arguments arguments, Py_ssize_t count,
                    Py_ssize_t positional, PyObject* keywords,
                    const std::array<const char*, kCount>& names,
                    std::array<PyObject*, kCount>& values) {
  if (count != positional) {
    PyErr_Format(PyExc_TypeError, "%s() takes %zd positional arguments but %zd were given",
                 function, positional, count);
    return false;
  }
  const Py_ssize_t given = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
  for (Py_ssize_t i = 0; i < given; ++i) {
    PyObject* keyword = PyTuple_GET_ITEM(keywords, i);
    std::size_t at = 0;
    while (at < kCount && PyUnicode_CompareWithASCIIString(keyword, names[at]) != 0) ++at;
    if (at == kCount) {
      PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", function,
                   keyword);
      return false;
    }
    values[at] = arguments[count + i];
  }
  return true;
}

void raise_configuration_error(const char* text);

// KeyError(key), also where the key is a tuple.
void raise_key_error(PyObject* key);

template <class Function>
PyCFunction cfunction(Function function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

template <class Function>
void* slot(Function function) {
  return reinterpret_cast<void*>(function);
}

}  // namespace augury
