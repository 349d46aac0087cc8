"""Encoders by family of types: a module here with a function `find` is found and used."""
