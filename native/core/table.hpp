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
#include <utility>

#include "core/hash.hpp"
#include "core/types.hpp"

namespace augury {

// Where the slots of a hash are at home: by a mask, in a power of two of chunks.
class PowersOfTwo {
 public:
  // Slots a chunk at most, on average. Of those with nine, one in eight passes a slot on.
  static constexpr std::size_t kFill = 9;

  void resize(std::size_t chunks) { mask_ = chunks - 1; }
  [[nodiscard]] std::size_t size() const { return mask_ + 1; }
  [[nodiscard]] std::size_t home(std::uint64_t hash) const { return (hash >> 32) & mask_; }
  [[nodiscard]] std::size_t after(std::size_t at) const { return (at + 1) & mask_; }
  static std::size_t fit(std::size_t chunks) { return std::bit_ceil(chunks); }

 private:
  std::size_t mask_ = 0;
};

// In any number of chunks: a little slower, but a table of known size has the load it should have.
class AnyNumber {
 public:
  // One in twenty passes a slot on, in the course of time.
  static constexpr std::size_t kFill = 6;

  void resize(std::size_t chunks) { size_ = static_cast<std::uint32_t>(chunks); }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t home(std::uint64_t hash) const {
    return reduce(static_cast<std::uint32_t>(hash >> 32), size_);
  }
  [[nodiscard]] std::size_t after(std::size_t at) const { return at + 1 == size_ ? 0 : at + 1; }
  static std::size_t fit(std::size_t chunks) { return chunks; }

 private:
  std::uint32_t size_ = 1;
};

// Twelve slots share a chunk of one cache line, with a byte of hash each, which one instruction
// compares at once: a look-up nearly always reads one line and takes no branch that cannot be
// predicted. A slot whose chunk is full goes to the next; a chunk counts the slots that passed it,
// so that a miss knows where to stop and erasing leaves no tombstones.
template <class Chunks>
class ChunkedTable {
 public:
  ChunkedTable() = default;
  ChunkedTable(const ChunkedTable&) = delete;
  ChunkedTable& operator=(const ChunkedTable&) = delete;

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t bytes() const {
    return memory_ == nullptr ? 0 : count_.size() * sizeof(Chunk);
  }

  // The first slot filed under `hash` for which equal(slot) holds, or kNone. `equal` is asked about
  // few other slots, but may be; once it has returned true the table is not touched any more.
  template <class Equal>
  Slot find(std::uint64_t hash, Equal&& equal) const {
    const std::uint8_t tag = tag_of(hash);
    std::size_t at = count_.home(hash);
    // Every chunk may have passed a slot on, so at the latest all of them have been looked at.
    for (std::size_t left = count_.size(); left != 0; --left, at = count_.after(at)) {
      const Chunk& chunk = chunks_[at];
      for (std::uint32_t hits = chunk.matches(tag); hits != 0; hits &= hits - 1) {
        const Slot slot = chunk.slots[std::countr_zero(hits)];
        if (equal(slot)) return slot;
      }
      if (chunk.passed == 0) return kNone;
    }
    return kNone;
  }

  // A short cut to find(): looks only where nearly every slot is. kNone means nothing.
  template <class Equal>
  [[gnu::always_inline]] Slot find_at_home(std::uint64_t hash, Equal&& equal) const {
    const Chunk& chunk = chunks_[count_.home(hash)];
    for (std::uint32_t hits = chunk.matches(tag_of(hash)); hits != 0; hits &= hits - 1) {
      const Slot slot = chunk.slots[std::countr_zero(hits)];
      if (equal(slot)) [[likely]]
        return slot;
    }
    return kNone;
  }

  // Fetches what erase() and find() will read.
  [[gnu::always_inline]] void prefetch(std::uint64_t hash) const {
    __builtin_prefetch(&chunks_[count_.home(hash)], 1);
  }

  // Makes an empty table large enough for that many. Throws as prepare() does.
  void reserve(std::size_t size) {
    allocate(Chunks::fit((size + Chunks::kFill - 1) / Chunks::kFill));
  }

  // Takes all out, and keeps the memory.
  void clear() {
    if (memory_ != nullptr) std::fill_n(chunks_, count_.size(), Chunk{});
    size_ = 0;
    uncounted_ = 0;
  }

  void swap(ChunkedTable& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(chunks_, other.chunks_);
    std::swap(count_, other.count_);
    std::swap(size_, other.size_);
    std::swap(limit_, other.limit_);
    std::swap(uncounted_, other.uncounted_);
  }

  // Makes sure that the next insert() has room. hash_of(slot) is the hash a slot is filed under.
  // Throws std::bad_alloc or std::length_error, and then nothing has changed.
  template <class HashOf>
  void prepare(HashOf&& hash_of) {
    if (size_ >= limit_) [[unlikely]]
      rebuild(hash_of);
  }

  // Files a slot that is not filed yet. prepare() has been called since the last insert().
  void insert(std::uint64_t hash, Slot slot) {
    std::size_t at = count_.home(hash);
    for (; chunks_[at].used == kFull; at = count_.after(at)) {
      if (chunks_[at].passed < kMany) ++chunks_[at].passed;
    }
    Chunk& chunk = chunks_[at];
    const int place = std::countr_one(chunk.used);
    chunk.tags[place] = tag_of(hash);
    chunk.slots[place] = slot;
    chunk.used = static_cast<std::uint16_t>(chunk.used | 1U << place);
    ++size_;
  }

  // Removes a slot that is filed under `hash`.
  void erase(std::uint64_t hash, Slot slot) {
    const std::uint8_t tag = tag_of(hash);
    for (std::size_t at = count_.home(hash);; at = count_.after(at)) {
      Chunk& chunk = chunks_[at];
      for (std::uint32_t hits = chunk.matches(tag); hits != 0; hits &= hits - 1) {
        const int place = std::countr_zero(hits);
        if (chunk.slots[place] != slot) continue;
        chunk.used = static_cast<std::uint16_t>(chunk.used & ~(1U << place));
        --size_;
        return;
      }
      if (chunk.passed < kMany) {
        --chunk.passed;
      } else if (++uncounted_ > kUncounted * count_.size()) {
        limit_ = 0;  // the next prepare() counts anew
      }
    }
  }

  // Every filed slot must be found from the hash that hash_of(slot) gives; throws std::logic_error.
  template <class HashOf>
  void validate(HashOf&& hash_of) const {
    std::size_t filed = 0;
    for (std::size_t at = 0; at < count_.size(); ++at) {
      for (std::uint32_t used = chunks_[at].used; used != 0; used &= used - 1) {
        ++filed;
        const Slot slot = chunks_[at].slots[std::countr_zero(used)];
        if (find(hash_of(slot), [&](Slot other) { return other == slot; }) != slot) {
          throw std::logic_error("table: a filed slot is not found");
        }
      }
    }
    if (filed != size_) throw std::logic_error("table: miscounted");
  }

 private:
  static constexpr int kPlaces = 12;
  static constexpr std::uint16_t kFull = (1U << kPlaces) - 1;
  // Slots a chunk that were erased but not counted off a full count, before all is counted anew: or
  // chunks that many keys with one home once passed would let every later search pass, too.
  static constexpr std::size_t kUncounted = 64;
  static constexpr std::uint8_t kMany = 255;  // passed: no longer counted until all is counted anew

  struct alignas(64) Chunk {
    std::array<std::uint8_t, kPlaces> tags;
    std::uint16_t used;   // bit i is set where slots[i] is filed
    std::uint8_t passed;  // slots whose home is here or before, filed further on
    std::uint8_t unused;
    std::array<Slot, kPlaces> slots;

    // Bit i is set where slots[i] is filed under a hash with this tag.
    [[nodiscard]] std::uint32_t matches(std::uint8_t tag) const {
#ifdef __SSE2__
      const __m128i all = _mm_load_si128(reinterpret_cast<const __m128i*>(tags.data()));
      const __m128i equal = _mm_cmpeq_epi8(all, _mm_set1_epi8(static_cast<char>(tag)));
      return static_cast<std::uint32_t>(_mm_movemask_epi8(equal)) & used;
#else
      std::uint32_t bits = 0;
      for (int i = 0; i < kPlaces; ++i) bits |= static_cast<std::uint32_t>(tags[i] == tag) << i;
      return bits & used;
#endif
    }
  };
  static_assert(sizeof(Chunk) == 64);

  static std::uint8_t tag_of(std::uint64_t hash) { return static_cast<std::uint8_t>(hash); }

  template <class HashOf>
  void rebuild(HashOf&& hash_of) {
    const std::size_t old_count = memory_ == nullptr ? 0 : count_.size();
    const bool crowded = size_ >= old_count * Chunks::kFill;
    const auto old = allocate(crowded ? std::max<std::size_t>(2 * old_count, 1) : old_count);
    size_ = 0;
    for (std::size_t at = 0; at < old_count; ++at) {
      for (std::uint32_t used = old[at].used; used != 0; used &= used - 1) {
        const Slot slot = old[at].slots[std::countr_zero(used)];
        insert(hash_of(slot), slot);
      }
    }
  }

  // Returns the chunks there were.
  std::unique_ptr<Chunk[]> allocate(std::size_t count) {
    if (count > kNone) throw std::length_error("a cache holds too many entries");
    auto memory = std::make_unique<Chunk[]>(count);
    memory.swap(memory_);
    chunks_ = memory_.get();
    count_.resize(count);
    limit_ = count * Chunks::kFill;
    uncounted_ = 0;
    return memory;
  }

  static inline Chunk nothing_{};  // what there is before the first prepare(); never written

  std::unique_ptr<Chunk[]> memory_;
  Chunk* chunks_ = &nothing_;
  Chunks count_;
  std::size_t size_ = 0;
  std::size_t limit_ = 0;
  std::size_t uncounted_ = 0;
};

using Table = ChunkedTable<PowersOfTwo>;

}  // namespace augury
