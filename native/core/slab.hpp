// A growable array of plain state, indexed by slot.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <type_traits>
#include <utility>

#include "core/types.hpp"

namespace augury {

// Like std::vector, but grows by realloc, which for large arrays moves pages rather than bytes, and
// by half rather than double. New elements hold no value until one is written: memory that no entry
// has used yet takes no pages.
template <class T>
  requires std::is_trivially_copyable_v<T>
class Slab {
 public:
  Slab() = default;
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;
  Slab(Slab&& other) noexcept { swap(other); }
  Slab& operator=(Slab&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Slab() { std::free(data_); }

  static_assert(alignof(T) <= alignof(std::max_align_t), "realloc aligns no further");

  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }
  [[nodiscard]] T* data() { return data_; }  // nullptr if there are none
  [[nodiscard]] const T* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t bytes() const { return size_ * sizeof(T); }

  // Makes index i valid. Throws std::bad_alloc, and then nothing has changed.
  void ensure(std::size_t i) {
    if (i >= size_) [[unlikely]] {
      grow(std::max(i + 1, size_ + size_ / 2 + 16));
    }
  }

  // Makes exactly the indices below `size` valid, if they are not yet.
  void reserve(std::size_t size) {
    if (size > size_) grow(size);
  }

  void swap(Slab& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

 private:
  void grow(std::size_t size) {
    if (size > static_cast<std::size_t>(-1) / sizeof(T)) throw std::bad_alloc();
    void* data = std::realloc(static_cast<void*>(data_), size * sizeof(T));
    if (data == nullptr) throw std::bad_alloc();
    data_ = static_cast<T*>(data);
    size_ = size;
  }

  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace augury
