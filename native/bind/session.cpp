// The context variable behind augury.session.
#include "bind/session.hpp"

#include "bind/bind.hpp"

namespace nb = nanobind;

namespace augury {
namespace {

PyObject* variable;

}  // namespace

PyObject* current_session() noexcept {
  PyObject* value = nullptr;
  if (PyContextVar_Get(variable, nullptr, &value) < 0) PyErr_Clear();
  return value;
}

void bind_session(nb::module_& module) {
  variable = PyContextVar_New("augury.session", nullptr);
  if (variable == nullptr || PyModule_AddObjectRef(module.ptr(), "SESSION", variable) < 0) {
    throw nb::python_error();
  }
}

}  // namespace augury
