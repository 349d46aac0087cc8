// Python keys as the numbers of model/key_number.hpp.
#pragma once

#include <Python.h>

#include <cstdint>

#include "model/key_number.hpp"

namespace augury {

// Adds a key of @augury.cached: its function and the arguments. False if it is another kind of key.
bool add_call(KeyNumber& number, PyObject* key, std::uint64_t otherwise, int depth);

// An integer, text, bytes (numbered as text), and tuples of these; other keys, and other elements,
// are known by `otherwise` only and have no neighbours. Runs no Python code and raises nothing.
std::uint64_t number_of(PyObject* key, std::uint64_t otherwise);

// Adds one element of a tuple, or argument of a call.
void add_element(KeyNumber& number, PyObject* element, std::uint64_t otherwise, int depth);

}  // namespace augury
