// Every policy, a line each. Adding one: write its header, include it and list it here.
#pragma once

#include "policy/arc.hpp"
#include "policy/auto.hpp"
#include "policy/belady.hpp"
#include "policy/clock.hpp"
#include "policy/fifo.hpp"
#include "policy/gdsf.hpp"
#include "policy/hyperbolic.hpp"
#include "policy/learned.hpp"
#include "policy/lfu.hpp"
#include "policy/lhd.hpp"
#include "policy/lirs.hpp"
#include "policy/lru.hpp"
#include "policy/lruk.hpp"
#include "policy/random.hpp"
#include "policy/s3fifo.hpp"
#include "policy/sieve.hpp"
#include "policy/slru.hpp"
#include "policy/twoq.hpp"
#include "policy/wtinylfu.hpp"

namespace augury {

template <class... Policies>
struct PolicyList {};

// clang-format off: a line each
using Catalogue = PolicyList<
    Auto,
    Fifo,
    Lru,
    Lfu,
    LruK,
    Clock,
    Sieve,
    S3Fifo,
    WTinyLfu,
    TwoQ,
    Slru,
    Arc,
    Lirs,
    RandomPolicy,
    Gdsf,
    Hyperbolic,
    Lhd,
    Learned,
    Belady>;
// clang-format on

}  // namespace augury
