// Descriptions of the catalogue's policies, as plain tuples.
#include <nanobind/stl/string_view.h>

#include "bind/bind.hpp"
#include "policy/factory.hpp"

namespace nb = nanobind;

namespace augury {

void bind_policies(nb::module_& module) {
  // [(name, title, paper, offline, adaptive, learns, [(name, standard, low, high, meaning), ...]),
  //  ...]
  module.def("describe_policies", [] {
    nb::list policies;
    for_each_description(Catalogue{}, [&](const Description& description) {
      nb::list parameters;
      for (const Parameter& p : description.parameters) {
        parameters.append(nb::make_tuple(p.name, p.standard, p.low, p.high, p.meaning));
      }
      policies.append(nb::make_tuple(description.name, description.title, description.paper,
                                     description.offline, description.adaptive, description.learns,
                                     parameters));
    });
    return policies;
  });
}

}  // namespace augury
