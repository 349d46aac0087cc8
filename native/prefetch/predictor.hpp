// The contract between the mixture and a predictor of the next keys.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/types.hpp"

namespace augury {

// What users read about a predictor. Each has a `static constexpr PredictorDescription
// kDescription`.
struct PredictorDescription {
  std::string_view name;   // as users write it: "markov"
  std::string_view title;  // as papers write it
  std::string_view paper;
};

// How many keys of its session a request is told with.
inline constexpr std::size_t kOrder = 3;

// A request as predictors see it. Keys are numbered by a KeyTable.
struct Asked {
  Slot key;
  std::uint64_t number;  // the key itself, where it is an integer
  bool numeric;          // whether it is
  bool repeated;         // it is the one that its session asked for just now
  std::uint32_t time;    // seconds, or 0: unknown
  std::uint64_t clock;   // counts requests
  // What its session asked for before, the latest first; kNone where it did not.
  std::array<Slot, kOrder> before;
};

// A key that may be asked for soon.
struct Guess {
  Slot key;              // kNone: one that may never have been seen,
  std::uint64_t number;  // and is this integer
  // How sure the predictor is, in classes of its own: of each class it is measured how often it is
  // right.
  std::uint8_t evidence;
  std::uint8_t predictor;  // whose; the mixture's to fill in
};

// The guesses of all predictors after one request.
class Guesses {
 public:
  [[nodiscard]] bool full() const { return size_ == guesses_.size(); }
  void add(Slot key, std::uint32_t evidence) { push({key, 0, narrow(evidence), predictor_}); }
  void add_number(std::uint64_t number, std::uint32_t evidence) {
    push({kNone, number, narrow(evidence), predictor_});
  }
  // Whose the following ones are.
  void of(std::uint8_t predictor) { predictor_ = predictor; }
  void clear() { size_ = 0; }
  [[nodiscard]] std::span<const Guess> all() const { return {guesses_.data(), size_}; }

 private:
  static std::uint8_t narrow(std::uint32_t evidence) {
    return static_cast<std::uint8_t>(evidence < 255 ? evidence : 255);
  }
  void push(const Guess& guess) {
    if (!full()) guesses_[size_++] = guess;
  }

  std::array<Guess, 48> guesses_;
  std::size_t size_ = 0;
  std::uint8_t predictor_ = 0;
};

// Learns from every request and says what may come next. Memory is bounded by the number of keys
// known; one request costs O(1). One thread at a time calls it.
class Predictor {
 public:
  Predictor() = default;
  Predictor(const Predictor&) = delete;
  Predictor& operator=(const Predictor&) = delete;
  virtual ~Predictor() = default;

  // Learns of this request, and guesses what comes after it. Throws std::bad_alloc, and then it may
  // not have learned of it.
  virtual void see(const Asked& asked, Guesses& guesses) = 0;

  // Fetches what see() is going to read; the same request follows.
  virtual void prefetch(const Asked& /*asked*/) const {}

  // The number is another key's from now on. Guesses of others that name it may remain: they are
  // wrong, and soon outweighed.
  virtual void forget(Slot /*key*/) {}

  // From now on it should look so many requests ahead, where it can: from 1 to kDeepest.
  virtual void look(std::uint32_t /*depth*/) {}

  [[nodiscard]] virtual std::size_t bytes() const = 0;
};

// What a predictor is built from.
struct PredictorSetup {
  std::size_t keys;         // how many are known at most
  std::uint32_t depth = 1;  // how many requests ahead it should look, where it can, up to kDeepest
};

inline constexpr std::uint32_t kDeepest = 4;

}  // namespace augury
