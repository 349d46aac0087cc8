// The live cache without Python against a plain model, for every online policy: keys that share
// hashes, weights, deadlines, new capacities and failing allocations.
//
// g++ -std=c++20 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover -Wall -Wextra -Wpedantic
//     -Werror -Inative native/tests/cache.cpp -Wl,--wrap=realloc -o cache && ./cache
#include "cache/cache.hpp"

#include "core/random.hpp"
#include "tests/allocation.hpp"
#include "tests/exercise.hpp"

namespace augury::tests {
namespace {

struct Record {
  std::uintptr_t value;
  Weight weight;
  std::int64_t deadline;
};

class CacheExercise {
 public:
  CacheExercise(const augury::Plan& plan, std::uint64_t keys, std::uint64_t hashes)
      : cache_(plan), random_(plan.seed), keys_(keys), hashes_(hashes) {
    if (plan.seed % 2 == 0) {
      cache_.use_probation(std::make_unique<Probation>(plan.capacity, 0.4, 0.5));
    }
  }

  void step() {
    const std::uint64_t key = 1 + random_.below(keys_);
    const Slot slot = find(key);
    const auto record = model_.find(key);
    CHECK((slot == kNone) == (record == model_.end()));
    const std::uint64_t op = random_.below(100);
    if (op < 45) {
      if (slot == kNone) {
        insert(key, op < 5);
      } else {
        CHECK(cache_.entry(slot).value == pointer(record->second.value));
        CHECK(cache_.weight(slot) == record->second.weight);
        CHECK(cache_.wheel().deadline(slot) == record->second.deadline);
        allocations_left = op < 5 ? static_cast<std::int64_t>(random_.below(4)) : -1;
        cache_.hit(slot);  // of one that waits: handed over to the policy, if there is memory
        allocations_left = -1;
      }
    } else if (op >= 90 && slot == kNone && cache_.probation() != nullptr) {
      insert_ahead(key, op < 92);
      cache_.probation()->tick();
    } else if (op < 60 && slot != kNone) {
      overwrite(slot, key, record->second);
    } else if (op < 70 && slot != kNone) {
      const Entry entry = cache_.remove(slot);
      CHECK(entry.key == pointer(key) && entry.value == pointer(record->second.value));
      model_.erase(record);
    } else if (op < 75 && cache_.size() != 0) {
      drop(cache_.evict());
    } else if (op < 78) {
      cache_.resize(1 + random_.below(60), [this](augury::Entry entry) { drop(entry); });
    } else if (op < 90) {
      now_ += static_cast<std::int64_t>(random_.next() >> (26 + random_.below(30)));
      const bool exact = op % 2 == 0;
      cache_.advance(now_, exact, [this](augury::Entry entry) {
        CHECK(model_.at(key_of(entry)).deadline <= now_);
        drop(entry);
      });
      if (exact) {
        for (const auto& [held, of] : model_) CHECK(of.deadline > now_);
      }
    }
  }

  void compare() const {
    cache_.validate();
    Weight total = 0;
    for (const auto& [key, record] : model_) {
      CHECK(find(key) != kNone);
      total += record.weight;
    }
    CHECK(cache_.size() == model_.size() && cache_.weight() == total);
    CHECK(cache_.bytes() >= sizeof(cache_));
  }

 private:
  using Entry = augury::Entry;

  static void* pointer(std::uintptr_t number) { return reinterpret_cast<void*>(number); }
  static std::uint64_t key_of(Entry entry) { return reinterpret_cast<std::uintptr_t>(entry.key); }
  [[nodiscard]] std::uint64_t hash(std::uint64_t key) const { return mix(key % hashes_); }

  [[nodiscard]] Slot find(std::uint64_t key) const {
    return cache_.find(hash(key),
                       [&](Slot slot) { return cache_.entry(slot).key == pointer(key); });
  }

  std::int64_t deadline() {
    if (random_.below(3) == 0) return TimerWheel::kForever;
    return now_ + 1 + static_cast<std::int64_t>(random_.next() >> (24 + random_.below(38)));
  }

  void drop(Entry entry) {
    const auto record = model_.find(key_of(entry));
    CHECK(record != model_.end() && entry.value == pointer(record->second.value));
    model_.erase(record);
  }

  void insert(std::uint64_t key, bool failing) {
    const Record record{++values_, 1 + random_.below(random_.below(4) == 0 ? 70 : 4), deadline()};
    Slot slot = kNone;
    try {
      allocations_left = failing ? static_cast<std::int64_t>(random_.below(4)) : -1;
      slot = cache_.insert(hash(key), key, {pointer(key), pointer(record.value)}, record.weight,
                           record.deadline, now_, [this](Entry entry) { drop(entry); });
      allocations_left = -1;
    } catch (const std::bad_alloc&) {
      allocations_left = -1;
      CHECK(failing && find(key) == kNone);
      compare();
      return;
    }
    CHECK((slot == kNone) == (record.weight > cache_.capacity()));
    if (slot != kNone) model_.emplace(key, record);
  }

  void insert_ahead(std::uint64_t key, bool failing) {
    const Record record{++values_, 1 + random_.below(random_.below(4) == 0 ? 30 : 4), deadline()};
    const Weight room = std::min(cache_.probation()->room(), cache_.capacity());
    const std::size_t fetched = cache_.probation()->counts().fetched;
    Slot slot = kNone;
    try {
      allocations_left = failing ? static_cast<std::int64_t>(random_.below(6)) : -1;
      slot =
          cache_.insert_ahead(hash(key), key, {pointer(key), pointer(record.value)}, record.weight,
                              record.deadline, now_, [this](Entry entry) { drop(entry); });
      allocations_left = -1;
    } catch (const std::bad_alloc&) {
      allocations_left = -1;
      CHECK(failing && find(key) == kNone);
      compare();
      return;
    }
    CHECK((slot == kNone) == (record.weight > room));
    CHECK(cache_.probation()->counts().fetched == fetched + 1);
    CHECK(slot == kNone || cache_.probation()->holds(slot));
    if (slot != kNone) model_.emplace(key, record);
  }

  void overwrite(Slot slot, std::uint64_t key, Record& record) {
    const Record fresh{++values_, 1 + random_.below(cache_.capacity()), deadline()};
    cache_.reschedule(slot, fresh.deadline, now_);
    CHECK(cache_.replace(slot, pointer(fresh.value)) == pointer(record.value));
    record = fresh;
    cache_.hit(slot);
    bool itself = false;
    cache_.reweigh(slot, fresh.weight, [&](Entry entry) {
      itself |= key_of(entry) == key;
      drop(entry);
    });
    CHECK(itself == (find(key) == kNone));
  }

  augury::Cache cache_;
  Random random_;
  std::uint64_t keys_;
  std::uint64_t hashes_;
  std::map<std::uint64_t, Record> model_;
  std::uintptr_t values_ = 0;
  std::int64_t now_ = 1'000'000'000;
};

void exercise(const Description& description) {
  std::uint64_t seed = 0;
  for (const Weight capacity : {1u, 2u, 5u, 18u, 50u}) {
    for (const std::uint64_t hashes : {1u, 3u, 1000u}) {
      const augury::Plan plan{.capacity = capacity,
                              .policy = std::string(description.name),
                              .parameters = {},
                              .seed = ++seed};
      CacheExercise cache(plan, 90, hashes);
      for (int step = 0; step < 1500; ++step) {
        cache.step();
        if (step % 8 == 0) cache.compare();
      }
      cache.compare();
    }
  }
  std::printf("%s\n", std::string(description.name).c_str());
}

}  // namespace
}  // namespace augury::tests

int main() {
  using namespace augury;
  for_each_description(Catalogue{}, [](const Description& description) {
    if (!description.offline) tests::exercise(description);
  });
  try {
    Cache unknown(Plan{.policy = "unknown", .parameters = {}});
    std::abort();
  } catch (const std::invalid_argument&) {
  }
}
