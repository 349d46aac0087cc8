"""Contents of a cache in a file, or found out from a log, so that no restart begins cold.

`Cache.save`, `Cache.load` and `Cache.warm` are what users call; docs/restart.md tells when.
"""

from augury.snapshot.loading import LoadReport
from augury.snapshot.methods import Restarts
from augury.snapshot.saving import SaveReport
from augury.snapshot.warming import WarmReport

__all__ = ["LoadReport", "Restarts", "SaveReport", "WarmReport"]
