"""Tiers and sources in this process, for tests of what is above them."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from augury.errors import TierError
from augury.sources import Source
from augury.tiers import Memory, Tracking
from augury.tiers.contract import Tier
from augury.tiers.frame import address


class Shared(Memory):
    """A last tier that several `Tiers` share, as processes share a server."""

    shared = True

    def __init__(self) -> None:
        super().__init__(100_000, name="shared")
        self.down = False
        self.calls: list[str] = []
        self.listeners: list[Heard] = []
        for name in ("get_many", "set_many", "delete_many", "lease_many", "fill_many",
                     "release_many", "replace_many", "get_changed"):  # fmt: skip
            setattr(self, name, self._counted(name, getattr(self, name)))

    def _counted(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if self.calls[-1:] != ["get_changed"] or name != "get_many":  # which calls it
                self.calls.append(name)
            if self.down:
                raise TierError("shared is down")
            answer = method(*arguments)
            if name in {"set_many", "delete_many", "fill_many", "replace_many", "lease_many"}:
                for listener in self.listeners:
                    listener.names.extend(address(key)[:16] for key in arguments[0])
            return answer

        return call

    def track(self) -> "Heard":
        heard = Heard()
        self.listeners.append(heard)
        return heard

    def close(self) -> None:
        pass


class Heard(Tracking):
    def __init__(self) -> None:
        self.names: list[bytes] = []
        self.lost = False

    @property
    def trusted(self) -> bool:
        return not self.lost

    def poll(self) -> list[bytes] | None:
        names, self.names = self.names, []
        return None if self.lost else names

    def close(self) -> None:
        pass


class Rows(Source[Any, Any]):
    """A table that counts, and can be made slow or broken."""

    def __init__(self, rows: Mapping[Any, Any] | None = None, *, writable: bool = False) -> None:
        self.rows = dict(rows or {})
        self.writable = writable
        self.asked: list[Any] = []
        self.batches = 0
        self.seconds = 0.0
        self.error: Exception | None = None
        self.after_read: Callable[[], object] = lambda: None
        self._lock = threading.Lock()

    def load_many(self, keys: Sequence[Any]) -> dict[Any, Any]:
        with self._lock:
            self.batches += 1
            self.asked.extend(keys)
        if self.error is not None:
            raise self.error
        found = {key: self.rows[key] for key in keys if key in self.rows}
        time.sleep(self.seconds)
        self.after_read()
        return found

    def store_many(self, items: Mapping[Any, Any]) -> None:
        if self.error is not None:
            raise self.error
        time.sleep(self.seconds)
        self.rows.update(items)

    def remove_many(self, keys: Iterable[Any]) -> None:
        for key in keys:
            self.rows.pop(key, None)


def eventually(condition: Callable[[], object], seconds: float = 10.0) -> bool:
    """Whether it becomes true before long."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def held(tier: Tier, *keys: Any, namespace: str = "") -> dict[Any, Any]:
    """What a tier below memory holds under these keys."""
    found = tier.get_many([(namespace, key) for key in keys])
    return {key[1]: getattr(it, "value", it) for key, it in found.items()}  # type: ignore[index]
