// The contract between a cache and an eviction policy.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/residents.hpp"
#include "core/types.hpp"
#include "model/features.hpp"
#include "model/model.hpp"
#include "policy/tape.hpp"

namespace augury {

// A number that a user may set, e.g. the share of a queue.
struct Parameter {
  std::string_view name;
  double standard;   // used unless the user says otherwise
  double low, high;  // both allowed
  std::string_view meaning;
};

// What users read about a policy. Each policy has a `static constexpr Description kDescription`.
struct Description {
  std::string_view name;   // as users write it: "lru"
  std::string_view title;  // as papers write it
  std::string_view paper;
  std::span<const Parameter> parameters = {};
  bool offline = false;   // needs Request::next, which a live cache cannot know
  bool adaptive = false;  // no fixed rule: shadow caches or a model decide
  bool learns = false;    // has a use for a model
};

// What a policy is built from.
struct Setup {
  const Residents& residents;  // outlives the policy
  Weight capacity;             // > 0
  std::uint64_t seed = 1;
  // Every parameter of the policy's description, each within its bounds.
  const std::map<std::string, double, std::less<>>* parameters = nullptr;
  // Scores rows of Features: the higher, the later the key is asked for. Policies that learn work
  // without one as well.
  std::shared_ptr<const Model> model = nullptr;
  // Where policies that learn write each request; outlives the policy. nullptr: nowhere.
  Tape* tape = nullptr;

  [[nodiscard]] double parameter(const Parameter& which) const {
    if (parameters == nullptr) return which.standard;
    const auto found = parameters->find(which.name);
    return found == parameters->end() ? which.standard : found->second;
  }
};

// One of those among whom the decisions of a policy change hands.
struct Candidate {
  std::string_view name;
  double hit_ratio;  // of late, in its shadow cache
};

// Takes a resident, and how many requests speak for it besides its place in the order.
using Visit = std::function<void(Slot slot, std::uint32_t hits)>;

// Decides who leaves. One thread at a time calls it.
//
// The caller (cache/engine.hpp) guarantees, for each request,
// - of a resident: hit(slot, request), where only request.next, request.size and request.time
//   have a meaning;
// - of another key that is to be stored: miss(request), then evict() until there is room, then
//   insert(slot, request), with no other call in between; request.weight <= capacity throughout;
// - of a key that leaves by itself (deleted, expired): remove(slot);
// - that residents.weight and residents.hash of a slot are valid from insert() until evict() has
//   returned that slot or remove() has returned, and that evict() is called only while there are
//   residents;
// - that it calls reweighed(slot, old) after the weight of a resident has changed.
//
// A policy guarantees that evict() returns a resident slot and forgets it as a resident, that its
// own memory is bounded by capacity, that hit() is O(1) amortised, and that a std::bad_alloc thrown
// by miss() or insert() leaves it as it was.
//
// Policies measure queues in the unit of capacity, so `residents.weight`, never a count. Whatever
// they remember of keys that left (ghosts) they keep by hash.
class Policy {
 public:
  virtual ~Policy() = default;
  Policy() = default;
  Policy(const Policy&) = delete;
  Policy& operator=(const Policy&) = delete;

  virtual void hit(Slot slot, const Request& request) = 0;
  virtual void miss(const Request& /*request*/) {}
  virtual Slot evict() = 0;
  virtual void insert(Slot slot, const Request& request) = 0;
  virtual void remove(Slot slot) = 0;
  virtual void reweighed(Slot /*slot*/, Weight /*old*/) {}

  // A key that is not resident is soon to be asked for: fetches what miss() reads of it.
  virtual void prefetch(std::uint64_t /*hash*/) const {}

  // The capacity has changed; the caller evicts what is too much afterwards.
  virtual void resize(Weight /*capacity*/) {}

  // Whether Request::number and Request::time have a meaning to it; a live cache finds them out
  // only then.
  [[nodiscard]] virtual bool reads_numbers() const { return false; }

  // From now on, this model decides; nullptr: none does. It scores rows of Features.
  // NOLINTNEXTLINE(performance-unnecessary-value-param): policies with a use for it keep it.
  virtual void use_model(std::shared_ptr<const Model> /*model*/) {}

  // The row of a key now, whether it is a resident or not. False: the policy computes none.
  virtual bool row(std::uint64_t /*number*/, Row& /*row*/) const { return false; }

  // Who decides now, in a word or two, of a policy whose decisions change hands.
  [[nodiscard]] virtual std::string_view ruling() const { return {}; }
  // All who might; none where they were not compared lately.
  [[nodiscard]] virtual std::vector<Candidate> candidates() const { return {}; }

  // Calls visit(slot, hits) for each resident, about in the order in which they would leave if
  // nothing were asked for any more. Who inserts them in this order into an empty policy, and calls
  // hit() so often after each insert(), has one that decides much the same. False, and there was no
  // call: there is no order.
  virtual bool visit(const Visit& /*visit*/) const { return false; }

  // What it has found out besides, in bytes that mean the same in another process: nothing in them
  // depends on the hash of a key.
  [[nodiscard]] virtual std::string memory() const { return {}; }

  // All were inserted that another one has visited; from now on keys are asked for again. `memory`
  // is of a policy of this name with these parameters, or empty; what makes no sense is not used.
  virtual void resume(std::string_view /*memory*/) {}

  // Recounts every invariant; throws std::logic_error naming the broken one.
  virtual void validate() const {}

  // Memory held, in bytes.
  [[nodiscard]] virtual std::size_t bytes() const = 0;

  // Whom one of the next calls of evict() will probably return, as of the last insert(), or kNone.
  // The cache fetches then what it needs to drop the entry. It need not be a resident.
  [[nodiscard]] Slot next_victim() const { return next_victim_; }

 protected:
  Slot next_victim_ = kNone;
};

}  // namespace augury
