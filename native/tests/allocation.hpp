// Include once in a program linked with -Wl,--wrap=realloc to let tests::allocations_left take
// effect.
#pragma once

#include <cstdlib>
#include <new>

#include "tests/exercise.hpp"

extern "C" {
void* __real_realloc(void* old, std::size_t size);
void* __wrap_realloc(void* old, std::size_t size) {
  if (augury::tests::allocation_fails()) return nullptr;
  return __real_realloc(old, size);
}
}

[[gnu::noinline]] void* operator new(std::size_t size) {
  void* memory = augury::tests::allocation_fails() ? nullptr : std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
