// Whether containers still hold the very objects that they held before.
#include <Python.h>
#include <nanobind/nanobind.h>

#include "bind/bind.hpp"

namespace nb = nanobind;

namespace augury {
namespace {

// Of a dict with as many values as before. No code of the user's runs, so nothing can change
// meanwhile.
bool same_values(PyObject* dict, PyObject* const* before) {
  PyObject* value = nullptr;
  for (Py_ssize_t at = 0, i = 0; PyDict_Next(dict, &at, nullptr, &value) != 0; ++i) {
    if (value != before[i]) return false;
  }
  return true;
}

bool same_elements(PyObject* sequence, PyObject* const* before, Py_ssize_t count) {
  if (PySequence_Fast_GET_SIZE(sequence) != count) return false;
  PyObject* const* const elements = PySequence_Fast_ITEMS(sequence);
  for (Py_ssize_t i = 0; i < count; ++i) {
    if (elements[i] != before[i]) return false;
  }
  return true;
}

// See unchanged() in _native.pyi: pairs of a dict, list or tuple, or of an object with attributes,
// and a tuple of what it held. A dict of another kind, such as an OrderedDict, may have an order of
// its own.
bool unchanged(const nb::list& containers) {
  for (const nb::handle pair : containers) {
    if (PyTuple_Check(pair.ptr()) == 0 || PyTuple_GET_SIZE(pair.ptr()) != 2 ||
        PyTuple_Check(PyTuple_GET_ITEM(pair.ptr(), 1)) == 0) {
      throw nb::type_error("expected pairs of a container and a tuple");
    }
    const nb::handle container = PyTuple_GET_ITEM(pair.ptr(), 0);
    const nb::handle held = PyTuple_GET_ITEM(pair.ptr(), 1);
    PyObject* const* const before = PySequence_Fast_ITEMS(held.ptr());
    const Py_ssize_t count = PyTuple_GET_SIZE(held.ptr());
    if (PyDict_Check(container.ptr()) == 0 && PyList_Check(container.ptr()) == 0 &&
        PyTuple_Check(container.ptr()) == 0) {
      const nb::object attributes = container.attr("__dict__");  // another one may have been set
      if (PyDict_CheckExact(attributes.ptr()) == 0 || PyDict_GET_SIZE(attributes.ptr()) != count ||
          !same_values(attributes.ptr(), before)) {
        return false;
      }
      continue;
    }
    if (PyDict_Check(container.ptr()) && PyDict_GET_SIZE(container.ptr()) != count) return false;
    if (PyDict_CheckExact(container.ptr()) || (PyDict_Check(container.ptr()) && count == 0)) {
      if (!same_values(container.ptr(), before)) return false;
    } else if (PyList_Check(container.ptr()) || PyTuple_Check(container.ptr())) {
      if (!same_elements(container.ptr(), before, count)) return false;
    } else if (!same_elements(nb::tuple(container.attr("values")()).ptr(), before, count)) {
      return false;
    }
  }
  return true;
}

}  // namespace

void bind_unchanged(nb::module_& module) {
  module.def("unchanged", &unchanged, nb::arg("containers"));
}

}  // namespace augury
