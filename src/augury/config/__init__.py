"""Configuration by TOML and environment: what `augury serve` and its relatives are made from."""

from augury.errors import MissingExtraError

try:
    from augury.config.building import Built, build
    from augury.config.settings import Settings, load_settings
except ModuleNotFoundError as missing:
    if missing.name is None or not missing.name.startswith("pydantic"):
        raise
    raise MissingExtraError("pydantic-settings", "config") from None

__all__ = ["Built", "Settings", "build", "load_settings"]
