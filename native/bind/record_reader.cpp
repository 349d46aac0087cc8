// Reads records of the disk tier that need neither keys nor codecs: bytes and text as they are.
// What is anything else, or not whole, is left to augury.tiers.frame, which also says what is
// wrong.
#include <Python.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <limits>

#include "bind/arguments.hpp"
#include "bind/bind.hpp"

namespace augury {
namespace {

// A record is a number (8 bytes, big-endian) and a frame (tiers/frame.py) whose value lies in an
// envelope (codecs/envelope.py): header, payload, checksum.
constexpr Py_ssize_t kNumber = 8;
constexpr Py_ssize_t kHead = 52;
constexpr Py_ssize_t kEnvelope = 8;
constexpr Py_ssize_t kChecksum = 16;
constexpr Py_ssize_t kAround = kNumber + kHead + kEnvelope + kChecksum;
constexpr Py_ssize_t kLongest =
    1 << 16;  // beyond, the copy for the checksum costs more than it saves
constexpr Py_ssize_t kLongestName = 480;
constexpr Py_ssize_t kMarks = 64;  // where they begin, see disk_marks.py
constexpr unsigned char kRaw = 0;
constexpr unsigned char kText = 1;

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kLook{1};

struct RecordReaderObject {
  PyObject_HEAD  //
      Py_buffer marks;
  PyObject* entry;
  PyObject* digest;
  PyObject* forever;
  PyObject* no_tags;
  Clock::time_point look_again;
};

RecordReaderObject* reader_of(PyObject* self) {
  return reinterpret_cast<RecordReaderObject*>(self);
}

PyObject* reader_new(PyTypeObject* type, PyObject* arguments, PyObject*) {
  PyObject* marks;
  PyObject* entry;
  PyObject* digest;
  if (PyArg_ParseTuple(arguments, "OOO", &marks, &entry, &digest) == 0) return nullptr;
  PyObject* self = type->tp_alloc(type, 0);
  if (self == nullptr) return nullptr;
  RecordReaderObject* reader = reader_of(self);
  reader->entry = Py_NewRef(entry);
  reader->digest = Py_NewRef(digest);
  reader->forever = PyFloat_FromDouble(std::numeric_limits<double>::infinity());
  reader->no_tags = PyTuple_New(0);
  if (reader->forever == nullptr || reader->no_tags == nullptr ||
      PyObject_GetBuffer(marks, &reader->marks, PyBUF_WRITABLE) < 0) {
    Py_DECREF(self);
    return nullptr;
  }
  if (reader->marks.len <= kMarks) {
    PyErr_SetString(PyExc_ValueError, "there is no room for marks");
    Py_DECREF(self);
    return nullptr;
  }
  return self;
}

int reader_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(reader_of(self)->marks.obj);
  Py_VISIT(reader_of(self)->entry);
  Py_VISIT(reader_of(self)->digest);
  return 0;
}

int reader_clear(PyObject* self) {
  RecordReaderObject* reader = reader_of(self);
  PyBuffer_Release(&reader->marks);
  Py_CLEAR(reader->entry);
  Py_CLEAR(reader->digest);
  Py_CLEAR(reader->forever);
  Py_CLEAR(reader->no_tags);
  return 0;
}

void reader_dealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  reader_clear(self);
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* name_from(char kind, const char* data, Py_ssize_t size) {
  if (size > kLongestName - 8) Py_RETURN_NONE;
  std::array<char, 8> digits{};
  std::size_t count = 0;
  for (Py_ssize_t rest = size; count == 0 || rest != 0; rest /= 10) {
    digits[count++] = static_cast<char>('0' + rest % 10);
  }
  const auto written = static_cast<Py_ssize_t>(count);
  PyObject* name = PyBytes_FromStringAndSize(nullptr, 3 + written + size);
  if (name == nullptr) return nullptr;
  char* out = PyBytes_AS_STRING(name);
  *out++ = 1;
  *out++ = kind;
  while (count != 0) *out++ = digits[--count];
  *out++ = ':';
  std::memcpy(out, data, static_cast<std::size_t>(size));
  return name;
}

// The encoding of a key (keys/format.py), for ASCII text and bytes; otherwise None. None, too, once
// the database is void, and now and then, so that whoever asks takes the way on which it is noticed
// that the database was set aside or removed.
PyObject* reader_name(PyObject* self, PyObject* key) {
  RecordReaderObject* reader = reader_of(self);
  if (*static_cast<const volatile char*>(reader->marks.buf) != 0) Py_RETURN_NONE;
  if (const auto now = Clock::now(); now >= reader->look_again) {
    reader->look_again = now + kLook;
    Py_RETURN_NONE;
  }
  if (PyUnicode_CheckExact(key) && PyUnicode_IS_COMPACT_ASCII(key)) {
    return name_from('s', static_cast<const char*>(PyUnicode_DATA(key)), PyUnicode_GET_LENGTH(key));
  }
  if (PyBytes_CheckExact(key)) {
    return name_from('b', PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key));
  }
  Py_RETURN_NONE;
}

std::uint64_t number_at(const unsigned char* bytes, bool big_endian) {
  std::uint64_t number = 0;
  for (unsigned i = 0; i < 8; ++i) {
    number |= std::uint64_t{bytes[i]} << 8 * (big_endian ? 7 - i : i);
  }
  return number;
}

double seconds(std::uint64_t microseconds) {
  return static_cast<double>(microseconds) / 1e6;
}

// Whether the checksum fits what it is of: envelope, length of the context, context, payload. 1 or
// 0, or -1 with an exception.
int is_whole(RecordReaderObject* reader, const unsigned char* frame, Py_ssize_t payload,
             PyObject* name) {
  const Py_ssize_t context = kHead + PyBytes_GET_SIZE(name);
  PyObject* input = PyBytes_FromStringAndSize(nullptr, kEnvelope + 4 + context + payload);
  if (input == nullptr) return -1;
  char* out = PyBytes_AS_STRING(input);
  const auto add = [&out](const void* data, Py_ssize_t size) {
    std::memcpy(out, data, static_cast<std::size_t>(size));
    out += size;
  };
  add(frame + kHead, kEnvelope);
  for (unsigned i = 0; i < 4; ++i) *out++ = static_cast<char>(context >> 8 * i & 0xFF);
  add(frame, kHead);
  add(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name));
  add(frame + kHead + kEnvelope, payload);
  PyObject* checksum = PyObject_CallOneArg(reader->digest, input);
  Py_DECREF(input);
  if (checksum == nullptr) return -1;
  const bool equal =
      PyBytes_Check(checksum) && PyBytes_GET_SIZE(checksum) == kChecksum &&
      std::memcmp(PyBytes_AS_STRING(checksum), frame + kHead + kEnvelope + payload, kChecksum) == 0;
  Py_DECREF(checksum);
  return equal ? 1 : 0;
}

PyObject* entry_of(RecordReaderObject* reader, const unsigned char* frame, PyObject* value) {
  const auto time = [reader](std::uint64_t ticks) {
    return ticks == 0 ? Py_NewRef(reader->forever) : PyFloat_FromDouble(seconds(ticks));
  };
  std::uint32_t cost = 0;
  for (unsigned i = 0; i < 4; ++i) cost |= std::uint32_t{frame[44 + i]} << 8 * i;
  // The first place is free, so that a type may use it for itself.
  std::array<PyObject*, 8> fields{
      nullptr,
      value,
      PyBytes_FromStringAndSize(reinterpret_cast<const char*>(frame) + 4, 16),
      PyFloat_FromDouble(seconds(number_at(frame + 20, false))),
      time(number_at(frame + 28, false)),
      time(number_at(frame + 36, false)),
      PyFloat_FromDouble(seconds(cost)),
      Py_NewRef(reader->no_tags),
  };
  PyObject* entry = nullptr;
  if (fields[2] != nullptr && fields[3] != nullptr && fields[4] != nullptr &&
      fields[5] != nullptr && fields[6] != nullptr) {
    entry = PyObject_Vectorcall(reader->entry, fields.data() + 1,
                                7 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
  }
  for (PyObject* field : fields) Py_XDECREF(field);
  return entry;
}

// read(record, name): marks the entry as read, and returns it; None if this is for others to say.
PyObject* reader_read(PyObject* self, Arguments arguments, Py_ssize_t count) {
  if (!check_count("read", count, 2, 2)) return nullptr;
  PyObject* record = arguments[0];
  PyObject* name = arguments[1];
  if (!PyBytes_CheckExact(record) || !PyBytes_CheckExact(name)) {
    PyErr_SetString(PyExc_TypeError, "read() takes bytes and bytes");
    return nullptr;
  }
  RecordReaderObject* reader = reader_of(self);
  const Py_ssize_t payload = PyBytes_GET_SIZE(record) - kAround;
  const auto* bytes = reinterpret_cast<const unsigned char*>(PyBytes_AS_STRING(record));
  if (payload < 0) Py_RETURN_NONE;
  const auto room = static_cast<std::uint64_t>(reader->marks.len - kMarks);
  static_cast<volatile char*>(reader->marks.buf)[kMarks + number_at(bytes, true) % room] = 1;
  if (payload > kLongest) Py_RETURN_NONE;

  const unsigned char* frame = bytes + kNumber;
  const unsigned char* envelope = frame + kHead;
  const unsigned char codec = envelope[4];
  // A value without tags, which is neither compressed nor encrypted nor signed.
  if (std::memcmp(frame, "Au\1V", 4) != 0 || std::memcmp(frame + 48, "\0\0\0\0", 4) != 0 ||
      std::memcmp(envelope, "\365Au\1", 4) != 0 || (codec != kRaw && codec != kText) ||
      std::memcmp(envelope + 5, "\0\0\0", 3) != 0) {
    Py_RETURN_NONE;
  }
  const std::uint64_t expires = number_at(frame + 36, false);
  if (expires != 0) {
    const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
    if (now.count() >= seconds(expires)) Py_RETURN_NONE;
  }
  const int whole = is_whole(reader, frame, payload, name);
  if (whole < 0) return nullptr;
  if (whole == 0) Py_RETURN_NONE;

  const auto* data = reinterpret_cast<const char*>(envelope + kEnvelope);
  PyObject* value = codec == kRaw ? PyBytes_FromStringAndSize(data, payload)
                                  : PyUnicode_DecodeUTF8(data, payload, "surrogatepass");
  if (value == nullptr) {
    if (PyErr_ExceptionMatches(PyExc_UnicodeDecodeError) == 0) return nullptr;
    PyErr_Clear();
    Py_RETURN_NONE;
  }
  return entry_of(reader, frame, value);
}

PyMethodDef reader_methods[] = {
    {"name", reader_name, METH_O,
     "name($self, key, /)\n--\n\nReturn what stands for a key of text or bytes, or None."},
    {"read", cfunction(reader_read), METH_FASTCALL,
     "read($self, record, name, /)\n--\n\nReturn the entry of a record, or None if it is none that "
     "is simple, whole and live."},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot reader_slots[] = {
    {Py_tp_doc, const_cast<char*>("Reads simple records of the disk tier.")},
    {Py_tp_new, slot(reader_new)},
    {Py_tp_dealloc, slot(reader_dealloc)},
    {Py_tp_traverse, slot(reader_traverse)},
    {Py_tp_clear, slot(reader_clear)},
    {Py_tp_methods, reader_methods},
    {0, nullptr},
};

PyType_Spec reader_spec = {
    .name = "augury._native.RecordReader",
    .basicsize = sizeof(RecordReaderObject),
    .itemsize = 0,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = reader_slots,
};

}  // namespace

void bind_record_reader(nanobind::module_& module) {
  add_type(module, &reader_spec, "RecordReader");
}

}  // namespace augury
