"""Traces and access logs: recording, reading and cleaning requests.

A trace is read in chunks of keys, sizes and times, whatever format it is in; docs/traces.md
describes the formats.
"""

from augury.accesslog.malformed import Malformed
from augury.accesslog.trace import Chunk, InMemoryTrace, Trace, read_trace, requests_of

__all__ = ["Chunk", "InMemoryTrace", "Malformed", "Trace", "read_trace", "requests_of"]
