// Drives a policy through an engine as bytes say, and compares it with a plain model of who is
// resident. Shared by the conformance test (seeded bytes) and the fuzz target (libFuzzer's).
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "cache/engine.hpp"
#include "core/hash.hpp"
#include "policy/factory.hpp"

#define CHECK(condition)                                                          \
  do {                                                                            \
    if (!(condition)) {                                                           \
      std::fprintf(stderr, "%s:%d: CHECK(%s)\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                               \
    }                                                                             \
  } while (false)

namespace augury::tests {

// Lets the allocation after that many others fail, once. Works where the program defines the
// functions of native/tests/allocation.hpp; negative: none fails.
inline std::int64_t allocations_left = -1;

inline bool allocation_fails() {
  if (allocations_left < 0) return false;
  return allocations_left-- == 0;
}

class Bytes {
 public:
  explicit Bytes(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  // 0 when all are used up.
  std::uint32_t next() {
    if (bytes_.empty()) return 0;
    const std::uint8_t byte = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return byte;
  }
  std::uint32_t next16() { return next() << 8 | next(); }

 private:
  std::span<const std::uint8_t> bytes_;
};

using Factory = std::function<std::unique_ptr<Policy>(const Setup&)>;

struct Plan {
  Weight capacity = 1;
  bool weighed = false;
  std::uint32_t keys = 1;  // at most 65536
  std::uint64_t seed = 1;
  std::map<std::string, double, std::less<>> parameters = {};
  std::uint32_t validate_every = 1;
  bool ahead = false;  // entries are also stored before anyone asks for them
};

class Exercise {
 public:
  Exercise(const Factory& factory, const Plan& plan)
      : plan_(plan), engine_(plan.capacity), slot_of_(plan.keys, kNone), weight_of_(plan.keys, 0) {
    policy_ = factory({.residents = engine_.residents(),
                       .capacity = plan.capacity,
                       .seed = plan.seed,
                       .parameters = &plan_.parameters});
    if (plan.ahead) engine_.use_probation(std::make_unique<Probation>(plan.capacity, 0.5, 0.5));
  }

  void run(Bytes bytes) {
    while (!bytes.empty()) {
      step(bytes);
      if (++steps_ % plan_.validate_every == 0) compare();
    }
    compare();
  }

  [[nodiscard]] const std::vector<std::uint32_t>& victims() const { return victims_; }

 private:
  void step(Bytes& bytes) {
    const std::uint32_t op = bytes.next();
    const std::uint32_t key = bytes.next16() % plan_.keys;
    if (op < 60 && plan_.ahead) {
      store_ahead(key, weight(bytes), op < 10);
    } else if (op < 200) {
      request(key, weight(bytes), false);
    } else if (op < 225) {
      request(key, weight(bytes), true);
    } else if (op < 240) {
      remove(key);
    } else if (op < 252) {
      reweigh(key, weight(bytes));
    } else if (op < 253) {
      resume(bytes);
    } else {
      resize(1 + bytes.next16() % (2 * plan_.capacity));
    }
  }

  Weight weight(Bytes& bytes) {
    if (!plan_.weighed) return 1;
    const Weight byte = bytes.next();
    return byte > 250 ? engine_.capacity() + byte - 253
                      : 1 + byte * byte * engine_.capacity() / 262144;
  }

  void request(std::uint32_t key, Weight weight, bool failing) {
    const Request request{
        .hash = mix(key), .weight = weight, .number = key, .next = next_request(key)};
    if (slot_of_[key] != kNone) {
      allocations_left = failing ? static_cast<std::int64_t>(key % 3) : -1;
      engine_.hit(*policy_, slot_of_[key], request);
      allocations_left = -1;
      return;
    }
    const auto drop = [this](Slot slot) { dropped(slot); };
    Slot slot = kNone;
    try {
      key_of_.reserve(key_of_.size() + 2);
      victims_.reserve(victims_.size() + 2 * plan_.keys);
      allocations_left = failing ? static_cast<std::int64_t>(key % 3) : -1;
      slot = engine_.admit(*policy_, request, drop);
      allocations_left = -1;
    } catch (const std::bad_alloc&) {
      allocations_left = -1;
      CHECK(failing);
      return;
    }
    CHECK((slot == kNone) == (weight > engine_.capacity()));
    if (slot != kNone) stored(slot, key, weight);
  }

  void store_ahead(std::uint32_t key, Weight weight, bool failing) {
    if (slot_of_[key] != kNone) return;
    const Request request{.hash = mix(key), .weight = weight, .number = key};
    const bool fits = weight <= engine_.probation()->room();
    Slot slot = kNone;
    try {
      key_of_.reserve(key_of_.size() + 2);
      victims_.reserve(victims_.size() + 2 * plan_.keys);
      allocations_left = failing ? static_cast<std::int64_t>(key % 3) : -1;
      slot = engine_.admit_ahead(*policy_, request, [this](Slot victim) { dropped(victim); });
      allocations_left = -1;
    } catch (const std::bad_alloc&) {
      allocations_left = -1;
      CHECK(failing);
      return;
    }
    engine_.probation()->tick();
    CHECK((slot != kNone) == (fits && weight <= engine_.capacity()));
    if (slot != kNone) stored(slot, key, weight);
  }

  void stored(Slot slot, std::uint32_t key, Weight weight) {
    if (slot >= key_of_.size()) key_of_.resize(slot + 1, kNone);
    CHECK(key_of_[slot] == kNone);
    key_of_[slot] = key;
    slot_of_[key] = slot;
    weight_of_[key] = weight;
    total_ += weight;
    ++size_;
  }

  // Any future will do, but the same one for all requests of a key at a time.
  std::int64_t next_request(std::uint32_t key) {
    const std::uint64_t bits = mix(steps_ * 65537 + key);
    if (bits % 8 == 0) return Request::kNever;
    return static_cast<std::int64_t>(steps_ + 1 + bits % 1000);
  }

  void remove(std::uint32_t key) {
    const Slot slot = slot_of_[key];
    if (slot == kNone) return;
    engine_.remove(*policy_, slot);
    forget(slot);
  }

  void reweigh(std::uint32_t key, Weight weight) {
    const Slot slot = slot_of_[key];
    if (slot == kNone) return;
    if (weight > engine_.capacity()) weight = engine_.capacity();
    total_ += weight - weight_of_[key];
    weight_of_[key] = weight;
    engine_.reweigh(*policy_, slot, weight, [this](Slot victim) { dropped(victim); });
  }

  // What it remembers itself, whole, cut, or with a byte changed.
  void resume(Bytes& bytes) {
    std::string memory = policy_->memory();
    const std::uint32_t way = bytes.next();
    if (way < 64) memory.resize(memory.size() * way / 64);
    if (way >= 192 && !memory.empty()) memory[bytes.next16() % memory.size()] ^= 0x5A;
    policy_->resume(memory);
  }

  void resize(Weight capacity) {
    engine_.resize(*policy_, capacity, [this](Slot slot) { dropped(slot); });
  }

  void dropped(Slot slot) {
    CHECK(slot < key_of_.size() && key_of_[slot] != kNone);
    victims_.push_back(key_of_[slot]);
    forget(slot);
  }

  void forget(Slot slot) {
    const std::uint32_t key = key_of_[slot];
    key_of_[slot] = kNone;
    slot_of_[key] = kNone;
    total_ -= weight_of_[key];
    --size_;
  }

  void compare() const {
    CHECK(engine_.size() == size_);
    CHECK(engine_.weight() == total_);
    CHECK(total_ <= engine_.capacity());
    for (Slot slot = 0; slot < key_of_.size(); ++slot) {
      if (key_of_[slot] == kNone) continue;
      CHECK(engine_.residents().hash(slot) == mix(key_of_[slot]));
      CHECK(engine_.residents().weight(slot) == weight_of_[key_of_[slot]]);
    }
    std::vector<bool> visited(key_of_.size(), false);
    std::size_t visits = 0;
    const bool has_order = policy_->visit([&](Slot slot, std::uint32_t) {
      CHECK(slot < key_of_.size() && key_of_[slot] != kNone && !visited[slot]);
      visited[slot] = true;
      ++visits;
    });
    CHECK(visits == (has_order ? engine_.residents().size() : 0));
    policy_->validate();
    engine_.validate();
    CHECK(engine_.residents().size() == 0 || policy_->bytes() > 0);
  }

  Plan plan_;
  Engine<Policy> engine_;
  std::unique_ptr<Policy> policy_;
  std::vector<Slot> slot_of_;           // by key
  std::vector<Weight> weight_of_;       // by key
  std::vector<std::uint32_t> key_of_;   // by slot
  std::vector<std::uint32_t> victims_;  // keys, in order
  Weight total_ = 0;
  std::size_t size_ = 0;
  std::uint64_t steps_ = 0;
};

struct Entry {
  Description description;
  Factory make;
};

// Every policy of the catalogue.
inline std::vector<Entry> catalogue() {
  std::vector<Entry> entries;
  for_each_description(Catalogue{}, [&](const Description& description) {
    entries.push_back({description, [name = description.name](const Setup& setup) {
                         return make_policy(name, setup);
                       }});
  });
  return entries;
}

}  // namespace augury::tests
