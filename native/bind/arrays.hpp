// NumPy arrays in and out.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <span>

namespace augury {

// A one-dimensional contiguous array to read from.
template <class T>
using Array = nanobind::ndarray<const T, nanobind::numpy, nanobind::ndim<1>, nanobind::c_contig,
                                nanobind::device::cpu>;

template <class T>
using NewArray = nanobind::ndarray<nanobind::numpy, T, nanobind::ndim<1>>;

template <class T>
std::span<const T> view(const Array<T>& array) {
  return {array.data(), array.size()};
}

template <class T>
std::span<const T> view(const std::optional<Array<T>>& array) {
  return array ? view(*array) : std::span<const T>{};
}

// Hands a buffer of `size` elements over to NumPy.
template <class T>
NewArray<T> hand_over(std::unique_ptr<T[]> buffer, std::size_t size) {
  T* data = buffer.release();
  const nanobind::capsule owner(data, [](void* p) noexcept { delete[] static_cast<T*>(p); });
  return {data, {size}, owner};
}

// A new array of the same elements.
template <class T>
NewArray<T> copy(std::span<const T> values) {
  auto copied = std::make_unique_for_overwrite<T[]>(values.size());
  std::copy(values.begin(), values.end(), copied.get());
  return hand_over(std::move(copied), values.size());
}

}  // namespace augury
