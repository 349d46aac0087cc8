// Every policy of the catalogue against a plain model: random requests, removals, new weights, new
// capacities and failing allocations, over capacities and parameters to their bounds.
//
// g++ -std=c++20 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover -Wall -Wextra -Wpedantic
//     -Werror -Inative native/tests/policies.cpp -Wl,--wrap=realloc -o policies && ./policies
#include <cmath>
#include <cstring>

#include "core/random.hpp"
#include "tests/allocation.hpp"
#include "tests/exercise.hpp"

namespace augury::tests {
namespace {

std::vector<std::uint8_t> noise(std::size_t size, std::uint64_t seed) {
  std::vector<std::uint8_t> bytes(size);
  Random random(seed);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random.next() >> 56);
  return bytes;
}

// All standard; each one at its low and its high bound; all low; all high.
std::vector<std::map<std::string, double, std::less<>>> parameter_sets(const Description& of) {
  std::vector<std::map<std::string, double, std::less<>>> sets(3);
  for (const Parameter& p : of.parameters) {
    sets[1].emplace(p.name, p.low);
    sets[2].emplace(p.name, p.high);
    sets.push_back({{std::string(p.name), p.low}});
    sets.push_back({{std::string(p.name), p.high}});
  }
  return sets;
}

void exercise(const Factory& make, const Description& description) {
  std::uint64_t seed = 1;
  for (const auto& parameters : parameter_sets(description)) {
    for (const Weight capacity : {1u, 2u, 3u, 4u, 10u, 50u, 300u, 2000u}) {
      for (const bool weighed : {false, true}) {
        const auto keys = static_cast<std::uint32_t>(capacity * (weighed ? 1 : 3) + 3);
        const std::uint32_t every = capacity <= 10 ? 1 : static_cast<std::uint32_t>(capacity / 5);
        const Plan plan{.capacity = capacity,
                        .weighed = weighed,
                        .keys = keys,
                        .seed = ++seed,
                        .parameters = parameters,
                        .validate_every = every,
                        .ahead = seed % 3 == 0};
        const auto bytes = noise(4 * (800 + 8 * capacity), seed);
        Exercise first(make, plan);
        first.run(Bytes(bytes));
        Exercise second(make, plan);
        second.run(Bytes(bytes));
        CHECK(first.victims() == second.victims());  // the seed decides all
      }
    }
  }
  std::printf("%s\n", std::string(description.name).c_str());
}

template <class P>
void exercise_restarts() {
  exercise([](const Setup& setup) { return std::make_unique<P>(setup); }, P::kDescription);
}

// Scores by one feature; by some, nothing is told apart, or there is no score.
class ByFeature final : public Model {
 public:
  explicit ByFeature(std::size_t feature) : Model(kFeatures), feature_(feature) {}
  void score(std::span<const float> rows, std::span<float> out) const override {
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = feature_ == kFeatures ? std::nanf("") : rows[i * kFeatures + feature_];
    }
  }

 private:
  std::size_t feature_;
};

// Changes its model in the midst of everything, even while entries are taken out to be evicted.
class Changing final : public Policy {
 public:
  Changing(const Setup& setup, const std::vector<std::shared_ptr<const Model>>& models)
      : learned_(setup), models_(models) {}

  void hit(Slot slot, const Request& request) override {
    change();
    learned_.hit(slot, request);
  }
  void miss(const Request& request) override { learned_.miss(request); }
  Slot evict() override {
    change();
    return learned_.evict();
  }
  void insert(Slot slot, const Request& request) override { learned_.insert(slot, request); }
  void remove(Slot slot) override {
    change();
    learned_.remove(slot);
  }
  void reweighed(Slot slot, Weight old) override { learned_.reweighed(slot, old); }
  void resize(Weight capacity) override { learned_.resize(capacity); }
  void validate() const override { learned_.validate(); }
  [[nodiscard]] std::size_t bytes() const override { return learned_.bytes(); }

 private:
  void change() {
    const std::uint64_t random = mix(++calls_);
    if (random % 32 == 0) learned_.use_model(models_[(random >> 32) % models_.size()]);
  }

  Learned learned_;
  const std::vector<std::shared_ptr<const Model>>& models_;
  std::uint64_t calls_ = 0;
};

void exercise_models() {
  std::vector<std::shared_ptr<const Model>> models{nullptr};
  for (const std::size_t feature : {std::size_t{Feature::kAge}, std::size_t{Feature::kNovelty},
                                    std::size_t{Feature::kCount}, kFeatures}) {
    const auto model = std::make_shared<const ByFeature>(feature);
    models.push_back(model);
    exercise(
        [&](Setup setup) {
          setup.model = model;
          return std::make_unique<Learned>(setup);
        },
        Learned::kDescription);
  }
  exercise([&](const Setup& setup) { return std::make_unique<Changing>(setup, models); },
           Learned::kDescription);
}

// Of the queues that propose, then let leave: the clock starts anew in between.
void exercise_restart_while_taken_out() {
  constexpr std::uint32_t kLastTime = 900;
  Residents residents;
  TwoStage<kLastTime> queues(residents, 10, kTwoStageSettings[0]);
  Slot out = kNone;
  for (std::uint64_t key = 1; key < 2 * kLastTime; ++key) {
    const Request request{.hash = mix(key)};
    queues.miss(request);
    if (queues.size() == 10) {
      if (out == kNone) out = queues.propose();
      if (key % 100 == 0) {
        queues.leave(out);
        residents.remove(std::exchange(out, kNone));
      }
      residents.remove(queues.evict());
    }
    queues.insert(residents.add(request.hash, 1), request);
    queues.validate();
  }
}

}  // namespace
}  // namespace augury::tests

// Runs those policies that are named, or all.
int main(int count, char** names) {
  using namespace augury::tests;
  for (const Entry& entry : catalogue()) {
    bool wanted = count < 2;
    for (int i = 1; i < count; ++i) wanted |= entry.description.name == names[i];
    if (wanted) exercise(entry.make, entry.description);
  }
  exercise_models();
  exercise_restart_while_taken_out();
  // These have to survive their clocks starting anew, which they do once in 2^31 requests or more.
  exercise_restarts<augury::AutoWithTimes<900>>();
  exercise_restarts<augury::LirsWithStamps<4000>>();
  exercise_restarts<augury::GdsfWithStamps<4000>>();
  exercise_restarts<augury::HyperbolicWithTimes<900>>();
  exercise_restarts<augury::LhdWithTimes<900>>();
}
