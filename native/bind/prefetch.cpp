#include "bind/prefetch.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "bind/cache_object.hpp"
#include "bind/saved_error.hpp"
#include "bind/session.hpp"
#include "core/clock.hpp"

namespace augury {
namespace {

// Of an integer from 0 to 2^64 - 1.
bool read_number(PyObject* key, std::uint64_t* number) {
  if (!PyLong_CheckExact(key)) return false;
  int overflow = 0;
  const long long small = PyLong_AsLongLongAndOverflow(key, &overflow);
  if (overflow < 0 || (overflow == 0 && small < 0)) return false;
  *number = static_cast<std::uint64_t>(small);
  if (overflow == 0) return true;
  *number = PyLong_AsUnsignedLongLong(key);
  if (PyErr_Occurred() == nullptr) return true;
  PyErr_Clear();
  return false;
}

// Text is the session that its bytes in UTF-8 are.
std::uint64_t number_of_text(const char* bytes, Py_ssize_t length) {
  std::uint64_t hash = kHashBasis;
  for (Py_ssize_t i = 0; i < length; ++i) {
    hash = hash_byte(hash, static_cast<unsigned char>(bytes[i]));
  }
  return mix(hash);
}

// 0: nobody.
std::uint64_t session_number() {
  PyObject* session = current_session();
  if (session == nullptr) return 0;
  std::uint64_t number = 0;
  if (PyLong_Check(session)) {
    number = mix(PyLong_AsUnsignedLongLongMask(session));
  } else if (PyBytes_Check(session)) {
    number = number_of_text(PyBytes_AS_STRING(session), PyBytes_GET_SIZE(session));
  } else if (PyUnicode_Check(session)) {
    Py_ssize_t length = 0;
    const char* bytes = PyUnicode_AsUTF8AndSize(session, &length);
    if (bytes != nullptr) {
      number = number_of_text(bytes, length);
    } else {  // surrogates
      PyErr_Clear();
      number = static_cast<std::uint64_t>(PyObject_Hash(session));
    }
  }
  Py_DECREF(session);
  return number;
}

}  // namespace

Prefetch::Prefetch(const Options& options, PyObject* wake)
    : options_(options), mixture_(options.mixture), wake_(Py_NewRef(wake)) {}

Prefetch::~Prefetch() {
  Released released;
  wake();
  drop_keys(released);
  released.add(wake_);
}

std::unique_ptr<Probation> Prefetch::make_probation(Weight capacity) const {
  return std::make_unique<Probation>(capacity, options_.share, options_.precision);
}

void Prefetch::begin(Cache& cache, Slot slot) {
  Probation& probation = *cache.probation();
  // After what the last request had fetched has arrived.
  if (counts_.requests != 0) probation.tick();
  if (slot == kNone || !probation.holds(slot)) return;
  const Origin& origin = origins_[slot];
  ++counts_.used_by[origin.predictor];
  const auto microseconds =
      static_cast<std::uint64_t>(std::max<std::int64_t>(monotonic_ns() - origin.arrived, 0)) / 1000;
  const auto bucket = static_cast<std::size_t>(std::bit_width(microseconds));
  ++counts_.waited[std::min(bucket, counts_.waited.size() - 1)];
}

void Prefetch::see(const Cache& cache, std::uint64_t hash, PyObject* key, bool hit,
                   std::int64_t now, Released& released) noexcept {
  ++counts_.requests;
  if (!hit) {
    ++counts_.misses;
    if (const auto at = under_way_.find(hash); at != under_way_.end()) {
      ++counts_.late;
      // Whoever missed it loads it now. If it is being fetched, what comes first may be of use.
      if (at->second.batch == 0) forget(at);
    }
  }
  Mixture::Request request{.hash = hash, .session = session_number(), .time = cache.time()};
  request.numeric = read_number(key, &request.number);
  const Probation& probation = *cache.probation();
  const auto has = [&](std::uint64_t sought) {
    if (!under_way_.empty() && under_way_.contains(sought)) return true;
    const Slot slot = cache.find(sought, [&](Slot at) { return cache.hash(at) == sought; });
    return slot != kNone && !is_expired(cache, slot, now);
  };
  try {
    mixture_.horizon(probation.horizon());
    const auto choices = mixture_.see(request, static_cast<float>(probation.threshold()), has);
    keep(key, released);
    if (paused_ || choices.empty()) return;
    // What would have to give way to each other at once is not fetched.
    const auto most = static_cast<std::size_t>(std::min<Weight>(
        options_.queue, std::max<Weight>(cache.places_ahead(), options_.mixture.most)));
    for (const Choice& choice : choices) want(choice, most, released);
  } catch (const std::bad_alloc&) {
    return;  // nothing depends on it
  }
  if (waits_for_wanted_ && waiting_ != 0) wake();
}

void Prefetch::keep(PyObject* key, Released& released) {
  const KeyTable::Touched& touched = mixture_.touched();
  if (touched.key >= keys_.size()) {
    keys_.resize(std::max<std::size_t>(touched.key + 1, keys_.size() + keys_.size() / 2));
  }
  PyObject*& kept = keys_[touched.key];
  if (touched.replaced) released.add(std::exchange(kept, nullptr));
  if (kept == nullptr) kept = Py_NewRef(key);
}

void Prefetch::want(const Choice& choice, std::size_t most, Released& released) {
  PyObject* key = nullptr;
  if (choice.key != kNone) {
    key = choice.key < keys_.size() ? keys_[choice.key] : nullptr;
    if (key == nullptr) return;
  }
  while (waiting_ >= most) drop_oldest(released);
  if (queue_.size() >= 2 * options_.queue) sweep(released);
  const std::uint64_t ticket = ++tickets_;
  queue_.push_back({.hash = choice.hash, .ticket = ticket, .key = key, .number = choice.number});
  Py_XINCREF(key);
  ++wanted_;
  wanted_since_ += static_cast<double>(counts_.requests);
  under_way_[choice.hash] = {.ticket = ticket, .batch = 0, .predictor = choice.predictor};
  ++waiting_;
}

void Prefetch::drop_oldest(Released& released) {
  const Wanted& oldest = queue_.front();
  if (is_wanted(oldest)) forget(under_way_.find(oldest.hash));
  released.add(oldest.key);
  queue_.pop_front();
}

void Prefetch::sweep(Released& released) {
  std::erase_if(queue_, [&](const Wanted& wanted) {
    if (is_wanted(wanted)) return false;
    released.add(wanted.key);
    return true;
  });
}

std::vector<Prefetch::Wanted> Prefetch::take(std::size_t most, std::uint64_t* batch,
                                             Released& released) {
  std::vector<Wanted> taken;
  taken.reserve(std::min(most, queue_.size()));
  Batch made{.since = 0, .hashes = {}};
  made.hashes.reserve(taken.capacity());
  *batch = ++tickets_;
  Batch& mine = batches_.emplace(*batch, std::move(made)).first->second;
  while (taken.size() < most && !queue_.empty()) {
    const Wanted wanted = queue_.front();
    queue_.pop_front();
    if (!is_wanted(wanted)) {
      released.add(wanted.key);
      continue;
    }
    UnderWay& under_way = under_way_.find(wanted.hash)->second;
    under_way.batch = *batch;
    --waiting_;
    mine.hashes.push_back(wanted.hash);
    taken.push_back(wanted);
    ++counts_.fetched;
    ++counts_.fetched_by[under_way.predictor];
  }
  if (taken.empty()) {
    batches_.erase(*batch);
  } else {
    mine.since = wanted_ != 0 ? wanted_since_ / wanted_ : static_cast<double>(counts_.requests);
    wanted_ = wanted_since_ = 0;
  }
  return taken;
}

bool Prefetch::arrive(std::uint64_t hash, std::uint64_t batch, std::uint8_t* predictor) {
  const auto at = under_way_.find(hash);
  if (at == under_way_.end() || at->second.batch != batch) return false;
  *predictor = at->second.predictor;
  forget(at);
  return true;
}

void Prefetch::stored(Slot slot, std::uint8_t predictor) {
  origins_[slot] = {.arrived = monotonic_ns(), .predictor = predictor};
}

void Prefetch::finish(std::uint64_t batch, bool answered) {
  const auto done = batches_.find(batch);
  if (done == batches_.end()) return;
  for (const std::uint64_t hash : done->second.hashes) {
    const auto at = under_way_.find(hash);
    if (at != under_way_.end() && at->second.batch == batch) forget(at);
  }
  if (answered) {
    const double passed = static_cast<double>(counts_.requests) - done->second.since;
    lag_ += kMemory * (passed - lag_);
    const auto requests = static_cast<std::uint64_t>(std::llround(std::max(lag_, 0.0)));
    mixture_.delay(requests);
    mixture_.depth(static_cast<std::uint32_t>(std::min<std::uint64_t>(1 + requests, kDeepest)));
  }
  batches_.erase(done);
}

bool Prefetch::wait(bool for_wanted) {
  if (for_wanted && waiting_ != 0) return false;
  waits_ = true;
  waits_for_wanted_ = for_wanted;
  return true;
}

void Prefetch::wake() noexcept {
  if (!waits_) return;
  waits_ = waits_for_wanted_ = false;
  const SavedError saved;  // the cache may end anywhere
  PyObject* result = PyObject_CallNoArgs(wake_);
  if (result == nullptr) PyErr_Clear();
  Py_XDECREF(result);
}

void Prefetch::wake_by(PyObject* wake, Released& released) {
  released.add(std::exchange(wake_, Py_NewRef(wake)));
  waits_ = waits_for_wanted_ = false;
}

void Prefetch::pause(bool paused, Released& released) {
  paused_ = paused;
  wanted_ = wanted_since_ = 0;
  while (paused_ && !queue_.empty()) drop_oldest(released);
  wake();
}

void Prefetch::drop_wanted(Released& released) {
  for (const Wanted& wanted : queue_) released.add(wanted.key);
  queue_.clear();
  under_way_.clear();
  waiting_ = 0;
}

void Prefetch::drop_keys(Released& released) {
  drop_wanted(released);
  for (PyObject* key : keys_) released.add(key);
  keys_.clear();
}

std::size_t Prefetch::bytes() const {
  constexpr std::size_t kNode = 64;  // of a hash map, about
  return sizeof *this + mixture_.bytes() + keys_.capacity() * sizeof(PyObject*) +
         queue_.size() * sizeof(Wanted) + under_way_.size() * kNode + origins_.bytes();
}

int Prefetch::traverse(visitproc visit, void* arg) const {
  Py_VISIT(wake_);
  for (PyObject* key : keys_) Py_VISIT(key);
  for (const Wanted& wanted : queue_) Py_VISIT(wanted.key);
  return 0;
}

}  // namespace augury
