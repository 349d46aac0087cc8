// Rows of features for training, from a trace: of one process, or in the parts that several share.
#include <nanobind/stl/optional.h>

#include <algorithm>
#include <vector>

#include "bind/arrays.hpp"
#include "bind/bind.hpp"
#include "sim/feature_rows.hpp"

namespace nb = nanobind;

namespace augury {
namespace {

void feed(FeatureRows& rows, const Array<std::uint32_t>& ids, const Array<std::uint64_t>& keys,
          const std::optional<Array<std::uint64_t>>& sizes,
          const std::optional<Array<std::uint32_t>>& times) {
  if ((sizes && sizes->size() != ids.size()) || (times && times->size() != ids.size())) {
    throw std::invalid_argument("ids, sizes and times must have the same length");
  }
  const nb::gil_scoped_release unlocked;
  for (const std::uint32_t id : view(ids)) {
    if (id >= keys.size()) throw std::out_of_range("an id has no key");
  }
  rows.feed(view(ids), view(keys), view(sizes), view(times));
}

nb::tuple finish(FeatureRows& rows) {
  rows.finish();
  return nb::make_tuple(copy(rows.rows()), copy(rows.labels()), copy(rows.censored()),
                        copy(rows.moments()));
}

// Requests, rows and stays of the draws that rows of moments before `stop` may come of.
nb::tuple draws_of(double sample, std::uint32_t draws, std::uint64_t seed, std::uint64_t start,
                   std::uint64_t stop) {
  std::vector<std::uint64_t> requests;
  std::vector<std::uint64_t> moments;
  std::vector<float> stays;
  {
    const nb::gil_scoped_release unlocked;
    Draws source(sample, draws, seed);
    for (std::uint64_t request = 0; request < stop; ++request) {
      source.after(request, [&](std::uint64_t moment, float stay) {
        if (moment < start || moment >= stop) return;
        requests.push_back(request);
        moments.push_back(moment);
        stays.push_back(stay);
      });
    }
  }
  return nb::make_tuple(copy(std::span<const std::uint64_t>(requests)),
                        copy(std::span<const std::uint64_t>(moments)),
                        copy(std::span<const float>(stays)));
}

NewArray<float> labels_of(const Array<std::uint64_t>& requests) {
  std::vector<float> labels(requests.size());
  std::ranges::transform(view(requests), labels.begin(), label_of);
  return copy(std::span<const float>(labels));
}

// Features that are asked for rows of any keys at given moments.
class FeatureReplay {
 public:
  explicit FeatureReplay(std::size_t keys) : features_(keys) {}

  NewArray<float> feed(const Array<std::uint64_t>& numbers, const Array<std::uint64_t>& sizes,
                       const Array<std::uint32_t>& times, const Array<std::uint64_t>& moments,
                       const Array<std::uint64_t>& keys, const Array<float>& stays) {
    require(sizes.size() == numbers.size() && times.size() == numbers.size(),
            "numbers, sizes and times must have the same length");
    require(keys.size() == moments.size() && stays.size() == moments.size(),
            "moments, keys and stays must have the same length");
    std::vector<float> rows(moments.size() * kFeatures);
    std::size_t at = 0;
    {
      const nb::gil_scoped_release unlocked;
      for (std::size_t i = 0; i < numbers.size(); ++i, ++now_) {
        for (; at < moments.size() && moments.data()[at] == now_; ++at) {
          features_.row(keys.data()[at], stays.data()[at], rows.data() + at * kFeatures);
        }
        features_.request(numbers.data()[i], sizes.data()[i], times.data()[i]);
      }
    }
    require(at == moments.size(), "moments must ascend, and be of the requests given");
    return copy(std::span<const float>(rows));
  }

 private:
  Features features_;
  std::uint64_t now_ = 0;
};

}  // namespace

void bind_features(nb::module_& module) {
  module.attr("FEATURES") = kFeatures;
  nb::class_<FeatureRows>(module, "FeatureRows")
      .def(nb::init<double, std::uint32_t, std::uint64_t, std::uint64_t, std::size_t>(),
           nb::arg("sample"), nb::arg("draws"), nb::arg("seed"), nb::arg("start"), nb::arg("keys"))
      .def("feed", &feed, nb::arg("ids"), nb::arg("keys"), nb::arg("sizes") = nb::none(),
           nb::arg("times") = nb::none())
      .def("finish", &finish);
  nb::class_<FeatureReplay>(module, "FeatureReplay")
      .def(nb::init<std::size_t>(), nb::arg("keys"))
      .def("feed", &FeatureReplay::feed, nb::arg("numbers"), nb::arg("sizes"), nb::arg("times"),
           nb::arg("moments"), nb::arg("keys"), nb::arg("stays"));
  module.def("draws_of", &draws_of, nb::arg("sample"), nb::arg("draws"), nb::arg("seed"),
             nb::arg("start"), nb::arg("stop"));
  module.def("labels_of", &labels_of, nb::arg("requests"));
}

}  // namespace augury
