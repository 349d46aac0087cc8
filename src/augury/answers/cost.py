"""What the ways to an answer are expected to cost."""

from __future__ import annotations

_NEWEST = 0.05  # the weight of the newest observation
_RAREST = 0.02  # a way is taken to work at least so often, so that it is tried again
_OUTLIER = 8.0  # one observation counts for no more than so many times the mean
_FORGETTING = 0.99


class Cost:
    """Expected seconds of one way to an answer, which may turn out to be none.

    Ways that may fail are tried in the order of what they cost for each answer that they give;
    whatever costs more than the database is not tried.

    Parameters
    ----------
    seconds
        What trying is taken to cost before anything was measured.

    Examples
    --------
    >>> cost = Cost(1e-5)
    >>> for _ in range(100):
    ...     cost.note(1e-5, worked=False)
    >>> round(cost.price, 5)
    0.0005
    """

    __slots__ = ("seconds", "share")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        """What trying costs."""
        self.share = 1.0
        """How often there is an answer."""

    def note(self, seconds: float, *, worked: bool) -> None:
        """Learn from a trial."""
        # A thread that was interrupted must not make a way look expensive for long.
        self.seconds += _NEWEST * (min(seconds, _OUTLIER * self.seconds) - self.seconds)
        self.share += _NEWEST * (worked - self.share)

    def skip(self) -> None:
        """Let what was too expensive be tried again some time."""
        self.seconds *= _FORGETTING

    @property
    def price(self) -> float:
        """Expected seconds for each answer that it gives."""
        return self.seconds / max(self.share, _RAREST)
