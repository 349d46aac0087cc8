// Python's present exception, set aside.
#pragma once

#include <Python.h>

namespace augury {

// Sets the present exception aside for as long as it lives.
class SavedError {
 public:
#if PY_VERSION_HEX >= 0x030C0000
  SavedError() : error_(PyErr_GetRaisedException()) {}
  ~SavedError() { PyErr_SetRaisedException(error_); }
#else
  SavedError() { PyErr_Fetch(&type_, &error_, &traceback_); }
  ~SavedError() { PyErr_Restore(type_, error_, traceback_); }
#endif
  SavedError(const SavedError&) = delete;
  SavedError& operator=(const SavedError&) = delete;

 private:
  PyObject* error_ = nullptr;
#if PY_VERSION_HEX < 0x030C0000
  PyObject* type_ = nullptr;
  PyObject* traceback_ = nullptr;
#endif
};

}  // namespace augury
