#include "bind/key_number.hpp"

#include <nanobind/nanobind.h>

#include <memory>
#include <string_view>

#include "bind/arrays.hpp"
#include "bind/bind.hpp"

namespace nb = nanobind;

namespace augury {
namespace {

constexpr int kDeepest = 4;  // tuples within tuples

// As UTF-8. What Python decodes from other bytes by "surrogateescape" is those bytes again, so that
// keys of files are those of the cache. CPython's own encoder would keep a copy with the text.
void add_text(KeyNumber& number, PyObject* text) {
  const Py_ssize_t length = PyUnicode_GET_LENGTH(text);
  if (PyUnicode_IS_ASCII(text)) {
    number.text({static_cast<const char*>(PyUnicode_DATA(text)), static_cast<std::size_t>(length)});
    return;
  }
  const auto kind = PyUnicode_KIND(text);
  const void* data = PyUnicode_DATA(text);
  const auto add = [&](Py_UCS4 byte) { number.add(static_cast<unsigned char>(byte)); };
  const auto continued = [&](Py_UCS4 code, unsigned shift) {
    add(0x80 | ((code >> shift) & 0x3F));
  };
  for (Py_ssize_t i = 0; i < length; ++i) {
    const Py_UCS4 code = PyUnicode_READ(kind, data, i);
    if (code < 0x80) {
      add(code);
    } else if (code >= 0xDC80 && code <= 0xDCFF) {
      add(code & 0xFF);
    } else if (code < 0x800) {
      add(0xC0 | code >> 6);
      continued(code, 0);
    } else if (code < 0x10000) {
      add(0xE0 | code >> 12);
      continued(code, 6);
      continued(code, 0);
    } else {
      add(0xF0 | code >> 18);
      continued(code, 12);
      continued(code, 6);
      continued(code, 0);
    }
  }
}

std::string_view view_of(PyObject* bytes) {
  return {PyBytes_AS_STRING(bytes), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes))};
}

}  // namespace

void add_element(KeyNumber& number, PyObject* element, std::uint64_t otherwise, int depth) {
  if (PyLong_Check(element)) {
    number.integer(PyLong_AsUnsignedLongLongMask(element));
  } else if (PyUnicode_Check(element)) {
    add_text(number, element);
  } else if (PyBytes_Check(element)) {
    number.text(view_of(element));
  } else if (PyTuple_Check(element) && depth < kDeepest) {
    number.add('(');
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(element); ++i) {
      if (i != 0) number.add(',');
      add_element(number, PyTuple_GET_ITEM(element, i), otherwise, depth + 1);
    }
  } else if (!add_call(number, element, otherwise, depth)) {
    number.unknown(otherwise);
  }
}

std::uint64_t number_of(PyObject* key, std::uint64_t otherwise) {
  if (PyLong_Check(key)) return PyLong_AsUnsignedLongLongMask(key);
  KeyNumber number;
  add_element(number, key, otherwise, 0);
  return number.get();
}

namespace {

// The number of each key in a list.
NewArray<std::uint64_t> key_numbers(const nb::list& keys) {
  auto numbers = std::make_unique_for_overwrite<std::uint64_t[]>(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    numbers[i] = number_of(PyList_GET_ITEM(keys.ptr(), static_cast<Py_ssize_t>(i)), 0);
  }
  return hand_over(std::move(numbers), keys.size());
}

}  // namespace

void bind_key_number(nb::module_& module) {
  module.def("key_numbers", &key_numbers, nb::arg("keys"));
}

}  // namespace augury
