// The type augury._native.Recording: accesses on their way from caches to files.
#include "bind/recording.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "bind/arguments.hpp"
#include "bind/bind.hpp"
#include "bind/cache_object.hpp"
#include "bind/session.hpp"
#include "core/clock.hpp"

namespace augury {

PyTypeObject* recording_type;

namespace {

// Of each access: its key and its session, then the variables.
constexpr std::size_t kOwn = 2;
constexpr std::size_t kMostVariables = 8;

PyObject* or_none(PyObject* reference) {
  return reference == nullptr ? Py_NewRef(Py_None) : reference;
}

}  // namespace

void record(RecordingObject* self, PyObject* key, Access access) noexcept {
  if (self->closed) {
    PyErr_Clear();
    return;
  }
  RecordingObject::Counts& counts = (*self->sources)[access.source];
  access.sequence = counts.sampled++;
  if (key == nullptr || self->ring->full()) [[unlikely]] {
    if (key == nullptr) PyErr_Clear();
    ++counts.dropped;
    return;
  }
  access.time = monotonic_ns();
  void** objects = self->ring->push(access);
  objects[0] = Py_NewRef(key);
  objects[1] = or_none(current_session());
  for (std::size_t i = kOwn; i < self->ring->width(); ++i) {
    PyObject* variable = PyTuple_GET_ITEM(self->variables, static_cast<Py_ssize_t>(i - kOwn));
    PyObject* value = nullptr;
    if (PyContextVar_Get(variable, nullptr, &value) < 0) PyErr_Clear();
    objects[i] = or_none(value);
  }
}

namespace {

RecordingObject* as_recording(PyObject* self) {
  return reinterpret_cast<RecordingObject*>(self);
}

// (capacity, sample, variables), all checked by augury.accesslog.Recorder.
PyObject* recording_new(PyTypeObject* type, PyObject* arguments, PyObject*) {
  Py_ssize_t capacity;
  double sample;
  PyObject* variables;
  if (PyArg_ParseTuple(arguments, "ndO!", &capacity, &sample, &PyTuple_Type, &variables) == 0) {
    return nullptr;
  }
  const auto attributes = static_cast<std::size_t>(PyTuple_GET_SIZE(variables));
  if (capacity < 1 || !(sample >= 0.0 && sample <= 1.0) || attributes > kMostVariables) {
    PyErr_SetString(PyExc_ValueError, "capacity, sample or variables are out of range");
    return nullptr;
  }
  for (std::size_t i = 0; i < attributes; ++i) {
    if (!PyContextVar_CheckExact(PyTuple_GET_ITEM(variables, static_cast<Py_ssize_t>(i)))) {
      PyErr_SetString(PyExc_TypeError, "variables must be ContextVars");
      return nullptr;
    }
  }
  PyObject* object = type->tp_alloc(type, 0);
  if (object == nullptr) return nullptr;
  RecordingObject* self = as_recording(object);
  self->variables = Py_NewRef(variables);
  self->sampler = Sampler(sample);
  try {
    self->sources = new std::vector<RecordingObject::Counts>;
    self->ring = new AccessRing(static_cast<std::size_t>(capacity), kOwn + attributes);
  } catch (...) {
    set_python_error();
    Py_DECREF(object);
    return nullptr;
  }
  return object;
}

PyObject* recording_attach(PyObject* object, PyObject*) {
  std::vector<RecordingObject::Counts>& sources = *as_recording(object)->sources;
  try {
    sources.push_back({0, 0});
  } catch (...) {
    set_python_error();
    return nullptr;
  }
  return PyLong_FromSize_t(sources.size() - 1);
}

PyObject* recording_drain(PyObject* object, PyObject* argument) {
  const std::size_t most = PyLong_AsSize_t(argument);
  if (PyErr_Occurred() != nullptr) return nullptr;
  AccessRing& ring = *as_recording(object)->ring;
  PyObject* objects = nullptr;
  PyObject* accesses = nullptr;
  std::size_t count;
  do {
    Py_XDECREF(objects);
    Py_XDECREF(accesses);
    count = std::min(most, ring.size());
    objects = PyList_New(static_cast<Py_ssize_t>(count * ring.width()));
    accesses = PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(count * sizeof(Access)));
    if (objects == nullptr || accesses == nullptr) {
      Py_XDECREF(objects);
      Py_XDECREF(accesses);
      return nullptr;
    }
  } while (ring.size() < count);  // allocating may collect garbage and so run any code
  char* target = PyBytes_AS_STRING(accesses);
  Py_ssize_t at = 0;
  ring.drain(count, [&](const Access& access, void* const* pointers) {
    std::memcpy(target, &access, sizeof access);
    target += sizeof access;
    for (std::size_t i = 0; i < ring.width(); ++i) {
      PyList_SET_ITEM(objects, at++, static_cast<PyObject*>(pointers[i]));
    }
  });
  return Py_BuildValue("(NN)", objects, accesses);
}

PyObject* recording_counts(PyObject* object, PyObject* argument) {
  const std::size_t source = PyLong_AsSize_t(argument);
  if (PyErr_Occurred() != nullptr) return nullptr;
  const std::vector<RecordingObject::Counts>& sources = *as_recording(object)->sources;
  if (source >= sources.size()) {
    PyErr_SetString(PyExc_IndexError, "there is no such source");
    return nullptr;
  }
  return Py_BuildValue("(KK)", sources[source].sampled, sources[source].dropped);
}

Py_ssize_t recording_length(PyObject* object) {
  return static_cast<Py_ssize_t>(as_recording(object)->ring->size());
}

int recording_traverse(PyObject* object, visitproc visit, void* arg) {
  RecordingObject* self = as_recording(object);
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(self->variables);
  if (self->ring == nullptr) return 0;
  return self->ring->visit(
      [&](void* pointer) { return visit(static_cast<PyObject*>(pointer), arg); });
}

// Gives up what was recorded, one access at a time: releasing it may run any code, which may
// record.
int recording_clear(PyObject* object) {
  AccessRing* ring = as_recording(object)->ring;
  if (ring == nullptr) return 0;
  std::array<void*, kOwn + kMostVariables> released{};
  for (std::size_t left = ring->size(); left != 0 && ring->size() != 0; --left) {
    ring->drain(1, [&](const Access&, void* const* pointers) {
      std::copy_n(pointers, ring->width(), released.begin());
    });
    for (std::size_t i = 0; i < ring->width(); ++i) {
      Py_DECREF(static_cast<PyObject*>(released[i]));
    }
  }
  return 0;
}

PyObject* recording_close(PyObject* object, PyObject*) {
  as_recording(object)->closed = true;
  Py_RETURN_NONE;
}

void recording_dealloc(PyObject* object) {
  PyObject_GC_UnTrack(object);
  RecordingObject* self = as_recording(object);
  recording_clear(object);
  delete std::exchange(self->ring, nullptr);
  delete std::exchange(self->sources, nullptr);
  Py_CLEAR(self->variables);
  PyTypeObject* type = Py_TYPE(object);
  type->tp_free(object);
  Py_DECREF(type);
}

PyMethodDef recording_methods[] = {
    {"attach", recording_attach, METH_NOARGS,
     "attach($self, /)\n--\n\nReturn the number of a new source."},
    {"drain", recording_drain, METH_O,
     "drain($self, most, /)\n--\n\nTake out up to so many of the oldest accesses: the objects of "
     "all in one list, and the rest as the bytes of an array."},
    {"close", recording_close, METH_NOARGS, "close($self, /)\n--\n\nRecord nothing more."},
    {"counts", recording_counts, METH_O,
     "counts($self, source, /)\n--\n\nReturn how many accesses of a source were sampled, and how "
     "many of them were dropped because the ring was full."},
    {nullptr, nullptr, 0, nullptr},
};

PyObject* recording_capacity(PyObject* object, void*) {
  return PyLong_FromSize_t(as_recording(object)->ring->capacity());
}

PyGetSetDef recording_properties[] = {
    {"capacity", recording_capacity, nullptr, "How many accesses the ring holds.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot recording_slots[] = {
    {Py_tp_doc, const_cast<char*>("Accesses on their way from caches to files.")},
    {Py_tp_new, slot(recording_new)},
    {Py_tp_dealloc, slot(recording_dealloc)},
    {Py_tp_traverse, slot(recording_traverse)},
    {Py_tp_clear, slot(recording_clear)},
    {Py_tp_methods, recording_methods},
    {Py_tp_getset, recording_properties},
    {Py_sq_length, slot(recording_length)},
    {0, nullptr},
};

PyType_Spec recording_spec = {
    .name = "augury._native.Recording",
    .basicsize = sizeof(RecordingObject),
    .itemsize = 0,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = recording_slots,
};

}  // namespace

void bind_recording(nanobind::module_& module) {
  recording_type = add_type(module, &recording_spec, "Recording");
}

}  // namespace augury
