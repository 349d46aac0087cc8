// Plain state as bytes that another process of such a machine can read.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>

namespace augury {

template <class T>
  requires std::is_trivially_copyable_v<T>
void append(std::string& bytes, const T& value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// Takes a value off the front; false, and nothing has changed, if there is less than that.
template <class T>
  requires std::is_trivially_copyable_v<T>
[[nodiscard]] bool consume(std::string_view& bytes, T& value) {
  if (bytes.size() < sizeof value) return false;
  bytes.copy(reinterpret_cast<char*>(&value), sizeof value);
  bytes.remove_prefix(sizeof value);
  return true;
}

}  // namespace augury
