"""Contents of a cache in a file, or found out from a log, so that no restart begins cold.

`Cache.save`, `Cache.load` and `Cache.warm` are what users call; docs/restart.md tells when.
"""

from augury.snapshot.loading import LoadReport, load
from augury.snapshot.saving import SaveReport, save

__all__ = ["LoadReport", "SaveReport", "load", "save"]
