"""The HTTP API, so that any language's cache can use what Augury infers."""

from augury.service.app import application
from augury.service.server import serve
from augury.service.service import Service

__all__ = ["Service", "application", "serve"]
