// All predictors together: which keys to fetch after this request.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/hash.hpp"
#include "prefetch/calibration.hpp"
#include "prefetch/catalogue.hpp"
#include "prefetch/key_table.hpp"
#include "prefetch/predictor.hpp"
#include "prefetch/sessions.hpp"

namespace augury {

// A key worth fetching.
struct Choice {
  std::uint64_t hash;
  Slot key;              // by the mixture's KeyTable; kNone: one that was never seen,
  std::uint64_t number;  // and is this integer
  std::uint8_t predictor;
  float probability;
};

class Mixture {
 public:
  struct Options {
    std::size_t keys = 1 << 16;      // known at most
    std::uint32_t predictors = ~0U;  // bit i: whether the i-th of the catalogue takes part
    std::uint32_t depth = 1;         // see PredictorSetup
    std::size_t most = 4;            // chosen after one request, up to kMost
  };

  // A request, as it comes.
  struct Request {
    std::uint64_t hash;
    std::uint64_t number = 0;  // the key itself, if it is `numeric`
    bool numeric = false;
    std::uint64_t session = 0;
    std::uint32_t time = 0;  // seconds, or 0: unknown
  };

  explicit Mixture(const Options& options)
      : options_(bounded(options)),
        keys_(options_.keys),
        sessions_(std::clamp<std::size_t>(options_.keys / 16, 64, 1 << 16)),
        calibration_(Predictors::kSize, 64) {
    build(Predictors{});
  }

  // Learns of a request, and returns what should be fetched now, the likeliest first: keys whose
  // probability is at least `threshold` and of which has(hash) is false. forgotten(key) is told of
  // a number that is going to be another key's; known(key) of one that is this request's and new.
  template <class Has>
  std::span<const Choice> see(const Request& request, float threshold, Has&& has) {
    ++clock_;
    calibration_.judge(keys_, clock_);
    touched_ = keys_.touch(request.hash, clock_);
    if (touched_.replaced) {
      for (const auto& predictor : predictors_) {
        if (predictor != nullptr) predictor->forget(touched_.key);
      }
    }
    Sessions::Session& session = sessions_.of(request.session);
    if (keys_.full()) drop_forgotten(session);
    const Asked asked{.key = touched_.key,
                      .number = request.number,
                      .numeric = request.numeric,
                      .repeated = session.before[0] == touched_.key,
                      .time = request.time,
                      .clock = clock_,
                      .before = session.before};
    for (const auto& predictor : predictors_) {
      if (predictor != nullptr) predictor->prefetch(asked);
    }
    guesses_.clear();
    for (std::size_t i = 0; i < predictors_.size(); ++i) {
      if (predictors_[i] == nullptr) continue;
      guesses_.of(static_cast<std::uint8_t>(i));
      predictors_[i]->see(asked, guesses_);
    }
    session.clock = clock_;
    if (!asked.repeated) {
      std::copy_backward(session.before.begin(), session.before.end() - 1, session.before.end());
      session.before[0] = touched_.key;
      std::copy_backward(session.prints.begin(), session.prints.end() - 1, session.prints.end());
      session.prints[0] = print_of(request.hash);
    }
    choose(request, threshold, has);
    return {chosen_.data(), count_};
  }

  // What the last see() did with the request's key.
  [[nodiscard]] const KeyTable::Touched& touched() const { return touched_; }
  [[nodiscard]] const KeyTable& keys() const { return keys_; }
  // For how many requests a fetched key is expected to be kept, and how many a fetch takes.
  void horizon(std::uint64_t requests) { calibration_.horizon(requests); }
  void delay(std::uint64_t requests) { calibration_.delay(requests); }
  // See Predictor::look.
  void depth(std::uint32_t depth) {
    for (const auto& predictor : predictors_) {
      if (predictor != nullptr) predictor->look(depth);
    }
  }

  [[nodiscard]] std::size_t bytes() const {
    std::size_t bytes = keys_.bytes() + sessions_.bytes() + calibration_.bytes();
    for (const auto& predictor : predictors_) {
      if (predictor != nullptr) bytes += predictor->bytes();
    }
    return bytes;
  }
  void validate() const { keys_.validate(); }

  static constexpr std::size_t kMost = 8;

 private:
  static Options bounded(Options options) {
    options.keys = std::clamp<std::size_t>(options.keys, 1, kNone);
    options.depth = std::clamp(options.depth, 1U, kDeepest);
    options.most = std::min(options.most, kMost);
    return options;
  }

  static std::uint32_t print_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash); }

  // Numbers that are another key's by now, and what came before, are no part of the session any
  // more.
  void drop_forgotten(Sessions::Session& session) const {
    for (std::size_t i = 0; i < kOrder && session.before[i] != kNone; ++i) {
      if (print_of(keys_.hash(session.before[i])) == session.prints[i]) continue;
      std::fill(session.before.begin() + static_cast<std::ptrdiff_t>(i), session.before.end(),
                kNone);
    }
  }

  template <class... Each>
  void build(PredictorList<Each...>) {
    const PredictorSetup setup{.keys = options_.keys, .depth = options_.depth};
    std::uint32_t bit = 1;
    const auto add = [&]<class P>(std::type_identity<P>) {
      predictors_.push_back((options_.predictors & bit) != 0 ? std::make_unique<P>(setup)
                                                             : nullptr);
      bit <<= 1;
    };
    (add(std::type_identity<Each>{}), ...);
  }

  template <class Has>
  void choose(const Request& request, float threshold, Has&& has) {
    count_ = 0;
    if (options_.most == 0) return;
    for (const Guess& guess : guesses_.all()) {
      if (guess.key != kNone) keys_.prefetch(guess.key);
    }
    for (const Guess& guess : guesses_.all()) {
      const float probability = calibration_.probability(guess);
      const bool promising = probability >= threshold;
      const bool measured = calibration_.has_room();
      if (!promising && !measured) continue;
      const std::uint64_t hash =
          guess.key == kNone ? integer_hash(guess.number) : keys_.hash(guess.key);
      if (hash == request.hash || has(hash)) continue;
      if (measured) calibration_.watch(guess, hash, clock_);
      if (promising) {
        const Slot key = guess.key == kNone ? keys_.find(hash) : guess.key;
        choose({hash, key, guess.number, guess.predictor, probability});
      }
    }
  }

  void choose(const Choice& choice) {
    const auto end = chosen_.begin() + static_cast<std::ptrdiff_t>(count_);
    auto at = std::find_if(chosen_.begin(), end,
                           [&](const Choice& other) { return other.hash == choice.hash; });
    if (at != end) {
      if (at->probability >= choice.probability) return;
    } else if (count_ < options_.most) {
      at = chosen_.begin() + static_cast<std::ptrdiff_t>(count_++);
    } else {
      at = end - 1;
      if (at->probability >= choice.probability) return;
    }
    for (; at != chosen_.begin() && (at - 1)->probability < choice.probability; --at) {
      *at = *(at - 1);
    }
    *at = choice;
  }

  Options options_;
  std::uint64_t clock_ = 0;
  KeyTable keys_;
  Sessions sessions_;
  Calibration calibration_;
  std::vector<std::unique_ptr<Predictor>> predictors_;  // nullptr: takes no part
  Guesses guesses_;
  KeyTable::Touched touched_{};
  std::array<Choice, kMost> chosen_{};
  std::size_t count_ = 0;
};

}  // namespace augury
