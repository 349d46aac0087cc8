"""Keys whose comparisons do something."""

from __future__ import annotations

from collections.abc import Callable


class Key:
    """Equal by number; all of them collide. Runs `action` once, when it is compared."""

    def __init__(self, number: int, action: Callable[[], object] | None = None) -> None:
        self.number = number
        self.action = action

    def __hash__(self) -> int:
        return 42

    def __eq__(self, other: object) -> bool:
        for key in (self, other):
            if isinstance(key, Key) and key.action is not None:
                action, key.action = key.action, None
                action()
        return isinstance(other, Key) and self.number == other.number
