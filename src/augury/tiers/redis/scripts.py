"""What servers do at once: compare what is held under a key, and write.

Offsets are those of `frame`: bytes 1 to 3 say that it is one, the fourth is its kind, and the 16
from the fifth on are an entry's version or a lease's token.
"""

from __future__ import annotations

from hashlib import sha1

_WRITE = """
local function write(frame, until_)
  if frame == '' then redis.call('DEL', KEYS[1])
  elseif until_ == '' then redis.call('SET', KEYS[1], frame)
  else redis.call('SET', KEYS[1], frame, 'PXAT', until_) end
end
"""

_PLACE = (
    _WRITE
    + """
local there = redis.call('GETRANGE', KEYS[1], 0, 51)
if there ~= '' and there ~= ARGV[4] and (ARGV[3] == '' or string.sub(there, 1, 4) == ARGV[3]) then
  return redis.call('GET', KEYS[1])
end
write(ARGV[1], ARGV[2])
return false
"""
)

_SWAP = (
    _WRITE
    + """
local there = redis.call('GETRANGE', KEYS[1], 0, 19)
if #there < 20 or string.sub(there, 5) ~= ARGV[3] then return 0 end
for i = 4, #ARGV do
  if string.sub(there, 1, 4) == ARGV[i] then
    write(ARGV[1], ARGV[2])
    return 1
  end
end
return 0
"""
)


def _digest(source: str) -> str:
    return sha1(source.encode(), usedforsecurity=False).hexdigest()


PLACE = _digest(_PLACE)
"""Writes a lease (1) until a time (2), unless something stands in its way; returns that.

Everything does, if (3) is empty, else what begins with (3); but never what begins with (4).
"""
SWAP = _digest(_SWAP)
"""Writes (1) until a time (2), or deletes if (1) is empty, provided that the version or token is
(3) and the first four bytes are one of (4) and following; returns whether it has."""

SCRIPTS = {PLACE: _PLACE, SWAP: _SWAP}
"""Their sources."""
