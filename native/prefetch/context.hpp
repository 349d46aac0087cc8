// What came after these two, and these three, keys, in their session.
// J. G. Cleary, I. H. Witten, "Data compression using adaptive coding and partial string matching",
// IEEE Transactions on Communications, 1984; as a prefetcher: K. M. Curewitz, P. Krishnan,
// J. S. Vitter, "Practical prefetching via data compression", SIGMOD 1993.
#pragma once

#include <algorithm>
#include <bit>

#include "core/hash.hpp"
#include "core/slab.hpp"
#include "prefetch/predictor.hpp"
#include "prefetch/successors.hpp"

namespace augury {

// Contexts lie in a table without chains: of two that fall on one place, the one asked for stays.
class Context final : public Predictor {
 public:
  static constexpr PredictorDescription kDescription{
      .name = "context",
      .title = "Contexts of two and three keys (PPM)",
      .paper = "Curewitz et al., Practical prefetching via data compression, SIGMOD 1993",
  };

  explicit Context(const PredictorSetup& setup)
      : most_(std::bit_ceil(std::clamp<std::size_t>(2 * setup.keys, 1024, std::size_t{1} << 24))) {}

  void see(const Asked& asked, Guesses& guesses) override {
    if (asked.repeated) return;
    const auto [a, b, c] = asked.before;
    if (b == kNone) return;
    reserve();
    place(key_of(a, b)).add(asked.key);
    if (c != kNone) place(key_of(a, b, c)).add(asked.key);
    guess(key_of(asked.key, a), 0, guesses);
    guess(key_of(asked.key, a, b), Successors<kMost>::kClasses, guesses);
  }

  void prefetch(const Asked& asked) const override {
    const auto [a, b, c] = asked.before;
    if (a == kNone || asked.repeated || places_.size() == 0) return;
    const auto fetch = [&](std::uint64_t key) {
      __builtin_prefetch(&places_[key & (places_.size() - 1)], 1);
    };
    fetch(key_of(asked.key, a));
    fetch(key_of(asked.key, a, b));
  }
  [[nodiscard]] std::size_t bytes() const override { return places_.bytes(); }

 private:
  static constexpr std::size_t kMost = 2;
  static constexpr std::size_t kFirst = 1024;

  struct Place {
    std::uint32_t print;
    Successors<kMost> after;
  };

  static std::uint64_t key_of(Slot a, Slot b) { return mix((std::uint64_t{a} << 32) | b); }
  static std::uint64_t key_of(Slot a, Slot b, Slot c) { return mix(key_of(a, b) + c + 1); }

  // Grows with what is learned.
  void reserve() {
    if (places_.size() != 0 && (taken_ < places_.size() / 2 || places_.size() >= most_)) return;
    Slab<Place> larger;
    larger.reserve(places_.size() == 0 ? std::min(kFirst, most_) : 2 * places_.size());
    for (std::size_t i = 0; i < larger.size(); ++i) larger[i] = {};
    // A context's place is told by the lower bits of its print, of which there is one more now.
    for (std::size_t i = 0; i < places_.size(); ++i) {
      if (!places_[i].after.empty()) larger[places_[i].print & (larger.size() - 1)] = places_[i];
    }
    places_.swap(larger);
  }

  Successors<kMost>& place(std::uint64_t key) {
    const auto print = static_cast<std::uint32_t>(key);
    Place& place = places_[print & (places_.size() - 1)];
    if (place.print != print || place.after.empty()) {
      taken_ += place.after.empty() ? 1 : 0;
      place = {print, {}};
    }
    return place.after;
  }

  void guess(std::uint64_t key, std::uint32_t from, Guesses& guesses) const {
    const auto print = static_cast<std::uint32_t>(key);
    const Place& place = places_[print & (places_.size() - 1)];
    if (place.print != print) return;
    place.after.each(
        [&](Slot next, std::uint32_t evidence) { guesses.add(next, from + evidence); });
  }

  std::size_t most_;
  std::size_t taken_ = 0;
  Slab<Place> places_;
};

}  // namespace augury
