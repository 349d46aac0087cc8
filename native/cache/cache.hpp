// The live cache without Python: index, entries, policy, weights and expiry.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cache/engine.hpp"
#include "cache/timer_wheel.hpp"
#include "core/clock.hpp"
#include "core/slab.hpp"
#include "core/table.hpp"
#include "policy/factory.hpp"

namespace augury {

// Keys and values are opaque: the caller hashes and compares keys, and owns whatever they point to.
struct Entry {
  void* key;  // nullptr: the slot is free
  void* value;
};

// What a cache is built from, and rebuilt from when it is cleared.
struct Plan {
  Weight capacity = 1;
  std::string policy;
  std::map<std::string, double, std::less<>> parameters;
  std::uint64_t seed = 1;
  std::shared_ptr<const Model> model = nullptr;
  std::shared_ptr<Tape> tape = std::make_shared<Tape>();
};

class Cache {
 public:
  // Throws std::invalid_argument for an unknown policy.
  explicit Cache(const Plan& plan)
      : engine_(plan.capacity),
        policy_(make_policy(plan.policy, {.residents = engine_.residents(),
                                          .capacity = plan.capacity,
                                          .seed = plan.seed,
                                          .parameters = &plan.parameters,
                                          .model = plan.model,
                                          .tape = plan.tape.get()})) {
    if (policy_ == nullptr) throw std::invalid_argument("unknown policy: " + plan.policy);
    reads_context_ = policy_->reads_numbers();
  }

  [[nodiscard]] std::size_t size() const { return engine_.size(); }
  [[nodiscard]] Slot slots() const { return engine_.residents().slots(); }
  [[nodiscard]] Weight weight() const { return engine_.weight(); }
  [[nodiscard]] Weight weight(Slot slot) const { return engine_.residents().weight(slot); }
  [[nodiscard]] Weight capacity() const { return engine_.capacity(); }
  [[nodiscard]] std::uint64_t hash(Slot slot) const { return engine_.residents().hash(slot); }
  [[nodiscard]] const Entry& entry(Slot slot) const { return entries_[slot]; }
  [[nodiscard]] const TimerWheel& wheel() const { return wheel_; }

  // See Table::find.
  template <class Equal>
  Slot find(std::uint64_t hash, Equal&& equal) const {
    return table_.find(hash, equal);
  }

  // See Table::find_at_home.
  template <class Equal>
  [[gnu::always_inline]] Slot find_at_home(std::uint64_t hash, Equal&& equal) const {
    return table_.find_at_home(hash, equal);
  }

  void hit(Slot slot) {
    if (reads_context_) [[unlikely]] {
      engine_.hit(*policy_, slot, {.time = time()});
      return;
    }
    static constexpr Request kHit{};
    engine_.hit(*policy_, slot, kHit);
  }

  // Fetches what a search of this hash reads first.
  void prefetch_home(std::uint64_t hash) const { table_.prefetch(hash); }

  // Fetches what storing a key of this hash reads, too, if it is not there.
  void prefetch_store(std::uint64_t hash) const {
    table_.prefetch(hash);
    policy_->prefetch(hash);
  }

  // Stores a key that is not there. Calls dropped(entry) for each entry that has to leave. Returns
  // kNone, and changes nothing, if the weight exceeds the capacity. Throws std::bad_alloc or
  // std::length_error; the new entry is not stored then, though others may have left.
  // `number`, `cost`: see Request.
  template <class Dropped>
  Slot insert(std::uint64_t hash, std::uint64_t number, Entry entry, Weight weight,
              std::int64_t deadline, std::int64_t now, Dropped&& dropped, float cost = 1) {
    if (weight > capacity()) return kNone;
    prepare(deadline);
    Request request = request_of(hash, number, weight);
    request.cost = cost;
    const Slot slot =
        engine_.admit(*policy_, request, [&](Slot victim) { dropped(forget(victim)); });
    file(slot, hash, entry, deadline, now);
    prefetch(policy_->next_victim());
    return slot;
  }

  // The same of a key that nobody has asked for yet; see Engine::admit_ahead.
  template <class Dropped>
  Slot insert_ahead(std::uint64_t hash, std::uint64_t number, Entry entry, Weight weight,
                    std::int64_t deadline, std::int64_t now, Dropped&& dropped) {
    prepare(deadline);
    const Slot slot = engine_.admit_ahead(*policy_, request_of(hash, number, weight),
                                          [&](Slot victim) { dropped(forget(victim)); });
    if (slot != kNone) file(slot, hash, entry, deadline, now);
    return slot;
  }

  // See Engine. nullptr: nothing is fetched ahead.
  void use_probation(std::unique_ptr<Probation> probation) {
    engine_.use_probation(std::move(probation));
  }
  [[nodiscard]] Probation* probation() const { return engine_.probation(); }
  // How many entries, as heavy as those that wait, may wait. There is a probation.
  [[nodiscard]] Weight places_ahead() const {
    const std::size_t waiting = engine_.residents().aside();
    if (waiting == 0) return probation()->room();
    return probation()->room() / std::max<Weight>(engine_.residents().weight_aside() / waiting, 1);
  }

  // Gives a resident another value; returns the former one.
  void* replace(Slot slot, void* value) { return std::exchange(entries_[slot].value, value); }

  // Throws std::bad_alloc, and then nothing has changed.
  void reschedule(Slot slot, std::int64_t deadline, std::int64_t now) {
    wheel_.schedule(slot, deadline, now);
  }

  // See Engine::reweigh. The weight must not exceed the capacity.
  template <class Dropped>
  void reweigh(Slot slot, Weight weight, Dropped&& dropped) {
    engine_.reweigh(*policy_, slot, weight, [&](Slot victim) { dropped(forget(victim)); });
  }

  // Takes an entry out and returns it.
  Entry remove(Slot slot) {
    const Entry entry = forget(slot);
    engine_.remove(*policy_, slot);
    return entry;
  }

  template <class Dropped>
  void resize(Weight capacity, Dropped&& dropped) {
    engine_.resize(*policy_, capacity, [&](Slot victim) { dropped(forget(victim)); });
  }

  // Evicts one entry, whichever the policy gives up first. There must be one.
  Entry evict() {
    Entry entry{};
    engine_.evict_one(*policy_, [&](Slot victim) { entry = forget(victim); });
    return entry;
  }

  // Takes out what has expired and calls expired(entry) for each. See TimerWheel::advance.
  template <class Expired>
  void advance(std::int64_t now, bool exact, Expired&& expired) {
    wheel_.advance(now, exact, [&](Slot slot) { expired(remove(slot)); });
  }

  // See Policy::reads_numbers.
  [[nodiscard]] bool reads_numbers() const { return reads_context_; }

  // From now on it is this time, in seconds since 1970; without that, what the system's clock says.
  void tell_time(std::uint32_t seconds) { told_time_ = seconds; }
  // See Request::time.
  [[nodiscard]] std::uint32_t time() const { return told_time_ ? *told_time_ : wall_seconds(); }

  // See Policy::use_model.
  void use_model(std::shared_ptr<const Model> model) { policy_->use_model(std::move(model)); }

  // See Policy.
  bool row(std::uint64_t number, Row& row) const { return policy_->row(number, row); }
  [[nodiscard]] std::string_view ruling() const { return policy_->ruling(); }
  [[nodiscard]] std::vector<Candidate> candidates() const { return policy_->candidates(); }
  [[nodiscard]] Slot next_victim() const { return policy_->next_victim(); }
  [[nodiscard]] std::string memory() const { return policy_->memory(); }
  void resume(std::string_view memory) { policy_->resume(memory); }

  // See Policy::visit; where there is no order, in that of slots.
  void visit(const Visit& visit) const {
    if (policy_->visit(visit)) return;
    for (Slot slot = 0; slot < slots(); ++slot) {
      if (entries_[slot].key != nullptr) visit(slot, 0);
    }
  }

  // Memory held, in bytes, without that of keys and values.
  [[nodiscard]] std::size_t bytes() const {
    return sizeof *this + table_.bytes() + entries_.bytes() + wheel_.bytes() +
           engine_.residents().bytes() + policy_->bytes() +
           (probation() == nullptr ? 0 : probation()->bytes());
  }

  // Recounts every invariant; throws std::logic_error naming the broken one.
  void validate() const {
    std::size_t live = 0;
    Weight total = 0;
    for (Slot slot = 0; slot < slots(); ++slot) {
      if (entries_[slot].key == nullptr) {
        if (wheel_.deadline(slot) != TimerWheel::kForever) {
          throw std::logic_error("cache: a free slot has a deadline");
        }
        continue;
      }
      ++live;
      total += weight(slot);
    }
    if (live != size() || table_.size() != size()) throw std::logic_error("cache: miscounted");
    if (total != weight()) throw std::logic_error("cache: weights do not add up");
    if (weight() > capacity()) throw std::logic_error("cache: over capacity");
    table_.validate([&](Slot slot) { return hash(slot); });
    wheel_.validate();
    engine_.validate();
    policy_->validate();
  }

 private:
  // Takes the memory that another entry needs, so that nothing fails half-way.
  void prepare(std::int64_t deadline) {
    table_.prepare([&](Slot slot) { return this->hash(slot); });
    entries_.ensure(slots());
    entries_[slots()] = {nullptr, nullptr};  // free, should the policy throw
    if (deadline != TimerWheel::kForever) wheel_.prepare(slots());
  }

  [[nodiscard]] Request request_of(std::uint64_t hash, std::uint64_t number, Weight weight) const {
    return {.hash = hash,
            .weight = weight,
            .number = number,
            // A cache that does not weigh knows no sizes.
            .size = weight == 1 ? 0 : weight,
            .time = reads_context_ ? time() : std::uint32_t{0}};
  }

  void file(Slot slot, std::uint64_t hash, Entry entry, std::int64_t deadline, std::int64_t now) {
    entries_[slot] = entry;
    table_.insert(hash, slot);
    if (deadline != TimerWheel::kForever) wheel_.schedule(slot, deadline, now);
  }

  // What forget() is going to touch, and whoever releases the key and the value after that.
  // Inlined, or GCC takes it for a function without effect and drops the calls.
  [[gnu::always_inline]] void prefetch(Slot victim) const {
    if (victim >= slots()) return;
    const Entry& entry = entries_[victim];
    __builtin_prefetch(entry.key, 1);
    __builtin_prefetch(entry.value, 1);
    table_.prefetch(this->hash(victim));
  }

  // Everything but the engine's part of a removal.
  Entry forget(Slot slot) {
    table_.erase(hash(slot), slot);
    wheel_.cancel(slot);
    return std::exchange(entries_[slot], {nullptr, nullptr});
  }

  Engine<Policy> engine_;
  std::unique_ptr<Policy> policy_;
  Table table_;
  Slab<Entry> entries_;
  TimerWheel wheel_;
  bool reads_context_ = false;
  std::optional<std::uint32_t> told_time_;
};

}  // namespace augury
