"""Traces and access logs: recording, reading and cleaning requests.

A trace is read in chunks of keys, sizes and times, whatever format it is in; docs/traces.md
describes the formats.
"""

from augury.accesslog.chunk import NOBODY
from augury.accesslog.malformed import Malformed
from augury.accesslog.profile import Profile, profile
from augury.accesslog.recorder import NamedRecorder, Recorder, RecorderStats
from augury.accesslog.session import session
from augury.accesslog.spool import Spool, SpooledChunk
from augury.accesslog.trace import Chunk, InMemoryTrace, Trace, read_trace, requests_of

__all__ = [
    "NOBODY",
    "Chunk",
    "InMemoryTrace",
    "Malformed",
    "NamedRecorder",
    "Profile",
    "Recorder",
    "RecorderStats",
    "Spool",
    "SpooledChunk",
    "Trace",
    "profile",
    "read_trace",
    "requests_of",
    "session",
]
