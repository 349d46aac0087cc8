// Writing to and taking from the cache of a CacheObject.
#pragma once

#include "bind/cache_object.hpp"

namespace augury {

struct Write {
  PyObject* key;
  PyObject* value;
  PyObject* ttl = nullptr;         // nullptr: the cache's default
  PyObject* size = nullptr;        // nullptr: by the weigher
  float cost = 1;                  // see Request
  TicketObject* ticket = nullptr;  // of the load that wants to store; nullptr: a write by the user
  bool only_if_absent = false;     // leave a value that is there alone
  // Of an entry of another process: how many requests speak for it, see Policy::visit. Then it is
  // no access that is recorded or learned from, and no load under way loses its right. Negative: a
  // write.
  int hits = -1;
};

// False with an exception set before __init__ has run.
bool is_ready(CacheObject* self);

// 1: stored, 0: not (too heavy, given up by the policy at once, the ticket was revoked, or the key
// is there), -1: an exception is set.
int store(CacheObject* self, const Write& write);

// Stores what was fetched before anyone asked for it, as a part of a batch (see Prefetch). 0: it is
// out of date, is there already, or takes more room than there is for such.
int store_ahead(CacheObject* self, const Write& write, std::uint64_t batch);

// Takes an entry out. 1: there was one, and *value is a new reference (nullptr if it was a
// Failure); 0: there was none; -1: an exception is set.
int take(CacheObject* self, PyObject* key, PyObject** value);

// Ends the right of a load of this key under way to store its result. False with an exception set
// if comparing keys failed. No load of the key is under way then that began before it returned.
bool revoke_flight(CacheObject* self, PyObject* key);

// Takes out what has expired; see TimerWheel::advance.
void expire(CacheObject* self, std::int64_t now, bool exact, Dropped& dropped);

}  // namespace augury
