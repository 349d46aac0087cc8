"""Requests to stable keys: the same bytes in every process and on every machine."""

from augury.keys.calls import call_key
from augury.keys.dispatch import register
from augury.keys.encoding import arguments_key, digest, encode

__all__ = ["arguments_key", "call_key", "digest", "encode", "register"]
