// When each request's key is asked for again.
#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>

#include "core/slab.hpp"
#include "core/types.hpp"

namespace augury {

// Fills in, from the last request to the first, when each key is asked for again: the `next` of
// policies that know the future. Feed blocks of a trace from its end to its beginning.
class NextAccess {
 public:
  explicit NextAccess(std::uint64_t requests, std::uint32_t keys)
      : at_(static_cast<std::int64_t>(requests)), keys_(keys) {
    last_.reserve(keys);
    for (std::uint32_t id = 0; id < keys; ++id) last_[id] = Request::kNever;
  }

  void fill(std::span<const std::uint32_t> ids, std::int64_t* next) {
    if (static_cast<std::int64_t>(ids.size()) > at_) throw std::out_of_range("too many requests");
    for (std::size_t i = ids.size(); i-- > 0;) {
      if (ids[i] >= keys_) throw std::out_of_range("an id beyond the number of keys");
      next[i] = last_[ids[i]];
      last_[ids[i]] = --at_;
    }
  }

 private:
  std::int64_t at_;  // index of the request last seen
  std::uint32_t keys_;
  Slab<std::int64_t> last_;  // index of the next request, by id
};

}  // namespace augury
