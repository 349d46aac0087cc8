// Every policy, a line each. Adding one: write its header, include it and list it here.
#pragma once

#include "policy/fifo.hpp"
#include "policy/lru.hpp"

namespace augury {

template <class... Policies>
struct PolicyList {};

using Catalogue = PolicyList<Fifo, Lru>;

}  // namespace augury
