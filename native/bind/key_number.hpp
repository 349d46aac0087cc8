// Keys as numbers, which models see neighbours and groups in.
#pragma once

#include <Python.h>

#include <cstdint>

namespace augury {

// An integer from 0 to 2^64 - 1 itself, as traces have it; `otherwise` for any other key, which
// then has no neighbours.
inline std::uint64_t number_of(PyObject* key, std::uint64_t otherwise) {
  if (!PyLong_CheckExact(key)) return otherwise;
  const std::uint64_t number = PyLong_AsUnsignedLongLong(key);
  if (number == static_cast<std::uint64_t>(-1) && PyErr_Occurred() != nullptr) {
    PyErr_Clear();
    return otherwise;
  }
  return number;
}

}  // namespace augury
