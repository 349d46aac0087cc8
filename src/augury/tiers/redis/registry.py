"""Versions of models in a Redis server or cluster, for all caches that can reach it.

All of a registry is one hash: ``history`` has the names of the versions that were current, the
present one last; ``last`` is the number of the newest; each name is a field with the file's bytes.
One key is in one slot, so that each script below is atomic, wherever the slot moves.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import weakref
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from augury.errors import ArtefactError, ConfigurationError
from augury.models import Registry, Version
from augury.models.container import UNFINISHED, save
from augury.models.registry import Saved
from augury.tiers.redis.hash import Hash

if TYPE_CHECKING:
    import redis

_NAME = re.compile(r"(?P<number>[0-9]{6,15})-(?P<digest>[0-9a-f]{32})")

_HISTORY = """
local function read()
  local history = {}
  for name in string.gmatch(redis.call('HGET', KEYS[1], 'history') or '', '%S+') do
    history[#history + 1] = name
  end
  return history
end
local function write(history)
  redis.call('HSET', KEYS[1], 'history', table.concat(history, ' '))
end
local function push(name)
  local history = read()
  if history[#history] ~= name then
    history[#history + 1] = name
    write(history)
  end
end
"""

_PUBLISH = (
    _HISTORY
    + """
local number = redis.call('HINCRBY', KEYS[1], 'last', 1)
local name = string.format('%06d-%s', number, ARGV[1])
redis.call('HSET', KEYS[1], name, ARGV[2])
if ARGV[3] == '1' then push(name) end
return name
"""
)

_ACTIVATE = (
    _HISTORY
    + """
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
push(ARGV[1])
return 1
"""
)

_ROLLBACK = (
    _HISTORY
    + """
local history = read()
history[#history] = nil
while #history > 0 and redis.call('HEXISTS', KEYS[1], history[#history]) == 0 do
  history[#history] = nil
end
if #history == 0 then return false end
write(history)
return history[#history]
"""
)

_PRUNE = (
    _HISTORY
    + """
local history, needed, names, gone = read(), {}, {}, {}
for i = math.max(1, #history - 1), #history do needed[history[i]] = true end
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.match(name, '^%d+%-') then names[#names + 1] = name end
end
local function number(name) return tonumber(string.match(name, '^%d+')) end
table.sort(names, function(a, b) return number(a) < number(b) end)
for i = 1, #names - tonumber(ARGV[1]) do
  if not needed[names[i]] then
    redis.call('HDEL', KEYS[1], names[i])
    gone[#gone + 1] = names[i]
  end
end
local left = {}
for _, name in ipairs(history) do
  if redis.call('HEXISTS', KEYS[1], name) == 1 then left[#left + 1] = name end
end
if #left > 0 then write(left) end
return gone
"""
)


class RedisRegistry(Registry):
    """Models in a Redis or Valkey server or cluster, for processes on any machine.

    As an `augury.models.Registry`, which a cache or a learner follows: ``Cache(model=registry)``.
    What was published becomes current for all at once, or not at all. A version is fetched once by
    each machine, into a folder, and checked there; one that was fetched can be loaded while no
    server answers, but which one is current is always asked.

    A server that fails may take with it what it acknowledged last, since replication is
    asynchronous: then the version before is current again, and whoever follows goes back to it.

    Parameters
    ----------
    where
        As for `augury.tiers.redis.Redis`.
    name
        Of the registry: several can be in the same servers.
    folder
        Where versions are kept that were fetched; by default a new temporary one, which is removed
        when this object is.
    timeout
        Seconds for connecting, and for each reply.

    Raises
    ------
    ConfigurationError
        If a parameter is not as above.
    MissingExtraError
        If redis-py is not installed.

    Each method raises `augury.errors.TierError` if no server answers.

    Examples
    --------
    >>> registry = RedisRegistry("redis://127.0.0.1:6379", "shop")
    >>> registry
    RedisRegistry('127.0.0.1:6379', 'shop')
    >>> registry.close()
    """

    def __init__(
        self,
        where: str | redis.Redis | redis.RedisCluster,
        name: str = "models",
        *,
        folder: str | os.PathLike[str] | None = None,
        timeout: float = 5.0,
    ) -> None:
        self._hash = Hash(where, f"augury-registry:{name}", timeout)
        self.name = name
        """Of the registry."""
        self._leaves: weakref.finalize[..., RedisRegistry] | None = None
        if folder is None:
            folder = tempfile.mkdtemp(prefix="augury-models-")
            self._leaves = weakref.finalize(self, _remove, folder, os.getpid())
        super().__init__(folder)

    def __repr__(self) -> str:
        return f"RedisRegistry({str(self._hash.address)!r}, {self.name!r})"

    @property
    def place(self) -> str:
        """What errors and events call it."""
        return f"{self._hash.address} {self.name}"

    def publish(self, artefact: Saved, *, activate: bool = True) -> Version:
        """Add a model, or a set of them, and make it the current one; both happen, or neither.

        Where no answer comes back, nobody knows which: `current` tells.

        Parameters
        ----------
        artefact
            What to save.
        activate
            Whether it becomes the current version; if not, `activate` makes it that later.
        """
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=UNFINISHED) as folder:
            path = Path(folder) / "model"
            artefact.save(path)
            content = path.read_bytes()
        name = self._hash.run(_PUBLISH, _digest(content), content, int(activate))
        save(content, self._path_of(name))
        return self._version(name, activate)

    def activate(self, number: int) -> Version:
        """Make a version the current one, and return it; `rollback` leads back to the one before.

        Raises
        ------
        ArtefactError
            If there is none of that number.
        """
        name = self._name(number)
        if name is None or not self._hash.run(_ACTIVATE, name):
            raise ArtefactError(f"{self.place}: has no version {number}")
        self._fetch(name)
        return self._version(name, True)

    def versions(self) -> list[Version]:
        """Return what there is, from the oldest; their files may not have been fetched yet."""
        names = sorted(filter(_NAME.fullmatch, self._hash.fields()), key=_number)
        current = next(reversed(self._names()), None)
        return [self._version(name, name == current) for name in names]

    def current(self) -> Version | None:
        """Return the version in use, its file fetched; None if nothing was published."""
        name = next(reversed(self._names()), None)
        if name is None:
            return None
        self._fetch(name)
        return self._version(name, True)

    def rollback(self) -> Version:
        """Make the version current that was before this one, and return it.

        Raises
        ------
        ArtefactError
            If there is none before.
        """
        name = self._hash.run(_ROLLBACK)
        if name is None:
            raise ArtefactError(f"{self.place}: no version was current before this one")
        self._fetch(name)
        return self._version(name, True)

    def prune(self, keep: int = 5) -> list[int]:
        """Delete old versions, but neither the current one nor the one that it would roll back to.

        Files that were fetched of versions that are gone go, too, whoever has deleted those.

        Parameters
        ----------
        keep
            How many of the newest stay, at least 1.

        Returns
        -------
        list of int
            The numbers of those deleted.
        """
        if keep < 1:
            raise ConfigurationError(f"keep must be at least 1, not {keep}")
        gone = self._hash.run(_PRUNE, keep)
        # Files first: whatever is published from now on is among the fields, and stays.
        files = [each for each in self.folder.glob("*.augury") if _NAME.fullmatch(each.stem)]
        left = set(self._hash.fields())
        for each in files:
            if each.stem not in left:
                each.unlink(missing_ok=True)
        return [_number(name) for name in gone]

    def close(self) -> None:
        """Close the connections, and remove the folder if it is a temporary one."""
        self._hash.close()
        if self._leaves is not None:
            self._leaves()

    def _names(self) -> list[str]:
        names = (self._hash.get("history") or b"").decode(errors="replace").split()
        if not all(map(_NAME.fullmatch, names)):
            raise ArtefactError(f"{self.place}: is damaged; delete it, and publish")
        return names

    def _current(self) -> int | None:
        return None if (version := self.current()) is None else version.number

    def _path(self, number: int) -> Path:
        """Return the file of a version, fetched; where there is no version, there is no file."""
        name = self._name(number)
        if name is None:
            return super()._path(number)
        self._fetch(name)
        return self._path_of(name)

    def _name(self, number: int) -> str | None:
        names = filter(_NAME.fullmatch, self._hash.fields())
        return next((name for name in names if _number(name) == number), None)

    def _path_of(self, name: str) -> Path:
        return self.folder / f"{name}.augury"

    def _version(self, name: str, current: bool) -> Version:
        return Version(_number(name), self._path_of(name), current)

    def _fetch(self, name: str) -> None:
        path = self._path_of(name)
        if path.exists():
            return
        content = self._hash.get(name)
        if content is None:
            raise ArtefactError(f"{self.place}: has no version {_number(name)}")
        if not name.endswith(_digest(content)):
            raise ArtefactError(f"{self.place}: version {_number(name)} is damaged; publish again")
        save(content, path)


def _remove(folder: str, owner: int) -> None:
    if os.getpid() == owner:  # a forked child has a copy of the object
        shutil.rmtree(folder, ignore_errors=True)


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


def _number(name: str) -> int:
    return int(name.partition("-")[0])
