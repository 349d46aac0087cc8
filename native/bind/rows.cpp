// Rows of a model's input: their digests, and the entries of a cache that hold what came of them.
#include <Python.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/tuple.h>

#include <array>
#include <tuple>
#include <vector>

#include "bind/arrays.hpp"
#include "bind/bind.hpp"
#include "bind/cache_write.hpp"
#include "inference/batch_index.hpp"
#include "inference/doorkeeper.hpp"
#include "inference/row_digest.hpp"

namespace nb = nanobind;

namespace augury {
namespace {

// Rows of bytes, one after the other.
using Rows = nb::ndarray<const std::uint8_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using NewRows = nb::ndarray<std::uint8_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Indices = Array<std::int64_t>;

constexpr std::size_t kSpace = 16;  // bytes of a key that say what the rows are given to

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
__attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#endif
void digest_all(const RowDigest& digest, const unsigned char* rows, std::size_t width,
                std::size_t count, Digest* digests) {
  for (std::size_t i = 0; i < count; ++i) digests[i] = digest.of(rows + i * width, width);
}

NewArray<std::uint64_t> digest_rows(const Rows& rows, std::uint64_t seed) {
  const std::size_t count = rows.shape(0);
  auto words = std::make_unique_for_overwrite<std::uint64_t[]>(2 * count);
  {
    const nb::gil_scoped_release unlocked;
    digest_all(RowDigest(seed), rows.data(), rows.shape(1), count,
               reinterpret_cast<Digest*>(words.get()));
  }
  return hand_over(std::move(words), 2 * count);
}

CacheObject* cache_of(nb::handle object) {
  if (PyObject_TypeCheck(object.ptr(), cache_type) == 0) throw nb::type_error("expected a Cache");
  return reinterpret_cast<CacheObject*>(object.ptr());
}

using RowKey = std::array<char, kSpace + sizeof(Digest)>;

RowKey key_of(const nb::bytes& space, const Digest& digest) {
  RowKey key;
  std::memcpy(key.data(), space.c_str(), kSpace);
  std::memcpy(key.data() + kSpace, &digest, sizeof digest);
  return key;
}

// A row sought, without an object for its key; see SoughtKey.
struct SoughtRow {
  explicit SoughtRow(const RowKey& row)
#if PY_VERSION_HEX >= 0x030E0000
      : hash(table_hash(Py_HashBuffer(row.data(), row.size()))),
#else
      : hash(table_hash(_Py_HashBytes(row.data(), row.size()))),
#endif
        key(row) {
  }

  [[nodiscard]] PyObject* object() const {
    return PyBytes_FromStringAndSize(key.data(), key.size());
  }
  [[nodiscard]] bool is(PyObject* candidate) const {
    return PyBytes_CheckExact(candidate) != 0 &&
           static_cast<std::size_t>(PyBytes_GET_SIZE(candidate)) == key.size() &&
           std::memcmp(PyBytes_AS_STRING(candidate), key.data(), key.size()) == 0;
  }
  [[nodiscard]] int equals(PyObject* candidate) const { return is(candidate) ? 1 : 0; }

  std::uint64_t hash;
  RowKey key;
};

std::span<const Digest> digests_of(const Array<std::uint64_t>& words) {
  return {reinterpret_cast<const Digest*>(words.data()), words.size() / 2};
}

void check_space(const nb::bytes& space) {
  if (space.size() != kSpace) throw nb::value_error("a space has 16 bytes");
}

// See find_rows() in _native.pyi.
std::tuple<NewArray<std::int64_t>, NewArray<std::int64_t>> find_rows(
    nb::handle object, const nb::bytes& space, const Array<std::uint64_t>& words,
    const NewRows& out, const std::optional<Rows>& rows) {
  CacheObject* cache = cache_of(object);
  check_space(space);
  const std::span<const Digest> digests = digests_of(words);
  const std::size_t count = digests.size();
  const std::size_t width = out.shape(1);
  const std::size_t verified = rows ? rows->shape(1) : 0;
  const std::uint8_t* const whole = rows ? rows->data() : nullptr;
  if (out.shape(0) != count || (rows && rows->shape(0) != count)) {
    throw nb::value_error("as many rows as digests");
  }
  auto missing = std::make_unique_for_overwrite<std::int64_t[]>(count);
  auto source = std::make_unique_for_overwrite<std::int64_t[]>(count);
  std::size_t missed = 0;
  BatchIndex index(count);
  const auto equal = [&](std::size_t a, std::size_t b) {
    return digests[a] == digests[b] &&
           (verified == 0 ||
            std::memcmp(whole + a * verified, whole + b * verified, verified) == 0);
  };
  std::vector<SoughtRow> sought;
  sought.reserve(count);
  for (const Digest& digest : digests) {
    sought.emplace_back(key_of(space, digest));
    if (cache->cache != nullptr) cache->cache->prefetch_home(sought.back().hash);
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t first =
        index.first(digests[i].low, i, [&](std::size_t row) { return equal(row, i); });
    if (first != i) {
      source[i] = source[first];
      if (source[i] < 0) std::memcpy(out.data() + i * width, out.data() + first * width, width);
      continue;
    }
    const nb::object value = nb::steal(read(cache, sought[i]));
    if (!value.is_valid() && PyErr_Occurred() != nullptr) throw nb::python_error();
    if (value.is_valid() && PyBytes_CheckExact(value.ptr()) &&
        static_cast<std::size_t>(PyBytes_GET_SIZE(value.ptr())) == width + verified) {
      const char* const held = PyBytes_AS_STRING(value.ptr());
      if (verified == 0 || std::memcmp(held + width, whole + i * verified, verified) == 0) {
        std::memcpy(out.data() + i * width, held, width);
        source[i] = -1;
        continue;
      }
    }
    source[i] = static_cast<std::int64_t>(missed);
    missing[missed++] = static_cast<std::int64_t>(i);
  }
  return {hand_over(std::move(missing), missed), hand_over(std::move(source), count)};
}

void store_rows(nb::handle object, const nb::bytes& space, const Array<std::uint64_t>& words,
                const Indices& missing, const Rows& outputs, const std::optional<Rows>& rows,
                const nb::object& ttl, float cost) {
  CacheObject* cache = cache_of(object);
  check_space(space);
  const std::span<const Digest> digests = digests_of(words);
  const std::size_t width = outputs.shape(1);
  const std::size_t verified = rows ? rows->shape(1) : 0;
  const std::uint8_t* const whole = rows ? rows->data() : nullptr;
  if (outputs.shape(0) != missing.size() || (rows && rows->shape(0) != digests.size())) {
    throw nb::value_error("as many outputs as missing rows");
  }
  // All keys first, so that the memory where they belong comes while others are stored.
  std::vector<nb::object> keys;
  keys.reserve(missing.size());
  for (const std::int64_t row : view(missing)) {
    if (static_cast<std::size_t>(row) >= digests.size()) throw nb::index_error("no such row");
    const RowKey bytes = key_of(space, digests[static_cast<std::size_t>(row)]);
    keys.push_back(nb::steal(PyBytes_FromStringAndSize(bytes.data(), bytes.size())));
    if (!keys.back().is_valid()) throw nb::python_error();
    const Py_hash_t hash = PyObject_Hash(keys.back().ptr());
    if (cache->cache != nullptr) cache->cache->prefetch_store(table_hash(hash));
  }
  for (std::size_t i = 0; i < missing.size(); ++i) {
    const auto row = static_cast<std::size_t>(missing.data()[i]);
    const nb::object value =
        nb::steal(PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(width + verified)));
    if (!value.is_valid()) throw nb::python_error();
    char* const bytes = PyBytes_AS_STRING(value.ptr());
    std::memcpy(bytes, outputs.data() + i * width, width);
    if (verified != 0) std::memcpy(bytes + width, whole + row * verified, verified);
    if (store(cache, {.key = keys[i].ptr(),
                      .value = value.ptr(),
                      .ttl = ttl.is_none() ? nullptr : ttl.ptr(),
                      .cost = cost}) < 0) {
      throw nb::python_error();
    }
  }
}

// Fills each line that was not found, of which `source` tells the place among the outputs.
void fill_rows(const NewRows& out, const Indices& source, const Rows& outputs) {
  const std::size_t width = out.shape(1);
  if (out.shape(0) != source.size() || outputs.shape(1) != width) {
    throw nb::value_error("outputs are as wide as the lines that they fill");
  }
  for (std::size_t i = 0; i < source.size(); ++i) {
    const std::int64_t at = source.data()[i];
    if (at < 0) continue;
    if (static_cast<std::size_t>(at) >= outputs.shape(0)) throw nb::index_error("no such output");
    std::memcpy(out.data() + i * width, outputs.data() + static_cast<std::size_t>(at) * width,
                width);
  }
}

// Which rows are worth a look-up, and remembers all: those perhaps seen before, or like another one
// of the batch.
NewArray<std::int64_t> screen(Doorkeeper& doorkeeper, const Rows& rows) {
  const std::size_t count = rows.shape(0);
  auto worth = std::make_unique_for_overwrite<std::int64_t[]>(count);
  std::size_t found = 0;
  {
    std::vector<std::uint64_t> prints(count);
    std::vector<char> marked(count, 0);
    BatchIndex index(count);
    for (std::size_t i = 0; i < count; ++i) {
      prints[i] = Doorkeeper::print_of(rows.data() + i * rows.shape(1), rows.shape(1));
      const std::size_t first =
          index.first(prints[i], i, [&](std::size_t row) { return prints[row] == prints[i]; });
      marked[i] = static_cast<char>(first != i || doorkeeper.knows(prints[i]));
      if (first != i) marked[first] = 1;
      doorkeeper.remember(prints[i]);
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (marked[i] != 0) worth[found++] = static_cast<std::int64_t>(i);
    }
  }
  return hand_over(std::move(worth), found);
}

}  // namespace

void bind_rows(nb::module_& module) {
  module.def("digest_rows", &digest_rows, nb::arg("rows"), nb::arg("seed") = 0);
  module.def("find_rows", &find_rows, nb::arg("cache"), nb::arg("space"), nb::arg("digests"),
             nb::arg("out").noconvert(), nb::arg("rows").none() = nb::none());
  module.def("store_rows", &store_rows, nb::arg("cache"), nb::arg("space"), nb::arg("digests"),
             nb::arg("missing"), nb::arg("outputs"), nb::arg("rows").none() = nb::none(),
             nb::arg("ttl").none() = nb::none(), nb::arg("cost") = 1.0F);
  module.def("fill_rows", &fill_rows, nb::arg("out"), nb::arg("source"), nb::arg("outputs"));
  nb::class_<Doorkeeper>(module, "Doorkeeper")
      .def(nb::init<std::size_t>(), nb::arg("rows"))
      .def("screen", &screen, nb::arg("rows"))
      .def_prop_ro("bytes", &Doorkeeper::bytes);
}

}  // namespace augury
