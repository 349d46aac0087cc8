// What a live cache has besides while somebody fetches ahead for it: the predictors, and which keys
// are wanted or under way.
#pragma once

#include <Python.h>

#include <array>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

#include "cache/cache.hpp"
#include "core/slab.hpp"
#include "prefetch/mixture.hpp"

namespace augury {

// References that an operation has given up. Releasing them may run any code, even code that ends
// the prefetching, so it waits until the operation is complete.
class Released {
 public:
  Released() = default;
  Released(const Released&) = delete;
  Released& operator=(const Released&) = delete;
  ~Released() {
    for (PyObject* reference : references_) Py_DECREF(reference);
  }
  // Without memory to remember it, it is never released, which is the lesser evil.
  void add(PyObject* reference) noexcept {
    if (reference == nullptr) return;
    try {
      references_.push_back(reference);
    } catch (const std::bad_alloc&) {
      return;
    }
  }

 private:
  std::vector<PyObject*> references_;
};

// Keys are known by their hashes of 64 bits, so no Python code runs to tell them apart: of two with
// equal hashes one is taken for the other, and is fetched, or not, in its place. A value is stored
// under the key that was fetched, and only if no key of its hash was written since it was wanted.
class Prefetch {
 public:
  struct Options {
    Mixture::Options mixture;
    double share;       // see Probation
    double precision;   // see Probation
    std::size_t queue;  // keys that wait to be fetched, at most
  };

  struct Counts {
    std::uint64_t requests = 0;
    std::uint64_t misses = 0;
    std::uint64_t fetched = 0;  // the source was asked for
    std::uint64_t late = 0;     // asked for while they were wanted or under way
    std::uint64_t revoked = 0;  // written while they were
    std::array<std::uint64_t, Predictors::kSize> fetched_by{};
    std::array<std::uint64_t, Predictors::kSize> used_by{};
    // How long used entries had waited: [i]: below 2^i microseconds.
    std::array<std::uint64_t, 40> waited{};
  };

  // A key to fetch.
  struct Wanted {
    std::uint64_t hash;
    std::uint64_t ticket;  // told from that of an earlier fetch of the key
    PyObject* key;         // owned; nullptr: it was never seen,
    std::uint64_t number;  // and is this integer
  };

  // `wake` is called without arguments once there is something to fetch, if somebody waits. It must
  // run no Python code.
  Prefetch(const Options& options, PyObject* wake);
  Prefetch(const Prefetch&) = delete;
  Prefetch& operator=(const Prefetch&) = delete;
  ~Prefetch();  // may run any code

  [[nodiscard]] std::unique_ptr<Probation> make_probation(Weight capacity) const;

  // A read begins, of an entry or (kNone) of a key that is not there.
  void begin(Cache& cache, Slot slot);
  // It ends. `now` is the present by the cache's own clock, or negative: by the system's.
  void see(const Cache& cache, std::uint64_t hash, PyObject* key, bool hit, std::int64_t now,
           Released& released) noexcept;

  // The key was written or deleted: whatever is being fetched for it is out of date.
  void revoke(std::uint64_t hash) {
    if (under_way_.empty()) return;
    if (const auto at = under_way_.find(hash); at != under_way_.end()) {
      ++counts_.revoked;
      forget(at);
    }
  }

  // Takes up to `most` keys, the oldest first, as a new batch; *batch tells it from others. Their
  // references are the caller's.
  std::vector<Wanted> take(std::size_t most, std::uint64_t* batch, Released& released);
  // Whether what was fetched for a key in a batch may be stored: once, and if it was not revoked.
  bool arrive(std::uint64_t hash, std::uint64_t batch, std::uint8_t* predictor);
  // Makes stored() possible for this slot. Throws std::bad_alloc.
  void prepare(Slot slot) { origins_.ensure(slot); }
  void stored(Slot slot, std::uint8_t predictor);
  // A batch is done: of its keys, those that have not arrived do not.
  void finish(std::uint64_t batch, bool answered);

  // Somebody begins to wait for something to fetch, or just for the end or another pause. False:
  // there is something already.
  bool wait(bool for_wanted);
  void wake() noexcept;
  void wake_by(PyObject* wake, Released& released);

  // While it is paused, nothing is wanted; the predictors go on learning.
  void pause(bool paused, Released& released);
  [[nodiscard]] bool paused() const { return paused_; }
  // Nothing is under way any more.
  void drop_wanted(Released& released);
  // And no key is kept; what was learned of them stays.
  void drop_keys(Released& released);

  [[nodiscard]] const Counts& counts() const { return counts_; }
  [[nodiscard]] std::size_t waiting() const { return waiting_; }
  [[nodiscard]] double lag() const { return lag_; }
  [[nodiscard]] std::size_t bytes() const;
  void validate() const { mixture_.validate(); }

  int traverse(visitproc visit, void* arg) const;

 private:
  struct UnderWay {
    std::uint64_t ticket;
    std::uint64_t batch;  // 0: it waits
    std::uint8_t predictor;
  };
  struct Batch {
    double since;  // of all that were wanted since the batch before, on average
    std::vector<std::uint64_t> hashes;
  };
  // Of an entry that was fetched ahead, by slot.
  struct Origin {
    std::int64_t arrived;
    std::uint8_t predictor;
  };

  using UnderWays = std::unordered_map<std::uint64_t, UnderWay>;

  void forget(UnderWays::iterator at) {
    if (at->second.batch == 0) --waiting_;
    under_way_.erase(at);
  }
  // Whether it still waits to be fetched.
  [[nodiscard]] bool is_wanted(const Wanted& wanted) const {
    const auto at = under_way_.find(wanted.hash);
    return at != under_way_.end() && at->second.ticket == wanted.ticket;
  }
  void keep(PyObject* key, Released& released);
  void want(const Choice& choice, std::size_t most, Released& released);
  void drop_oldest(Released& released);
  void sweep(Released& released);  // of what is wanted no more

  static constexpr double kMemory = 1.0 / 8;  // of the requests that pass while a batch is fetched

  Options options_;
  Mixture mixture_;
  PyObject* wake_;
  bool waits_for_wanted_ = false;
  bool waits_ = false;
  bool paused_ = false;
  static inline std::uint64_t tickets_ = 0;  // of keys and of batches, of all prefetchers
  double lag_ = 0;  // requests that pass until a key that is wanted is fetched
  // Of what was wanted since the last batch was taken, also if it was asked for before that: how
  // many, and the sum of the requests that they were guessed after.
  double wanted_ = 0;
  double wanted_since_ = 0;
  Counts counts_;
  std::size_t waiting_ = 0;      // to be fetched
  std::vector<PyObject*> keys_;  // by number of the mixture's, owned; nullptr: not kept
  std::deque<Wanted> queue_;     // the oldest in front; some may be under way no more
  UnderWays under_way_;          // by hash
  std::unordered_map<std::uint64_t, Batch> batches_;  // by ticket
  Slab<Origin> origins_;
};

}  // namespace augury
