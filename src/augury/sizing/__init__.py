"""How large a cache should be: miss-ratio curves, and what to make of them.

`curve` measures one from a trace, `analytic` makes one of probabilities; `Prices` makes a
recommendation of a curve, and `split` shares one budget between several. docs/sizing.md says what
each costs and how far off it is.
"""

from augury.sizing.curve import Curve
from augury.sizing.live import LiveCurve
from augury.sizing.measure import METHODS, curve
from augury.sizing.money import Goal, Miss, Prices, Recommendation, Sized, Tier
from augury.sizing.popularity import ANALYTIC, Popularity, analytic, read_popularity
from augury.sizing.tenants import Share, Tenant, split

__all__ = [
    "ANALYTIC",
    "METHODS",
    "Curve",
    "Goal",
    "LiveCurve",
    "Miss",
    "Popularity",
    "Prices",
    "Recommendation",
    "Share",
    "Sized",
    "Tenant",
    "Tier",
    "analytic",
    "curve",
    "read_popularity",
    "split",
]
