// The hash index of a cache: hash -> slot.
// N. Bronson, X. Shi, "Open-sourcing F14 for faster, more memory-efficient hash tables", Facebook
// Engineering, 2019.
#pragma once

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <stdexcept>

#include "core/hash.hpp"
#include "core/types.hpp"

namespace augury {

// Twelve slots share a chunk of one cache line, with a byte of hash each, which one instruction
// compares at once: a look-up nearly always reads one line and takes no branch that cannot be
// predicted. A slot whose chunk is full goes to the next; a chunk counts the slots that passed it, so
// that a miss knows where to stop and erasing leaves no tombstones.
class Table {
 public:
  // `expected` entries will be enough: growing stops at the size which that many need.
  explicit Table(std::size_t expected = 0) : expected_(expected) {}

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t bytes() const { return count_ * sizeof(Chunk); }
  void expect(std::size_t entries) { expected_ = entries; }

  // The first slot filed under `hash` for which equal(slot) holds, or kNone. `equal` is asked about
  // few other slots, but may be; once it has returned true the table is not touched any more.
  template <class Equal>
  Slot find(std::uint64_t hash, Equal&& equal) const {
    if (size_ == 0) return kNone;
    const std::uint8_t tag = tag_of(hash);
    for (std::uint32_t at = home(hash);;) {
      const Chunk& chunk = chunks_[at];
      for (std::uint32_t hits = chunk.matches(tag); hits != 0; hits &= hits - 1) {
        const Slot slot = chunk.slots[std::countr_zero(hits)];
        if (equal(slot)) return slot;
      }
      if (chunk.passed == 0) return kNone;
      if (++at == count_) at = 0;
    }
  }

  // As find(), for a comparison that may be unable to tell: verdict(slot) is kEqual, kDifferent or
  // kUnsure, and kUnsure ends the search.
  enum class Verdict { kEqual, kDifferent, kUnsure };
  static constexpr Slot kUndecided = kNone - 1;
  template <class Compare>
  [[gnu::always_inline]] Slot probe(std::uint64_t hash, Compare&& compare) const {
    if (size_ == 0) [[unlikely]] return kNone;
    const std::uint8_t tag = tag_of(hash);
    for (std::uint32_t at = home(hash);;) {
      const Chunk& chunk = chunks_[at];
      for (std::uint32_t hits = chunk.matches(tag); hits != 0; hits &= hits - 1) {
        const Slot slot = chunk.slots[std::countr_zero(hits)];
        const Verdict verdict = compare(slot);
        if (verdict == Verdict::kEqual) [[likely]] return slot;
        if (verdict == Verdict::kUnsure) [[unlikely]] return kUndecided;
      }
      if (chunk.passed == 0) [[likely]] return kNone;
      if (++at == count_) at = 0;
    }
  }

  // Makes sure that the next insert() has room. hash_of(slot) is the hash a slot is filed under.
  // Throws std::bad_alloc or std::length_error, and then nothing has changed.
  template <class HashOf>
  void prepare(HashOf&& hash_of) {
    if (size_ >= limit_) [[unlikely]] grow(hash_of);
  }

  // Files a slot that is not filed yet. prepare() has been called since the last insert().
  void insert(std::uint64_t hash, Slot slot) {
    std::uint32_t at = home(hash);
    for (;;) {
      Chunk& chunk = chunks_[at];
      const std::uint32_t room = chunk.matches(kEmpty);
      if (room != 0) {
        const int place = std::countr_zero(room);
        chunk.tags[place] = tag_of(hash);
        chunk.slots[place] = slot;
        break;
      }
      if (chunk.passed < kMany) ++chunk.passed;
      if (++at == count_) at = 0;
    }
    ++size_;
  }

  // Removes a slot that is filed under `hash`.
  void erase(std::uint64_t hash, Slot slot) {
    const std::uint8_t tag = tag_of(hash);
    for (std::uint32_t at = home(hash);;) {
      Chunk& chunk = chunks_[at];
      for (std::uint32_t hits = chunk.matches(tag); hits != 0; hits &= hits - 1) {
        const int place = std::countr_zero(hits);
        if (chunk.slots[place] != slot) continue;
        chunk.tags[place] = kEmpty;
        --size_;
        return;
      }
      if (chunk.passed < kMany) --chunk.passed;
      if (++at == count_) at = 0;
    }
  }

  // Every filed slot must be found from the hash that hash_of(slot) gives; throws std::logic_error.
  template <class HashOf>
  void validate(HashOf&& hash_of) const {
    std::size_t filed = 0;
    for (std::uint32_t at = 0; at < count_; ++at) {
      for (int place = 0; place < kPlaces; ++place) {
        if (chunks_[at].tags[place] == kEmpty) continue;
        ++filed;
        const Slot slot = chunks_[at].slots[place];
        if (find(hash_of(slot), [&](Slot other) { return other == slot; }) != slot) {
          throw std::logic_error("table: a filed slot is not found");
        }
      }
    }
    if (filed != size_) throw std::logic_error("table: miscounted");
  }

 private:
  static constexpr int kPlaces = 12;
  static constexpr std::uint8_t kEmpty = 0;
  static constexpr std::uint8_t kMany = 255;  // passed: no longer counted, and never lowered again

  struct alignas(64) Chunk {
    std::array<std::uint8_t, kPlaces> tags;
    std::uint8_t passed;
    std::array<std::uint8_t, 3> unused;
    std::array<Slot, kPlaces> slots;

    // Bit i is set where tags[i] == tag.
    [[nodiscard]] std::uint32_t matches(std::uint8_t tag) const {
#ifdef __SSE2__
      const __m128i all = _mm_load_si128(reinterpret_cast<const __m128i*>(tags.data()));
      const __m128i equal = _mm_cmpeq_epi8(all, _mm_set1_epi8(static_cast<char>(tag)));
      return static_cast<std::uint32_t>(_mm_movemask_epi8(equal)) & ((1U << kPlaces) - 1);
#else
      std::uint32_t bits = 0;
      for (int i = 0; i < kPlaces; ++i) bits |= static_cast<std::uint32_t>(tags[i] == tag) << i;
      return bits;
#endif
    }
  };
  static_assert(sizeof(Chunk) == 64);

  // Two thirds full at most: one chunk in twenty then passes a slot on.
  static constexpr std::size_t limit(std::size_t chunks) { return chunks * (kPlaces * 2 / 3); }

  static std::uint8_t tag_of(std::uint64_t hash) {
    const auto tag = static_cast<std::uint8_t>(hash);
    return tag == kEmpty ? 1 : tag;
  }
  [[nodiscard]] std::uint32_t home(std::uint64_t hash) const {
    return reduce(static_cast<std::uint32_t>(hash >> 32), count_);
  }

  template <class HashOf>
  void grow(HashOf&& hash_of) {
    std::size_t count = std::max<std::size_t>(2, std::size_t{count_} * 2);
    const std::size_t enough = expected_ / limit(1) + 1;
    if (limit(enough) > size_) count = std::min(count, enough);
    if (count > kNone) throw std::length_error("a cache holds too many entries");
    auto old = std::make_unique<Chunk[]>(count);
    old.swap(chunks_);
    const std::uint32_t old_count = count_;
    count_ = static_cast<std::uint32_t>(count);
    limit_ = limit(count);
    size_ = 0;
    for (std::uint32_t at = 0; at < old_count; ++at) {
      for (int place = 0; place < kPlaces; ++place) {
        if (old[at].tags[place] != kEmpty) insert(hash_of(old[at].slots[place]), old[at].slots[place]);
      }
    }
  }

  std::unique_ptr<Chunk[]> chunks_;
  std::size_t size_ = 0;
  std::size_t limit_ = 0;
  std::size_t expected_;
  std::uint32_t count_ = 0;
};

}  // namespace augury
