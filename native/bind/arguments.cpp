#include "bind/arguments.hpp"

#include <algorithm>
#include <cmath>

#include "cache/timer_wheel.hpp"

namespace augury {

void raise_configuration_error(const char* text) {
  PyErr_Clear();
  PyObject* errors = PyImport_ImportModule("augury.errors");
  if (errors == nullptr) return;
  PyObject* type = PyObject_GetAttrString(errors, "ConfigurationError");
  Py_DECREF(errors);
  if (type == nullptr) return;
  PyErr_SetString(type, text);
  Py_DECREF(type);
}

void raise_key_error(PyObject* key) {
  PyObject* arguments = PyTuple_Pack(1, key);
  if (arguments != nullptr) PyErr_SetObject(PyExc_KeyError, arguments);
  Py_XDECREF(arguments);
}

bool parse_ttl(PyObject* ttl, std::int64_t* ns) {
  if (ttl == Py_None) {
    *ns = TimerWheel::kForever;
    return true;
  }
  double seconds;
  if (PyFloat_CheckExact(ttl)) {
    seconds = PyFloat_AS_DOUBLE(ttl);
  } else if (PyObject_HasAttrString(ttl, "total_seconds") != 0) {
    PyObject* total = PyObject_CallMethod(ttl, "total_seconds", nullptr);
    if (total == nullptr) return false;
    seconds = PyFloat_AsDouble(total);
    Py_DECREF(total);
  } else {
    seconds = PyFloat_AsDouble(ttl);
  }
  if (seconds == -1.0 && PyErr_Occurred() != nullptr) {
    if (PyErr_ExceptionMatches(PyExc_TypeError) != 0) {
      raise_configuration_error("ttl must be seconds, a timedelta, or None for no expiry");
    } else if (PyErr_ExceptionMatches(PyExc_OverflowError) != 0) {
      raise_configuration_error("ttl is beyond all floats; write None for no expiry");
    }
    return false;
  }
  if (!(seconds > 0)) {
    raise_configuration_error("ttl must be more than 0 seconds, or None for no expiry");
    return false;
  }
  *ns =
      seconds < 9e9 ? std::max<std::int64_t>(1, std::llround(seconds * 1e9)) : TimerWheel::kForever;
  return true;
}

bool parse_weight(PyObject* size, Weight* weight) {
  PyObject* index = PyNumber_Index(size);
  if (index == nullptr) {
    if (PyErr_ExceptionMatches(PyExc_TypeError) != 0) {
      raise_configuration_error("capacity and sizes must be integers");
    }
    return false;
  }
  unsigned long long parsed = PyLong_AsUnsignedLongLong(index);
  Py_DECREF(index);
  if (PyErr_Occurred() != nullptr) {  // negative or huge: the text below says so
    PyErr_Clear();
    parsed = 0;
  }
  if (parsed == 0 || parsed > (std::uint64_t{1} << 62)) {
    raise_configuration_error("capacity and sizes must be from 1 to 2**62");
    return false;
  }
  *weight = parsed;
  return true;
}

}  // namespace augury
