// What each file of this folder adds to the module.
#pragma once

#include <nanobind/nanobind.h>

namespace augury {

void bind_policies(nanobind::module_& module);
void bind_simulation(nanobind::module_& module);

}  // namespace augury
