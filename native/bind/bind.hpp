// What each file of this folder adds to the module.
#pragma once

#include <nanobind/nanobind.h>

namespace augury {

// Adds a type made of raw slots. Throws nanobind::python_error.
inline PyTypeObject* add_type(nanobind::module_& module, PyType_Spec* spec, const char* name) {
  PyObject* type = PyType_FromModuleAndSpec(module.ptr(), spec, nullptr);
  if (type == nullptr || PyModule_AddObjectRef(module.ptr(), name, type) < 0) {
    throw nanobind::python_error();
  }
  return reinterpret_cast<PyTypeObject*>(type);
}

void bind_answers(nanobind::module_& module);
void bind_cache(nanobind::module_& module);
void bind_curves(nanobind::module_& module);
void bind_features(nanobind::module_& module);
void bind_key_number(nanobind::module_& module);
void bind_memo(nanobind::module_& module);
void bind_model(nanobind::module_& module);
void bind_next_keys(nanobind::module_& module);
void bind_policies(nanobind::module_& module);
void bind_prefetch_simulation(nanobind::module_& module);
void bind_record_reader(nanobind::module_& module);
void bind_recording(nanobind::module_& module);
void bind_redis_simulation(nanobind::module_& module);
void bind_session(nanobind::module_& module);
void bind_rows(nanobind::module_& module);
void bind_simulation(nanobind::module_& module);
void bind_ticket(nanobind::module_& module);
void bind_trace(nanobind::module_& module);
void bind_tree_ensemble(nanobind::module_& module);
void bind_unchanged(nanobind::module_& module);

}  // namespace augury
