"""Encoders by family of types, found by their names: ``<package>_<what>.py``.

A module is imported when a value of a type of its package is met, so that none costs those who do
not use it; the modules of ``python`` serve all other types.
"""
