// A bounded queue of recorded accesses, between caches that fill it and what writes them down.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace augury {

// In the order of augury.accesslog.recording.OPERATIONS.
enum class Operation : std::uint8_t { kGet, kSet, kDelete, kLoad };

// One recorded access but for its key. Python reads these bytes as an array: see ACCESS there.
struct Access {
  std::int64_t time = 0;       // ns of the monotonic clock
  std::uint64_t sequence = 0;  // counts the sampled accesses of its source, dropped ones too
  std::uint64_t size = 0;      // weight of the entry, or 0 if it is not known
  std::int64_t latency = -1;   // ns that the load took, or -1 if this is none
  std::uint32_t source = 0;    // which cache
  Operation operation = Operation::kGet;
  bool hit = false;  // whether the key was there, or the load succeeded
  std::uint8_t unused[2] = {};
};
static_assert(sizeof(Access) == 40);

// Each access comes with `width` opaque pointers: its key, session and attributes, which the caller
// owns.
class AccessRing {
 public:
  // Throws std::bad_alloc. Memory is touched only as it fills.
  AccessRing(std::size_t capacity, std::size_t width)
      : width_(width), accesses_(capacity), objects_(capacity * width) {}

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t capacity() const { return accesses_.size(); }
  [[nodiscard]] std::size_t width() const { return width_; }
  [[nodiscard]] bool full() const { return size_ == capacity(); }

  // Returns where the caller puts the pointers. The ring must not be full.
  void** push(const Access& access) {
    const std::size_t at = wrap(first_ + size_);
    ++size_;
    accesses_[at] = access;
    return &objects_[at * width_];
  }

  // Takes out up to `most` of the oldest, and calls take(access, pointers) for each in order. It
  // must not touch the ring.
  template <class Take>
  void drain(std::size_t most, Take&& take) {
    for (std::size_t left = std::min(most, size_); left != 0; --left) {
      take(accesses_[first_], static_cast<void* const*>(&objects_[first_ * width_]));
      first_ = wrap(first_ + 1);
      --size_;
    }
  }

  // Calls visit(pointer) for every pointer until it returns something other than 0; returns that.
  template <class Visit>
  int visit(Visit&& visit) const {
    for (std::size_t i = 0; i < size_; ++i) {
      const std::size_t at = wrap(first_ + i) * width_;
      for (std::size_t j = 0; j < width_; ++j) {
        if (const int result = visit(objects_[at + j])) return result;
      }
    }
    return 0;
  }

 private:
  [[nodiscard]] std::size_t wrap(std::size_t at) const {
    return at < capacity() ? at : at - capacity();
  }

  std::size_t width_;
  std::size_t first_ = 0;
  std::size_t size_ = 0;
  std::vector<Access> accesses_;
  std::vector<void*> objects_;
};

}  // namespace augury
