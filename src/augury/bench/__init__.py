"""Measures Augury side by side with its peers.

`measure` holds the only measuring loop, `peers` an adapter for each peer, and `live`, `memory` and
`simulation` a group of rows each. `find_rows` lists them.
"""

from augury.bench.measure import Effort, Measurement, Row, Target
from augury.bench.rows import find_rows

__all__ = ["Effort", "Measurement", "Row", "Target", "find_rows"]
