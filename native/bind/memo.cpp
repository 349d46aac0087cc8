// The types behind @augury.cached: a callable that looks its arguments up in a cache without
// building a key, and the key it stores.
#include <Python.h>
#include <structmember.h>

#include "bind/arguments.hpp"
#include "bind/bind.hpp"
#include "bind/cache_object.hpp"
#include "bind/key_number.hpp"

namespace augury {
namespace {

// The arguments of one call of one function. `space` names the function: each decoration has its
// own.
struct CallKeyObject {
  PyObject_VAR_HEAD PyObject* space;
  PyObject* keywords;  // tuple of names, or nullptr
  Py_hash_t hash;
  bool typed;              // unequal types make unequal keys
  PyObject* arguments[1];  // as many as ob_size: the positional ones, then those with keywords
};

struct MemoObject {
  PyObject_HEAD vectorcallfunc call;
  PyObject* dict;
  PyObject* weakrefs;
  CacheObject* cache;
  PyObject* space;
  PyObject* miss;  // miss(key, *args, **kwargs) -> result
  char typed;
};

PyTypeObject* call_key_type;
PyTypeObject* memo_type;

CallKeyObject* as_key(PyObject* object) {
  return reinterpret_cast<CallKeyObject*>(object);
}
MemoObject* as_memo(PyObject* object) {
  return reinterpret_cast<MemoObject*>(object);
}

// A call as CPython's vectorcall passes it.
struct Call {
  PyObject* const* arguments;
  Py_ssize_t count;    // of all arguments, the keyword ones included
  PyObject* keywords;  // tuple of names, or nullptr
};

// -1 with an exception set if an argument is not hashable. What needs no argument is computed while
// the argument is fetched; the table mixes the result.
Py_hash_t hash_call(PyObject* space, const Call& call) {
  std::uint64_t folded = mix(reinterpret_cast<std::uintptr_t>(space));
  for (Py_ssize_t i = 0; i < call.count; ++i) {
    const Py_hash_t hash = hash_of(call.arguments[i]);
    if (hash == -1) return -1;
    if (i != 0) folded *= 0x9E3779B97F4A7C15u;
    folded ^= static_cast<std::uint64_t>(hash);
  }
  if (call.keywords != nullptr)
    folded ^= static_cast<std::uint64_t>(PyTuple_GET_SIZE(call.keywords)) << 32;
  const auto hash = static_cast<Py_hash_t>(folded);
  return hash == -1 ? -2 : hash;
}

// See SoughtKey.
struct SoughtCall {
  std::uint64_t hash;
  PyObject* space;
  const Call& call;
  bool typed;
  Py_hash_t python_hash;

  [[nodiscard, gnu::noinline]] PyObject* object() const {
    auto* key = PyObject_GC_NewVar(CallKeyObject, call_key_type, call.count);
    if (key == nullptr) return nullptr;
    key->space = Py_NewRef(space);
    key->typed = typed;
    key->keywords = Py_XNewRef(call.keywords);
    key->hash = python_hash;
    for (Py_ssize_t i = 0; i < call.count; ++i) key->arguments[i] = Py_NewRef(call.arguments[i]);
    PyObject_GC_Track(reinterpret_cast<PyObject*>(key));
    return reinterpret_cast<PyObject*>(key);
  }

  [[nodiscard]] bool is_alike(PyObject* candidate) const {
    return Py_TYPE(candidate) == call_key_type && as_key(candidate)->space == space &&
           Py_SIZE(candidate) == call.count;
  }

  [[nodiscard]] bool is(PyObject* candidate) const {
    if (!is_alike(candidate) || as_key(candidate)->keywords != call.keywords) return false;
    for (Py_ssize_t i = 0; i < call.count; ++i) {
      if (as_key(candidate)->arguments[i] != call.arguments[i]) return false;
    }
    return true;
  }

  [[nodiscard]] int equals(PyObject* candidate) const {
    if (!is_alike(candidate)) return 0;
    PyObject* keywords = as_key(candidate)->keywords;
    if ((keywords == nullptr) != (call.keywords == nullptr)) return 0;
    Py_INCREF(candidate);
    int equal = keywords == call.keywords ? 1 : compare_keys(keywords, call.keywords);
    for (Py_ssize_t i = 0; i < call.count && equal == 1; ++i) {
      PyObject* a = as_key(candidate)->arguments[i];
      PyObject* b = call.arguments[i];
      equal = typed && Py_TYPE(a) != Py_TYPE(b) ? 0 : compare_keys(a, b);
    }
    Py_DECREF(candidate);
    return equal;
  }
};

SoughtCall sought_by(const MemoObject* memo, const Call& call, Py_hash_t hash) {
  return {table_hash(hash), memo->space, call, memo->typed != 0, hash};
}

// ---------------------------------------------------------------- Memo

PyObject* memo_call(PyObject* object, PyObject* const* arguments, std::size_t flags,
                    PyObject* keywords) {
  MemoObject* self = as_memo(object);
  if (keywords != nullptr && PyTuple_GET_SIZE(keywords) == 0) keywords = nullptr;
  const Py_ssize_t positional = PyVectorcall_NARGS(flags);
  const Call call{arguments, positional + (keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords)),
                  keywords};
  const Py_hash_t hash = hash_call(self->space, call);
  if (hash == -1) [[unlikely]]
    return nullptr;
  PyObject* value = read(self->cache, sought_by(self, call, hash));
  if (value != nullptr) [[likely]]
    return value;
  if (PyErr_Occurred() != nullptr) return nullptr;
  PyObject* key = sought_by(self, call, hash).object();
  if (key == nullptr) return nullptr;
  std::vector<PyObject*> forwarded;
  try {
    forwarded.reserve(static_cast<std::size_t>(call.count) + 1);
  } catch (const std::bad_alloc&) {
    Py_DECREF(key);
    return PyErr_NoMemory();
  }
  forwarded.push_back(key);
  forwarded.insert(forwarded.end(), arguments, arguments + call.count);
  PyObject* miss = Py_NewRef(self->miss);
  PyObject* result = PyObject_Vectorcall(miss, forwarded.data(),
                                         static_cast<std::size_t>(positional) + 1, keywords);
  Py_DECREF(miss);
  Py_DECREF(key);
  return result;
}

PyObject* memo_bind(PyObject* self, PyObject* instance, PyObject*) {
  if (instance == nullptr || instance == Py_None) return Py_NewRef(self);
  return PyMethod_New(self, instance);
}

// The key under which a call with these arguments is cached.
PyObject* memo_key(PyObject* self, PyObject* const* arguments, Py_ssize_t count,
                   PyObject* keywords) {
  if (keywords != nullptr && PyTuple_GET_SIZE(keywords) == 0) keywords = nullptr;
  const Call call{arguments, count + (keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords)),
                  keywords};
  const Py_hash_t hash = hash_call(as_memo(self)->space, call);
  return hash == -1 ? nullptr : sought_by(as_memo(self), call, hash).object();
}

// A memo is known by its module and name, as a function is.
PyObject* memo_reduce(PyObject* self, PyObject*) {
  return PyObject_GetAttrString(self, "__qualname__");
}

PyObject* memo_copy(PyObject* self, PyObject*) {
  return Py_NewRef(self);
}

// (cache, space, miss, typed)
PyObject* memo_new(PyTypeObject* type, PyObject* arguments, PyObject*) {
  PyObject *cache, *space, *miss;
  int typed;
  if (PyArg_ParseTuple(arguments, "O!OOp", cache_type, &cache, &space, &miss, &typed) == 0) {
    return nullptr;
  }
  PyObject* object = type->tp_alloc(type, 0);
  if (object == nullptr) return nullptr;
  MemoObject* self = as_memo(object);
  self->call = memo_call;
  self->cache = reinterpret_cast<CacheObject*>(Py_NewRef(cache));
  self->space = Py_NewRef(space);
  self->miss = Py_NewRef(miss);
  self->typed = static_cast<char>(typed);
  return object;
}

int memo_traverse(PyObject* object, visitproc visit, void* arg) {
  MemoObject* self = as_memo(object);
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(self->dict);
  Py_VISIT(reinterpret_cast<PyObject*>(self->cache));
  Py_VISIT(self->space);
  Py_VISIT(self->miss);
  return 0;
}

// The cache, the space and the miss handler stay until the end: a finaliser may still call the
// memo.
int memo_clear(PyObject* object) {
  MemoObject* self = as_memo(object);
  Py_CLEAR(self->dict);
  return 0;
}

void memo_dealloc(PyObject* object) {
  MemoObject* self = as_memo(object);
  PyObject_GC_UnTrack(object);
  if (self->weakrefs != nullptr) PyObject_ClearWeakRefs(object);
  memo_clear(object);
  Py_CLEAR(self->cache);
  Py_CLEAR(self->space);
  Py_CLEAR(self->miss);
  PyTypeObject* type = Py_TYPE(object);
  type->tp_free(object);
  Py_DECREF(type);
}

PyMethodDef memo_methods[] = {
    {"cache_key", cfunction(memo_key), METH_FASTCALL | METH_KEYWORDS,
     "cache_key($self, /, *args, **kwargs)\n--\n\n"
     "Return the key under which the result for these arguments is kept."},
    {"__reduce__", memo_reduce, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nReturn the qualified name, by which it is pickled as a function "
     "is."},
    {"__copy__", memo_copy, METH_NOARGS,
     "__copy__($self, /)\n--\n\nReturn itself, as a function does."},
    {"__deepcopy__", memo_copy, METH_O,
     "__deepcopy__($self, memo, /)\n--\n\nReturn itself, as a function does."},
    {nullptr, nullptr, 0, nullptr},
};

PyMemberDef memo_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(MemoObject, call), READONLY, nullptr},
    {"__dictoffset__", T_PYSSIZET, offsetof(MemoObject, dict), READONLY, nullptr},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(MemoObject, weakrefs), READONLY, nullptr},
    {"cache", T_OBJECT_EX, offsetof(MemoObject, cache), READONLY,
     "Where results are kept, under keys that `cache_key` makes."},
    {nullptr, 0, 0, 0, nullptr},
};

PyGetSetDef memo_properties[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot memo_slots[] = {
    {Py_tp_doc,
     const_cast<char*>("A function that remembers what it returned; see `augury.CachedFunction`.")},
    {Py_tp_new, slot(memo_new)},
    {Py_tp_dealloc, slot(memo_dealloc)},
    {Py_tp_traverse, slot(memo_traverse)},
    {Py_tp_clear, slot(memo_clear)},
    {Py_tp_call, slot(PyVectorcall_Call)},
    {Py_tp_descr_get, slot(memo_bind)},
    {Py_tp_methods, memo_methods},
    {Py_tp_members, memo_members},
    {Py_tp_getset, memo_properties},
    {0, nullptr},
};

PyType_Spec memo_spec = {
    .name = "augury._native.Memo",
    .basicsize = sizeof(MemoObject),
    .itemsize = 0,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
             Py_TPFLAGS_METHOD_DESCRIPTOR,
    .slots = memo_slots,
};

// ---------------------------------------------------------------- CallKey

Py_hash_t key_hash(PyObject* self) {
  return as_key(self)->hash;
}

PyObject* key_compare(PyObject* a, PyObject* b, int operation) {
  if ((operation != Py_EQ && operation != Py_NE) || Py_TYPE(b) != call_key_type) {
    Py_RETURN_NOTIMPLEMENTED;
  }
  const CallKeyObject* key = as_key(b);
  const Call call{key->arguments, Py_SIZE(key), key->keywords};
  const int equal = SoughtCall{0, key->space, call, key->typed, 0}.equals(a);
  return equal < 0 ? nullptr : PyBool_FromLong((equal == 1) == (operation == Py_EQ));
}

PyObject* key_arguments(PyObject* self, void*) {
  PyObject* arguments = PyTuple_New(Py_SIZE(self));
  for (Py_ssize_t i = 0; arguments != nullptr && i < Py_SIZE(self); ++i) {
    PyTuple_SET_ITEM(arguments, i, Py_NewRef(as_key(self)->arguments[i]));
  }
  return arguments;
}

PyObject* key_repr(PyObject* self) {
  PyObject* arguments = key_arguments(self, nullptr);
  if (arguments == nullptr) return nullptr;
  PyObject* text = PyUnicode_FromFormat("<CallKey %S%R>", as_key(self)->space, arguments);
  Py_DECREF(arguments);
  return text;
}

int key_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(as_key(self)->space);
  Py_VISIT(as_key(self)->keywords);
  for (Py_ssize_t i = 0; i < Py_SIZE(self); ++i) Py_VISIT(as_key(self)->arguments[i]);
  return 0;
}

void key_dealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  Py_CLEAR(as_key(self)->space);
  Py_CLEAR(as_key(self)->keywords);
  for (Py_ssize_t i = 0; i < Py_SIZE(self); ++i) Py_CLEAR(as_key(self)->arguments[i]);
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

PyMemberDef key_members[] = {
    {"space", T_OBJECT_EX, offsetof(CallKeyObject, space), READONLY, "Names the function."},
    {"keywords", T_OBJECT, offsetof(CallKeyObject, keywords), READONLY,
     "The names of the last arguments, or None if all are positional."},
    {nullptr, 0, 0, 0, nullptr},
};

PyGetSetDef key_properties[] = {
    {"arguments", key_arguments, nullptr,
     "The arguments: the positional ones, then those with keywords.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot key_slots[] = {
    {Py_tp_doc,
     const_cast<char*>("The arguments of one call of one decorated function, as a key.")},
    {Py_tp_dealloc, slot(key_dealloc)},
    {Py_tp_traverse, slot(key_traverse)},
    {Py_tp_hash, slot(key_hash)},
    {Py_tp_richcompare, slot(key_compare)},
    {Py_tp_repr, slot(key_repr)},
    {Py_tp_members, key_members},
    {Py_tp_getset, key_properties},
    {0, nullptr},
};

PyType_Spec key_spec = {
    .name = "augury._native.CallKey",
    .basicsize = offsetof(CallKeyObject, arguments),
    .itemsize = sizeof(PyObject*),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = key_slots,
};

}  // namespace

bool add_call(KeyNumber& number, PyObject* key, std::uint64_t otherwise, int depth) {
  if (Py_TYPE(key) != call_key_type) return false;
  number.space(reinterpret_cast<std::uintptr_t>(as_key(key)->space));
  number.add('(');
  for (Py_ssize_t i = 0; i < Py_SIZE(key); ++i) {
    if (i != 0) number.add(',');
    add_element(number, as_key(key)->arguments[i], otherwise, depth + 1);
  }
  return true;
}

void bind_memo(nanobind::module_& module) {
  call_key_type = add_type(module, &key_spec, "CallKey");
  memo_type = add_type(module, &memo_spec, "Memo");
}

}  // namespace augury
