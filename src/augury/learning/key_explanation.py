"""Why a key is in a cache, or is not: what is known of it, and what the model makes of that."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from augury.features import FEATURES, UNKNOWN
from augury.learning.evaluation import probability
from augury.models import contributions, is_explicable
from augury.policies import Policy

if TYPE_CHECKING:
    from augury.models import Artefact

_STAY = [feature.name for feature in FEATURES].index("stay")
_TOLD = 5  # features in the text
_SHOWN = 8192  # bits: Python refuses to write much longer integers
_FAR = 62.0  # octaves of requests: farther is never, whatever a model says


class _Cache(Protocol):
    """What an explanation needs of `augury.Cache`."""

    @property
    def policy(self) -> Policy: ...
    def _inspect(
        self, key: Any, /
    ) -> tuple[int | None, float | None, bytes | None, str, tuple[Any] | None, Any]: ...


@dataclass(frozen=True, slots=True)
class Influence:
    """What one feature of a key adds to the time that the model expects."""

    feature: str
    """Its name, as in `augury.features.FEATURES`."""
    value: float | None
    """Its value now; None if it is of something that never was, or too long ago to be told."""
    unit: str
    """Of the value."""
    contribution: float | None
    """What it adds to the predicted time, in octaves (Shapley value): 1 doubles it, -1 halves it.
    None without a model, or where its file keeps nothing to explain it by."""


@dataclass(frozen=True, slots=True)
class KeyExplanation:
    """What a cache knows of a key at one moment, and makes of it. Made by `Cache.explain`."""

    key: Any
    """The key asked about."""
    resident: bool
    """Whether there is a value, not expired."""
    weight: int | None
    """Of the entry; None if it is not there."""
    expires_in: float | None
    """Seconds until the entry expires; None if it does not, or is not there."""
    policy: str
    """As users write it."""
    ruling: str | None
    """Which setting rules in that policy now, those of a model beginning with ``"model"``; None
    where that never changes."""
    model: str | None
    """What decides, if it is a model: its kind and its data."""
    next_access: float | None
    """Requests until the model expects the key to be asked for."""
    stays: float | None
    """Requests that an entry stays in the cache, on average."""
    probability: float | None
    """That the key is asked for within that time, by the model's calibration."""
    influences: tuple[Influence, ...]
    """Features of the key, those first that count most; empty if the policy computes none."""
    next_victim: Any
    """The key of an entry that will probably leave among the next; None if the policy does not say
    without work."""

    @property
    def reason(self) -> str:
        """Why it is in or out, in one line."""
        if self.next_access is None or self.stays is None:
            who = f"policy {self.policy}"
            if self.ruling:
                who += f" ({self.ruling})"
            return f"{who} decides"
        late = self.next_access > self.stays
        when = f"in about {self.next_access:,.0f} requests"
        than = f"{'later' if late else 'sooner'} than entries stay ({self.stays:,.0f})"
        expected = f"the model expects it {when}, {than}"
        if not (self.ruling or "").startswith("model"):
            return (
                f"{expected}; but it does not decide now: the setting for {self.ruling} misses less"
            )
        return expected + (": among the first to leave" if late and self.resident else "")

    def as_dict(self) -> dict[str, Any]:
        """Return what `to_json` writes.

        Of keys, strings and integers stay what they are, and others become their `repr`.
        """
        told = {name: getattr(self, name) for name in self.__slots__}
        told["key"], told["next_victim"] = _plain(self.key), _plain(self.next_victim)
        told["influences"] = [asdict(each) for each in self.influences]
        return {**told, "reason": self.reason}

    def to_json(self) -> str:
        """Return JSON.

        Examples
        --------
        >>> import augury, json
        >>> json.loads(augury.Cache(2, policy="lru").explain("a").to_json())["resident"]
        False
        """
        return json.dumps(self.as_dict(), allow_nan=False)

    def __str__(self) -> str:
        there = "in" if self.resident else "not in"
        details = []
        if self.weight is not None and self.weight != 1:
            details.append(f"weight {self.weight:,}")
        if self.expires_in is not None:
            details.append(f"expires in {self.expires_in:,.1f} s")
        lines = [
            f"{_text(self.key)} is {there} the cache" + "".join(f", {each}" for each in details)
        ]
        lines.append(self.reason)
        if self.model is not None:
            lines.append(f"model: {self.model}; asked for in time: {self.probability:.0%}")
        for each in self.influences[:_TOLD]:
            value = "unknown" if each.value is None else f"{each.value:.2f}"
            adds = "" if each.contribution is None else f"{each.contribution:+.2f} octaves"
            lines.append(f"  {each.feature:<12} {value:>8}  {adds}".rstrip())
        if self.next_victim is not None:
            lines.append(f"next to leave, probably: {_text(self.next_victim)}")
        return "\n".join(lines)


def _plain(key: object) -> str | int | None:
    if isinstance(key, int):
        return key if key.bit_length() <= _SHOWN else _text(key)
    return key if isinstance(key, str | None) else _text(key)


def _text(key: object) -> str:
    # The next to leave may be anybody's key, and must not spoil what is told of another.
    try:
        return repr(key)
    except Exception:
        return f"<{type(key).__name__} that cannot be shown>"


def explain_key(cache: _Cache, key: Any) -> KeyExplanation:
    """Do what `augury.Cache.explain` does."""
    weight, expires, row, ruling, victim, model = cache._inspect(key)
    features = None if row is None else np.frombuffer(row, np.float32)
    told: dict[str, Any] = dict.fromkeys(("model", "next_access", "stays", "probability"))
    influences: tuple[Influence, ...] = ()
    if features is not None:
        influences = _influences(features, None)
        told["stays"] = float(np.exp2(features[_STAY]) - 1)
        if model is not None:
            influences = _influences(features, model)
            told |= _predicted(features, model)
    return KeyExplanation(
        key=key,
        resident=weight is not None,
        weight=weight,
        expires_in=expires,
        policy=str(cache.policy),
        ruling=ruling or None,
        influences=influences,
        next_victim=None if victim is None else victim[0],
        **told,
    )


@dataclass(frozen=True, slots=True)
class Prediction:
    """When a model expects a key to be asked for."""

    next_access: float
    """In requests from now."""
    stays: float
    """Requests that an entry stays in the cache, if nobody asks for it."""
    probability: float
    """That it is asked for before it would be evicted."""


def predict_key(cache: _Cache, key: Any) -> Prediction | None:
    """Do what `augury.Cache.predict` does."""
    _, _, row, _, _, model = cache._inspect(key)
    if row is None or model is None:
        return None
    features = np.frombuffer(row, np.float32)
    told = _predicted(features, model)
    stays = float(np.exp2(features[_STAY]) - 1)
    return Prediction(told["next_access"], stays, told["probability"])


def _predicted(features: np.ndarray[Any, np.dtype[np.float32]], model: Artefact) -> dict[str, Any]:
    # Weights that are too large score infinity or no number: the cache takes both for never.
    score = np.nan_to_num(model.score(features[None]).astype(np.float64), nan=_FAR, posinf=_FAR)
    octaves = float(score[0] + features[_STAY])
    return {
        "model": f"{model.card.model}, learned from {model.card.data}",
        "next_access": max(0.0, float(np.exp2(min(octaves, _FAR)) - 1)),
        "probability": float(probability(score, model.card.calibration)[0]),
    }


def _influences(
    features: np.ndarray[Any, np.dtype[np.float32]], model: Artefact | None
) -> tuple[Influence, ...]:
    added: list[float] | None = None
    if model is not None and is_explicable(model):
        added = contributions(model, features[None]).values[0].tolist()
    influences = [
        Influence(
            feature.name,
            None if value >= UNKNOWN else value,
            feature.unit,
            None if added is None else added[at],
        )
        for at, (feature, value) in enumerate(zip(FEATURES, features.tolist(), strict=True))
    ]
    if added is not None:
        influences.sort(key=lambda each: -abs(each.contribution or 0.0))
    return tuple(influences)
