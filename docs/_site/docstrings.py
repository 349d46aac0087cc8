"""What native methods say of themselves, for the reference, which is read from the sources."""

from importlib import import_module
from typing import Any

import griffe


class NativeDocstrings(griffe.Extension):
    """Takes the docstrings of the native cache's methods, which the stubs leave out."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Give each method of the native cache its docstring."""
        if pkg.name != "augury":
            return
        stub = pkg["_native.Cache"]
        for name, overloads in stub.overloads.items():  # which a stub has no function for
            if not overloads or name in stub.members:
                continue
            method = griffe.Function(name, parameters=overloads[-1].parameters)
            method.overloads = overloads
            stub.set_member(name, method)
        native = import_module("augury").Cache
        for name, member in stub.members.items():
            text = getattr(native, name).__doc__
            if member.docstring is None and text:
                member.docstring = griffe.Docstring(text, parser="numpy", parent=member)
