"""What answers a miss: a function, a database, a web service; and what keeps it from hurting."""

from augury.sources.callable import Loader, as_source
from augury.sources.contract import Source

__all__ = ["Loader", "Source", "as_source"]
