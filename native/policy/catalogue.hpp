// Every policy, a line each. Adding one: write its header, include it and list it here.
#pragma once

#include "policy/arc.hpp"
#include "policy/belady.hpp"
#include "policy/clock.hpp"
#include "policy/fifo.hpp"
#include "policy/gdsf.hpp"
#include "policy/hyperbolic.hpp"
#include "policy/lhd.hpp"
#include "policy/lirs.hpp"
#include "policy/lru.hpp"
#include "policy/random.hpp"
#include "policy/s3fifo.hpp"
#include "policy/sieve.hpp"
#include "policy/slru.hpp"
#include "policy/twoq.hpp"

namespace augury {

template <class... Policies>
struct PolicyList {};

using Catalogue = PolicyList<
    Fifo,
    Lru,
    Clock,
    Sieve,
    S3Fifo,
    TwoQ,
    Slru,
    Arc,
    Lirs,
    RandomPolicy,
    Belady,
    Gdsf,
    Hyperbolic,
    Lhd>;

}  // namespace augury
