// The small types that loading needs: a remembered failure, and the right to store what was loaded.
#include <Python.h>
#include <structmember.h>

#include "bind/arguments.hpp"
#include "bind/bind.hpp"
#include "bind/cache_object.hpp"

namespace augury {

PyTypeObject* failure_type;
PyTypeObject* ticket_type;

namespace {

int failure_init(PyObject* self, PyObject* arguments, PyObject*) {
  PyObject* error;
  if (PyArg_ParseTuple(arguments, "O", &error) == 0) return -1;
  Py_XSETREF(reinterpret_cast<FailureObject*>(self)->error, Py_NewRef(error));
  return 0;
}

int failure_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(reinterpret_cast<FailureObject*>(self)->error);
  return 0;
}

int failure_clear(PyObject* self) {
  Py_CLEAR(reinterpret_cast<FailureObject*>(self)->error);
  return 0;
}

void failure_dealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  failure_clear(self);
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

PyMemberDef failure_members[] = {
    {"error", T_OBJECT_EX, offsetof(FailureObject, error), READONLY, "What the loader raised."},
    {nullptr, 0, 0, 0, nullptr},
};

PyType_Slot failure_slots[] = {
    {Py_tp_doc,
     const_cast<char*>("A remembered exception of a loader, stored in place of a value.")},
    {Py_tp_new, slot(PyType_GenericNew)},
    {Py_tp_init, slot(failure_init)},
    {Py_tp_dealloc, slot(failure_dealloc)},
    {Py_tp_traverse, slot(failure_traverse)},
    {Py_tp_clear, slot(failure_clear)},
    {Py_tp_members, failure_members},
    {0, nullptr},
};

PyType_Spec failure_spec = {
    .name = "augury._native.Failure",
    .basicsize = sizeof(FailureObject),
    .itemsize = 0,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = failure_slots,
};

PyObject* ticket_new(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* self = type->tp_alloc(type, 0);
  if (self != nullptr) reinterpret_cast<TicketObject*>(self)->valid = 1;
  return self;
}

PyMemberDef ticket_members[] = {
    {"valid", T_BOOL, offsetof(TicketObject, valid), 0,
     "Whether the load may still store its result: no write has come between."},
    {nullptr, 0, 0, 0, nullptr},
};

PyType_Slot ticket_slots[] = {
    {Py_tp_doc, const_cast<char*>("The right of a load under way to store its result.")},
    {Py_tp_new, slot(ticket_new)},
    {Py_tp_members, ticket_members},
    {0, nullptr},
};

PyType_Spec ticket_spec = {
    .name = "augury._native.Ticket",
    .basicsize = sizeof(TicketObject),
    .itemsize = 0,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = ticket_slots,
};

}  // namespace

void bind_ticket(nanobind::module_& module) {
  failure_type = add_type(module, &failure_spec, "Failure");
  ticket_type = add_type(module, &ticket_spec, "Ticket");
}

}  // namespace augury
