// What the caches that record into it share: the sampler, the ring, and counts.
#pragma once

#include <Python.h>

#include <cstdint>
#include <vector>

#include "cache/access_ring.hpp"
#include "core/sampler.hpp"

namespace augury {

struct RecordingObject {
  PyObject_HEAD AccessRing* ring;
  // Per source, how many sampled accesses there were, and how many of them were dropped.
  struct Counts {
    std::uint64_t sampled, dropped;
  };
  std::vector<Counts>* sources;
  PyObject* variables;  // tuple of ContextVar: the attributes read with each access
  Sampler sampler;
  bool closed;  // nothing more is recorded
};

extern PyTypeObject* recording_type;

// Records an access at the present moment. Holds references to the key, the session and the
// attributes, and runs no Python code. `key` may be nullptr, with an exception set, if there was no
// memory for one.
void record(RecordingObject* self, PyObject* key, Access access) noexcept;

}  // namespace augury
