// Keys that are asked for together, again and again, whatever comes between.
// J. Yang, R. Karimi, T. Saemundsson, A. Wildani, Y. Vigfusson, "MITHRIL: mining sporadic
// associations for cache prefetching", SoCC 2017.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "core/slab.hpp"
#include "prefetch/predictor.hpp"

namespace augury {

// Notes when each key was asked for. Keys that were asked for equally often, and each time within
// `kRange` requests of another, are associated; keys asked for more than kSupport[1] times between
// two minings are in the cache anyway. Mined in small lots, when enough keys have been seen often
// enough, so a request costs O(log kLot) amortised.
class Association final : public Predictor {
 public:
  static constexpr PredictorDescription kDescription{
      .name = "association",
      .title = "Sporadic associations (MITHRIL)",
      .paper =
          "Yang et al., MITHRIL: mining sporadic associations for cache prefetching, SoCC 2017",
  };

  explicit Association(const PredictorSetup& /*setup*/) { lot_.reserve(kLot); }

  void see(const Asked& asked, Guesses& guesses) override {
    ensure(asked.key);
    if (asked.repeated) return;
    Note& note = notes_[asked.key];
    const auto now = static_cast<std::uint32_t>(asked.clock);
    if (note.count < kSupport) note.at[note.count] = now;
    if (note.count <= kSupport) ++note.count;
    if (note.count == kLeast) {
      lot_.push_back(asked.key);
      if (lot_.size() == kLot) mine(now);
    }
    for (std::uint32_t i = 0; i < note.partners.size(); ++i) {
      if (note.partners[i] == kNone) break;
      guesses.add(note.partners[i], 3 * std::min<std::uint32_t>(note.sure[i], 7) + i);
    }
  }

  void prefetch(const Asked& asked) const override {
    if (asked.key < size_) __builtin_prefetch(&notes_[asked.key], 1);
  }
  void forget(Slot key) override {
    if (key >= size_) return;
    if (notes_[key].count >= kLeast) std::erase(lot_, key);
    notes_[key] = {};
  }
  [[nodiscard]] std::size_t bytes() const override {
    return notes_.bytes() + lot_.capacity() * sizeof(Slot);
  }

 private:
  static constexpr std::uint8_t kLeast = 2;    // times that a key is asked for before it is mined
  static constexpr std::uint8_t kSupport = 4;  // and above which it is frequent
  static constexpr std::uint32_t kRange = 32;
  static constexpr std::size_t kLot = 1024;
  static constexpr std::size_t kPartners = 3;

  struct Note {
    std::array<std::uint32_t, kSupport> at{};
    std::array<Slot, kPartners> partners{kNone, kNone, kNone};  // the latest first
    std::array<std::uint8_t, kPartners> sure{};                 // how often each was mined
    std::uint8_t count = 0;
  };

  void ensure(Slot key) {
    notes_.ensure(key);
    for (; size_ < notes_.size(); ++size_) notes_[size_] = {};
  }

  void mine(std::uint32_t now) {
    // By age, which unlike a time modulo 2^32 is in order.
    std::ranges::sort(
        lot_, [&](Slot a, Slot b) { return now - notes_[a].at[0] > now - notes_[b].at[0]; });
    for (std::size_t i = 0; i < lot_.size(); ++i) {
      for (std::size_t j = i + 1; j < std::min(lot_.size(), i + kNeighbours); ++j) {
        if (notes_[lot_[j]].at[0] - notes_[lot_[i]].at[0] > kRange) break;
        if (together(notes_[lot_[i]], notes_[lot_[j]])) associate(notes_[lot_[i]], lot_[j]);
      }
    }
    for (const Slot key : lot_) notes_[key].count = 0;
    lot_.clear();
  }
  static constexpr std::size_t kNeighbours = 16;

  static bool together(const Note& a, const Note& b) {
    if (a.count != b.count || a.count > kSupport) return false;
    for (std::uint8_t i = 0; i < a.count; ++i) {
      if (b.at[i] - a.at[i] > kRange) return false;  // as `b` after `a`, each time
    }
    return true;
  }

  static void associate(Note& note, Slot partner) {
    std::size_t at = 0;
    while (at + 1 < kPartners && note.partners[at] != partner && note.partners[at] != kNone) ++at;
    if (note.partners[at] != partner) {
      note.partners[at] = partner;
      note.sure[at] = 0;
    }
    note.sure[at] = static_cast<std::uint8_t>(std::min(note.sure[at] + 1, 255));
    if (at != 0 && note.sure[at] >= note.sure[at - 1]) {
      std::swap(note.partners[at], note.partners[at - 1]);
      std::swap(note.sure[at], note.sure[at - 1]);
    }
  }

  std::size_t size_ = 0;
  Slab<Note> notes_;       // by key
  std::vector<Slot> lot_;  // to be mined
};

}  // namespace augury
