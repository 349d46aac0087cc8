"""How large a cache should be: miss-ratio curves, and what to make of them.

`curve` measures one from a trace; docs/sizing.md says what each method costs and how far off it is.
"""

from augury.sizing.curve import Curve
from augury.sizing.measure import METHODS, curve

__all__ = ["METHODS", "Curve", "curve"]
