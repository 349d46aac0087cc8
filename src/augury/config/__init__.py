"""Configuration by TOML and environment: what `augury serve` and its relatives are made from."""

from augury.config.settings import Settings, load_settings

__all__ = ["Settings", "load_settings"]
