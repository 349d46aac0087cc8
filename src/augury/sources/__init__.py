"""What answers a miss: a function, a database, a web service; and what keeps it from hurting."""

from augury.sources.callable import Loader, as_source
from augury.sources.coalesce import Coalesced
from augury.sources.contract import Source
from augury.sources.http import HTTP
from augury.sources.resilience import Resilient
from augury.sources.sql import SQL
from augury.sources.transient import may_pass

__all__ = ["HTTP", "SQL", "Coalesced", "Loader", "Resilient", "Source", "as_source", "may_pass"]
