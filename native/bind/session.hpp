// Who asks at present: what augury.session was told.
#pragma once

#include <Python.h>

namespace augury {

// Returns a new reference to the session of the present context, or nullptr where there is none. It
// is text, bytes or an integer of 64 bits. Runs no Python code and leaves no exception set.
PyObject* current_session() noexcept;

}  // namespace augury
