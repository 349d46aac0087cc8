"""How to fetch ahead: the same for a live cache and for a simulation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from augury.errors import ConfigurationError
from augury.parameters import check_integer, check_number
from augury.prefetch.predictors import mask_of

_FEWEST_KEYS = 1 << 16
_KEYS_PER_ENTRY = 4
_MOST_KEYS = 1 << 28
_MOST_GUESSES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefetchOptions:
    """How to fetch ahead.

    Raises
    ------
    ConfigurationError
        If a value makes no sense.
    """

    predictors: Iterable[str] | None = None
    """Names of those that take part, of `augury.prefetch.predictors`; all by default. Each of their
    guesses counts for as much as it has been measured to be worth."""
    share: float = 0.1
    """Of the capacity, that entries may take which nobody has asked for yet; above 0, up to 0.5.
    It is used as far as it pays. In caches of less than 80 entries up to 8, or half of them."""
    precision: float = 0.5
    """Of the keys fetched, the part that should be asked for before they leave; above 0, below 1.
    The more, the fewer are fetched."""
    most: int = 4
    """Keys fetched after one request, at most; from 1 to 8."""
    keys: int | None = None
    """How many keys the predictors know at most; by default 4 an entry of the capacity, and 65,536
    at least. They take up to about 300 bytes each,
    and in a live cache the key itself."""

    def __post_init__(self) -> None:
        mask_of(self.predictors)
        check_number("share", self.share, unit="capacities")
        if self.share > 0.5:
            raise ConfigurationError(f"share must be at most 0.5, not {self.share:g}")
        check_number("precision", self.precision, unit="parts of one")
        if self.precision >= 1:
            raise ConfigurationError(f"precision must be below 1, not {self.precision:g}")
        check_integer("most", self.most)
        if self.most > _MOST_GUESSES:
            raise ConfigurationError(f"most must be at most {_MOST_GUESSES}, not {self.most}")
        if self.keys is not None:
            check_integer("keys", self.keys)
            if self.keys > _MOST_KEYS:
                raise ConfigurationError(f"keys must be at most {_MOST_KEYS:,}, not {self.keys}")

    @property
    def mask(self) -> int:
        """The predictors as bits."""
        return mask_of(self.predictors)

    def keys_for(self, entries: int) -> int:
        """Return how many keys to know at most, for a cache of so many entries."""
        if self.keys is not None:
            return self.keys
        return min(max(_FEWEST_KEYS, _KEYS_PER_ENTRY * entries), _MOST_KEYS)
