"""The HTTP API, so that any language's cache can use what Augury infers."""

from augury.errors import MissingExtraError

try:
    from augury.service.app import application
    from augury.service.server import serve
    from augury.service.service import Service
except ModuleNotFoundError as missing:
    if missing.name is None or missing.name.startswith("augury"):
        raise
    raise MissingExtraError(missing.name.partition(".")[0], "serve") from None

__all__ = ["Service", "application", "serve"]
