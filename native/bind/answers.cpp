// Estimates answers from NumPy arrays, which may come from a file: nothing in them is trusted.
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>

#include "answers/box_sums.hpp"
#include "bind/arrays.hpp"
#include "bind/bind.hpp"

namespace nb = nanobind;

namespace augury {
namespace {

template <class T>
using Cube = nb::ndarray<const T, nb::numpy, nb::ndim<3>, nb::c_contig, nb::device::cpu>;

template <class T>
std::span<const T> all_of(const Cube<T>& array) {
  return {array.data(), array.size()};
}

BoxSums::Kind kind_of(const std::string& name) {
  if (name == "count") return BoxSums::Kind::kCount;
  if (name == "sum") return BoxSums::Kind::kSum;
  if (name == "avg") return BoxSums::Kind::kRatio;
  throw std::invalid_argument("boxes have a count, a sum or an avg, not a " + name);
}

// The sums, and the arrays that they read.
class BoxSumsObject {
 public:
  BoxSumsObject(const std::string& kind, const Array<std::int64_t>& bins,
                const Array<std::uint8_t>& whole, const Array<double>& edges,
                const Array<std::int64_t>& categories, const Cube<double>& means,
                const Cube<float>& samples, const Array<double>& limits)
      : means_(means),
        samples_(samples),
        sums_(kind_of(kind), {.bins = view(bins),
                              .whole = view(whole),
                              .edges = view(edges),
                              .categories = view(categories),
                              .means = all_of(means_),
                              .samples = all_of(samples_),
                              .blocks = means_.shape(0),
                              .cells = means_.shape(1),
                              .measures = means_.shape(2),
                              .values = samples_.shape(2),
                              .floor = limits.size() == 2 ? limits.data()[0] : 0,
                              .of_row = limits.size() == 2 ? limits.data()[1] : 0}) {}

  [[nodiscard]] std::pair<NewArray<double>, NewArray<double>> estimate(
      const Cube<double>& boxes) const {
    if (boxes.shape(1) != sums_.dimensions() || boxes.shape(2) != 2) {
      throw std::invalid_argument("a box has a low and a high for each of " +
                                  std::to_string(sums_.dimensions()) + " dimensions");
    }
    const std::size_t count = boxes.shape(0);
    auto values = std::make_unique_for_overwrite<double[]>(count);
    auto spreads = std::make_unique_for_overwrite<double[]>(count);
    {
      const nb::gil_scoped_release unlocked;
      BoxSums::Scratch scratch;
      for (std::size_t i = 0; i < count; ++i) {
        const Estimate found = sums_.estimate(boxes.data() + 2 * i * sums_.dimensions(), scratch);
        values[i] = found.value;
        spreads[i] = found.spread;
      }
    }
    return {hand_over(std::move(values), count), hand_over(std::move(spreads), count)};
  }

  [[nodiscard]] std::pair<double, double> estimate_one(const nb::tuple& box) const {
    // One for each thread, so that a single box allocates nothing.
    thread_local BoxSums::Scratch scratch;
    thread_local std::vector<double> sides;
    sides.clear();
    for (const nb::handle side : box) {
      if (!PyTuple_Check(side.ptr()) || PyTuple_GET_SIZE(side.ptr()) != 2) {
        throw nb::type_error("a side of a box is a tuple of two numbers");
      }
      for (Py_ssize_t i = 0; i < 2; ++i) {
        sides.push_back(PyFloat_AsDouble(PyTuple_GET_ITEM(side.ptr(), i)));
        if (PyErr_Occurred() != nullptr) throw nb::python_error();
      }
    }
    if (sides.size() != 2 * sums_.dimensions()) {
      throw std::invalid_argument("a box has a side for each of " +
                                  std::to_string(sums_.dimensions()) + " dimensions");
    }
    const Estimate found = sums_.estimate(sides.data(), scratch);
    return {found.value, found.spread};
  }

 private:
  Cube<double> means_;
  Cube<float> samples_;
  BoxSums sums_;
};

}  // namespace

void bind_answers(nb::module_& module) {
  nb::class_<BoxSumsObject>(module, "BoxSums")
      .def(nb::init<const std::string&, const Array<std::int64_t>&, const Array<std::uint8_t>&,
                    const Array<double>&, const Array<std::int64_t>&, const Cube<double>&,
                    const Cube<float>&, const Array<double>&>(),
           nb::arg("kind"), nb::arg("bins"), nb::arg("whole"), nb::arg("edges"),
           nb::arg("categories"), nb::arg("means"), nb::arg("samples"), nb::arg("limits"))
      .def("estimate", &BoxSumsObject::estimate, nb::arg("boxes"))
      .def("estimate_one", &BoxSumsObject::estimate_one, nb::arg("box"));
}

}  // namespace augury
