"""A cache of responses for Starlette, FastAPI and whatever else speaks ASGI."""

from augury.integrations.starlette.lifetime import cache_for
from augury.integrations.starlette.middleware import ResponseCache, invalidate

__all__ = ["ResponseCache", "cache_for", "invalidate"]
