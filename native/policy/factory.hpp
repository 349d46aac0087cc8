// Builds a policy of the catalogue by its name.
#pragma once

#include <algorithm>
#include <concepts>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "policy/catalogue.hpp"
#include "policy/policy.hpp"

namespace augury {

template <class P>
concept CataloguedPolicy =
    std::derived_from<P, Policy> && std::constructible_from<P, const Setup&> &&
    std::same_as<decltype(P::kDescription), const Description>;

// Calls visit.template operator()<P>() for the policy P of that name; false if there is none.
template <class Visit, CataloguedPolicy... Ps>
bool with_policy(PolicyList<Ps...>, std::string_view name, Visit&& visit) {
  return ((Ps::kDescription.name == name && (visit.template operator()<Ps>(), true)) || ...);
}

// Calls visit(description) for each policy, in the catalogue's order.
template <class Visit, CataloguedPolicy... Ps>
void for_each_description(PolicyList<Ps...>, Visit&& visit) {
  (visit(Ps::kDescription), ...);
}

// Returns nullptr for an unknown name.
inline std::unique_ptr<Policy> make_policy(std::string_view name, const Setup& setup) {
  std::unique_ptr<Policy> policy;
  with_policy(Catalogue{}, name, [&]<class P>() { policy = std::make_unique<P>(setup); });
  return policy;
}

}  // namespace augury
