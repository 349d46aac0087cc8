"""Who decides in a cache, and why."""

from __future__ import annotations

from typing import Any

from augury.cache import Cache
from augury.observe.views import PolicyView


def policy_view(cache: Cache[Any, Any]) -> PolicyView:
    """Return who decides in a cache now, and why."""
    policy = str(cache.policy)
    ruling, compared = cache._ruling()
    if not ruling:
        return PolicyView(policy=policy, ruling=policy, reason="the cache was made with it")
    candidates = dict(sorted(compared, key=lambda each: -each[1]))
    return PolicyView(
        policy=policy, ruling=ruling, reason=_reason(ruling, candidates), candidates=candidates
    )


def _reason(ruling: str, candidates: dict[str, float]) -> str:
    own = candidates.get(ruling)
    others = {name: ratio for name, ratio in candidates.items() if name != ruling}
    if own is None or not others:
        return "nothing was compared yet, and it is what rules at first"
    next_best = max(others, key=others.__getitem__)
    told = f"its shadow cache hit {own:.1%} of the requests last compared"
    if others[next_best] <= own:
        return f"{told}, the next best ({next_best}) {others[next_best]:.1%}"
    return (
        f"{told}; {next_best} hit {others[next_best]:.1%}, which is too little more to be worth "
        "the change"
    )
