// A heap of entries: the one that comes before all others is in front.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <stdexcept>

#include "core/slab.hpp"

namespace augury {

// Four children each, so that four entries of 16 bytes take one cache line and a heap is half as
// deep as a binary one. D. B. Johnson, "Priority queues with update and finding minimum spanning
// trees", Information Processing Letters 4(3), 1975.
//
// Before()(a, b): a has to come out before b. Only reserve() takes memory.
template <class Entry, class Before>
class Heap {
 public:
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] bool full() const { return size_ == entries_.size(); }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t bytes() const { return entries_.bytes(); }
  [[nodiscard]] const Entry& front() const { return entries_[0]; }
  // In no order that means anything.
  [[nodiscard]] std::span<Entry> entries() { return {entries_.data(), size_}; }
  [[nodiscard]] std::span<const Entry> entries() const { return {entries_.data(), size_}; }

  // Makes room for that many. Throws std::bad_alloc, and then nothing has changed.
  void reserve(std::size_t size) { entries_.reserve(size); }

  // It must not be full.
  void push(const Entry& entry) { sift_up(size_++, entry); }

  void pop() {
    const Entry last = entries_[--size_];
    if (size_ != 0) sift_down(0, last);
  }

  // The same as pop() and push().
  void replace_front(const Entry& entry) { sift_down(0, entry); }

  void clear() { size_ = 0; }

  // Adds an entry without regard to order, which order() then restores. It must not be full.
  void append(const Entry& entry) { entries_[size_++] = entry; }
  void order() {
    for (std::size_t at = size_ < 2 ? 0 : (size_ - 2) / kChildren + 1; at-- > 0;) {
      sift_down(at, entries_[at]);
    }
  }

  // Keeps the first `size` of entries(), then to be ordered again.
  void truncate(std::size_t size) { size_ = size; }

  void validate() const {
    if (size_ > entries_.size()) throw std::logic_error("heap: too many entries");
    for (std::size_t at = 1; at < size_; ++at) {
      if (Before()(entries_[at], entries_[(at - 1) / kChildren])) {
        throw std::logic_error("heap: out of order");
      }
    }
  }

 private:
  static constexpr std::size_t kChildren = 4;

  void sift_up(std::size_t at, const Entry entry) {
    while (at != 0) {
      const std::size_t parent = (at - 1) / kChildren;
      if (!Before()(entry, entries_[parent])) break;
      entries_[at] = entries_[parent];
      at = parent;
    }
    entries_[at] = entry;
  }

  void sift_down(std::size_t at, const Entry entry) {
    for (;;) {
      const std::size_t first = at * kChildren + 1;
      if (first >= size_) break;
      const std::size_t end = std::min(first + kChildren, size_);
      std::size_t best = first;
      for (std::size_t child = first + 1; child < end; ++child) {
        if (Before()(entries_[child], entries_[best])) best = child;
      }
      if (!Before()(entries_[best], entry)) break;
      entries_[at] = entries_[best];
      at = best;
    }
    entries_[at] = entry;
  }

  Slab<Entry> entries_;
  std::size_t size_ = 0;
};

}  // namespace augury
