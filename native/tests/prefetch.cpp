// Predictors of the next keys: what each learns and what it does not, keys that are forgotten,
// times and clocks that wrap, failing allocations, bounded memory.
//
// g++ -std=c++20 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover -Wall -Wextra -Wpedantic
//     -Werror -Inative native/tests/prefetch.cpp -Wl,--wrap=realloc -o prefetch && ./prefetch
#include <set>

#include "cache/probation.hpp"
#include "core/random.hpp"
#include "prefetch/mixture.hpp"
#include "tests/allocation.hpp"
#include "tests/exercise.hpp"

namespace augury::tests {
namespace {

// One predictor, told of keys as the mixture would tell it.
template <class P>
class Alone {
 public:
  explicit Alone(std::size_t keys = 1000, std::uint32_t depth = 1)
      : predictor_({.keys = keys, .depth = depth}) {}

  std::set<Slot> see(Slot key, std::uint32_t time = 0) {
    ask({.key = key,
         .number = 0,
         .numeric = false,
         .repeated = before_[0] == key,
         .time = time,
         .clock = ++clock_,
         .before = before_});
    std::set<Slot> keys;
    for (const Guess& guess : guesses_.all()) keys.insert(guess.key);
    return keys;
  }

  std::set<std::uint64_t> see_number(std::uint64_t number) {
    ask({.key = 0,
         .number = number,
         .numeric = true,
         .repeated = false,
         .time = 0,
         .clock = ++clock_,
         .before = {kNone, kNone, kNone}});
    std::set<std::uint64_t> numbers;
    for (const Guess& guess : guesses_.all()) {
      CHECK(guess.key == kNone);
      numbers.insert(guess.number);
    }
    return numbers;
  }

  void forget(Slot key) { predictor_.forget(key); }
  void set_clock(std::uint64_t clock) { clock_ = clock; }
  [[nodiscard]] std::size_t bytes() const { return predictor_.bytes(); }

 private:
  void ask(const Asked& asked) {
    guesses_.clear();
    predictor_.see(asked, guesses_);
    if (asked.repeated) return;
    before_ = {asked.key, before_[0], before_[1]};
  }

  P predictor_;
  Guesses guesses_;
  std::uint64_t clock_ = 0;
  std::array<Slot, kOrder> before_{kNone, kNone, kNone};
};

void markov_follows_a_cycle() {
  Alone<Markov> markov;
  for (Slot i = 0; i < 30; ++i) markov.see(i % 10);
  for (Slot i = 0; i < 10; ++i) CHECK(markov.see(i) == std::set<Slot>{(i + 1) % 10});
  // Twice the same is one request, and what the number means is forgotten with it.
  CHECK(markov.see(9).empty());
  markov.forget(3);
  CHECK(markov.see(3).empty());
  Alone<Markov> far(1000, 4);
  for (Slot i = 0; i < 30; ++i) far.see(i % 10);
  CHECK((far.see(0) == std::set<Slot>{1, 2, 3, 4}));
}

// After 1 comes 3 if it was 0 before, and 4 if it was 2: of one key alone that cannot be told.
void contexts_tell_apart_what_one_key_does_not() {
  Alone<Context> context;
  Alone<Markov> markov;
  for (int i = 0; i < 20; ++i) {
    for (const Slot key : {0u, 1u, 3u, 2u, 1u, 4u}) {
      context.see(key);
      markov.see(key);
    }
  }
  context.see(0);
  CHECK((context.see(1) == std::set<Slot>{3}));
  context.see(3), context.see(2);
  CHECK((context.see(1) == std::set<Slot>{4}));
  markov.see(0);
  CHECK((markov.see(1) == std::set<Slot>{3, 4}));
}

void runs_have_any_step() {
  for (const std::uint64_t step : {std::uint64_t{1}, std::uint64_t{8}, -std::uint64_t{3}}) {
    Alone<Runs> runs;
    std::uint64_t at = 1'000'000;
    for (int i = 0; i < 10; ++i) runs.see_number(at += step);
    const auto guessed = runs.see_number(at += step);
    CHECK(guessed.contains(at + step) && guessed.contains(at + 2 * step));
  }
}

// Two clients read at a time, one of them backwards, while a third asks for anything.
void runs_may_be_interleaved() {
  Alone<Runs> runs;
  Random random(1);
  std::uint64_t up = 5'000'000;
  std::uint64_t down = 9'000'000;
  for (int i = 0; i < 200; ++i) {
    runs.see_number(++up);
    runs.see_number(--down);
    runs.see_number(random.next());
  }
  ++up;
  CHECK(runs.see_number(up).contains(up + 1));
  --down;
  CHECK(runs.see_number(down).contains(down - 1));
  for (int i = 0; i < 100; ++i) CHECK(runs.see_number(random.next()).empty());
}

void runs_end_where_integers_do() {
  Alone<Runs> up;
  for (std::uint64_t number = -std::uint64_t{12}; number != 0; ++number) {
    for (const std::uint64_t guess : up.see_number(number)) CHECK(guess > number);
  }
  Alone<Runs> down;
  for (std::uint64_t number = 12; number != 0; --number) {
    for (const std::uint64_t guess : down.see_number(number)) CHECK(guess <= 12);
  }
  for (const std::uint64_t guess : down.see_number(0)) CHECK(guess <= 12);
}

// Keys 2i and 2i + 1 are asked for within 10 requests of each other, with others in between; pairs
// in any order.
void ask_for_pairs(Alone<Association>& association, Random& random, Slot pairs) {
  std::vector<Slot> order(pairs);
  for (Slot i = 0; i < pairs; ++i) {
    const auto place = random.below(i + 1);
    order[i] = order[place];
    order[place] = i;
  }
  for (const Slot i : order) {
    association.see(2 * i);
    for (int other = 0; other < 5; ++other) {
      association.see(10'000 + static_cast<Slot>(random.below(50'000)));
    }
    association.see(2 * i + 1);
  }
}

void associations_are_mined_from_noise() {
  Alone<Association> association(100'000);
  Random random(1);
  for (int round = 0; round < 6; ++round) ask_for_pairs(association, random, 1000);
  int found = 0;
  for (Slot i = 0; i < 1000; ++i) found += association.see(2 * i).contains(2 * i + 1);
  CHECK(found > 800);
  int noise = 0;
  for (Slot i = 0; i < 1000; ++i) noise += !association.see(10'000 + i).empty();
  CHECK(noise < 300);
}

// A clock of 32 bits comes round while keys wait to be mined; others are forgotten meanwhile.
void associations_survive_a_clock_that_wraps() {
  for (const std::uint64_t jump : {std::uint64_t{1} << 20, std::uint64_t{1} << 31}) {
    Alone<Association> association(100'000);
    Random random(1);
    for (std::uint64_t step = 0; step < 60; ++step) {
      association.set_clock(step * jump);
      for (int i = 0; i < 400; ++i) association.see(static_cast<Slot>(random.below(3000)));
      for (int i = 0; i < 20; ++i) association.forget(static_cast<Slot>(random.below(3000)));
    }
  }
}

// What was forgotten before it was mined has nothing to do with what takes its number.
void associations_forget() {
  Alone<Association> association(100'000);
  for (Slot key = 0; key < 500; ++key)
    association.see(key), association.see(9000), association.see(key);
  for (Slot key = 0; key < 500; ++key) association.forget(key);
  for (Slot key = 2000; key < 3200; ++key)
    association.see(key), association.see(9000), association.see(key);
  for (Slot key = 0; key < 500; ++key) CHECK(association.see(key).empty());
}

void periods_are_foreseen() {
  Alone<Periodic> periodic;
  int foreseen = 0;
  for (std::uint32_t second = 1; second < 20 * 3600; ++second) {
    if (second % 3600 == 0) {
      periodic.see(1, second);
      continue;
    }
    const auto guesses = periodic.see(2 + second % 50, second);
    foreseen += guesses.contains(1);
    if (guesses.contains(1)) CHECK(second % 3600 >= 1800);
  }
  CHECK(foreseen >= 16 && foreseen <= 20);
}

// Times at the end of their 32 bits, back to the beginning, and back and forth.
void periods_survive_any_time() {
  Alone<Periodic> periodic(64);
  Random random(1);
  for (std::uint32_t time = 0xFFFFF000; time > 0xFFFFE000 || time < 20'000; time += 7) {
    periodic.see(static_cast<Slot>(time / 7 % 40), time);
  }
  for (int i = 0; i < 50'000; ++i) {
    periodic.see(static_cast<Slot>(random.below(40)), static_cast<std::uint32_t>(random.next()));
  }
  CHECK(periodic.bytes() < 20'000);
}

void keys_give_up_their_numbers() {
  KeyTable keys(100);
  Random random(1);
  std::map<std::uint64_t, std::uint64_t> last;
  for (std::uint64_t now = 1; now < 20'000; ++now) {
    const std::uint64_t hash = mix(random.below(random.below(2) == 0 ? 20 : 2000));
    const bool known = keys.find(hash) != kNone;
    const auto touched = keys.touch(hash, now);
    CHECK(touched.added == !known && touched.key < 100 && keys.hash(touched.key) == hash);
    CHECK(touched.replaced == (touched.added && now > 1 && last.size() >= 100 && keys.full()));
    last[hash] = now;
    for (const auto& [each, time] : last) {
      const Slot key = keys.find(each);
      if (now % 100 == 0 && key != kNone) CHECK(keys.last(key) == time);
    }
    if (now % 100 == 0) keys.validate();
    CHECK(keys.size() <= 100);
  }
  int often = 0;
  for (std::uint64_t key = 0; key < 20; ++key) often += keys.find(mix(key)) != kNone;
  CHECK(often >= 18);
}

Mixture::Request request_of(std::uint64_t key, std::uint64_t session = 0, std::uint32_t time = 0) {
  return {
      .hash = integer_hash(key), .number = key, .numeric = true, .session = session, .time = time};
}

constexpr auto kNothing = [](std::uint64_t) { return false; };

void sessions_are_told_apart() {
  for (const bool told : {true, false}) {
    Mixture mixture({.keys = 1000, .predictors = 1});
    Random random(1);
    std::array<std::uint64_t, 8> at{};
    std::size_t right = 0;
    for (int i = 0; i < 20'000; ++i) {
      const std::uint64_t who = random.below(8);
      at[who] = (at[who] + 1) % 50;
      const auto key = [&](std::uint64_t place) { return 100 * who + place; };
      const auto choices = mixture.see(request_of(key(at[who]), told ? who : 0), 0.5F, kNothing);
      const std::uint64_t next = integer_hash(key((at[who] + 1) % 50));
      for (const Choice& choice : choices) right += choice.hash == next;
    }
    CHECK(told ? right > 18'000 : right < 6'000);
  }
}

// A session comes back when the numbers of its last keys are others' by now.
void sessions_do_not_learn_of_what_was_forgotten() {
  Mixture mixture({.keys = 8, .predictors = 1, .most = 8});
  for (std::uint64_t round = 0; round < 400; ++round) {
    mixture.see(request_of(1), 0.0F, kNothing);
    const Slot number = mixture.touched().key;
    // Others, each in a session of its own, until its number is one of theirs.
    std::uint64_t other = 1000 + round * 1000;
    do {
      ++other;
      mixture.see(request_of(other, other), 0.0F, kNothing);
    } while (mixture.touched().key != number);
    mixture.see(request_of(2), 0.0F, kNothing);  // after 1, not after that other
    for (const Choice& choice : mixture.see(request_of(other, 5), 0.0F, kNothing)) {
      CHECK(choice.hash != integer_hash(2));
    }
  }
}

void random_keys_are_left_alone() {
  Mixture mixture({.keys = 1 << 16});
  Random random(1);
  std::size_t chosen = 0;
  for (int i = 0; i < 100'000; ++i) {
    const auto choices = mixture.see(request_of(mix(random.below(20'000)) >> 3, random.below(10),
                                                static_cast<std::uint32_t>(1000 + i / 10)),
                                     0.5F, kNothing);
    if (i >= 20'000) chosen += choices.size();
  }
  CHECK(chosen < 80);  // of 80,000 requests
}

void options_are_bounded() {
  for (const std::size_t most : {std::size_t{0}, std::size_t{8}, std::size_t{1000}}) {
    Mixture mixture({.keys = most, .depth = static_cast<std::uint32_t>(most), .most = most});
    for (std::uint64_t i = 0; i < 3000; ++i) {
      CHECK(mixture.see(request_of(i % 200), 0.0F, kNothing).size() <=
            std::min<std::size_t>(most, 8));
    }
    mixture.validate();
  }
}

// As memory comes and goes.
void mixture_survives_failing_allocations() {
  for (std::int64_t fails = 0; fails < 40; ++fails) {
    Mixture mixture({.keys = 300, .depth = 2});
    Random random(static_cast<std::uint64_t>(fails) + 1);
    for (std::uint32_t i = 0; i < 3000; ++i) {
      const std::uint64_t key = random.below(4) == 0 ? random.below(1000) : i % 150;
      if (i % 16 == 0) allocations_left = fails % 8;
      try {
        mixture.see(request_of(key, random.below(5), 100 + i), 0.3F, kNothing);
      } catch (const std::bad_alloc&) {
      }
      allocations_left = -1;
      if (i % 64 == 0) mixture.validate();
    }
  }
}

void memory_is_bounded_by_the_keys_known() {
  Mixture mixture({.keys = 4096});
  Random random(1);
  std::size_t most = 0;
  for (std::uint32_t i = 0; i < 300'000; ++i) {
    mixture.see(request_of(i % 3 == 0 ? random.below(1000) : i, random.below(100'000), i / 10 + 1),
                0.5F, kNothing);
    if (i == 100'000) most = mixture.bytes();
  }
  CHECK(mixture.bytes() <= most + most / 20);  // alarms may still come
  CHECK(mixture.bytes() < 4096 * 250 + (1 << 20));
}

void the_same_again() {
  const auto run = [] {
    Mixture mixture({.keys = 500});
    Random random(7);
    std::vector<std::uint64_t> chosen;
    for (std::uint32_t i = 0; i < 20'000; ++i) {
      const std::uint64_t key = random.below(3) == 0 ? random.below(2000) : i % 300;
      for (const Choice& choice : mixture.see(request_of(key, i % 3, i + 1), 0.3F, kNothing)) {
        chosen.push_back(choice.hash);
      }
    }
    return chosen;
  };
  const auto once = run();
  CHECK(!once.empty() && once == run());
}

// A threshold that bad guesses have raised falls again when nothing is fetched any more, and does
// not rise of itself.
void the_threshold_returns() {
  Probation probation(1000, 0.1, 0.5);
  for (int i = 0; i < 100'000; ++i) probation.tick();
  CHECK(probation.threshold() == 0.5);
  for (Slot i = 0; i < 10'000; ++i) {
    probation.add(i % 10, {});
    probation.take_unused(i % 10);
    probation.tick();
  }
  CHECK(probation.threshold() > 0.9);
  for (int i = 0; i < 100'000; ++i) probation.tick();
  CHECK(probation.threshold() < 0.51);
}

void room_of_any_capacity() {
  for (const Weight capacity : {Weight{1}, Weight{2}, ~Weight{0}}) {
    Probation probation(capacity, 1.0, 0.5);
    for (int i = 0; i < 50'000; ++i) {
      probation.add(0, {});
      probation.take_used(0);
      probation.tick();
      CHECK(probation.room() >= 1 && probation.room() <= capacity);
    }
    probation.validate();
  }
}

}  // namespace
}  // namespace augury::tests

int main() {
  using namespace augury::tests;
  markov_follows_a_cycle();
  contexts_tell_apart_what_one_key_does_not();
  runs_have_any_step();
  runs_may_be_interleaved();
  runs_end_where_integers_do();
  associations_are_mined_from_noise();
  associations_survive_a_clock_that_wraps();
  associations_forget();
  periods_are_foreseen();
  periods_survive_any_time();
  keys_give_up_their_numbers();
  sessions_are_told_apart();
  sessions_do_not_learn_of_what_was_forgotten();
  random_keys_are_left_alone();
  options_are_bounded();
  mixture_survives_failing_allocations();
  memory_is_bounded_by_the_keys_known();
  the_same_again();
  the_threshold_returns();
  room_of_any_capacity();
}
