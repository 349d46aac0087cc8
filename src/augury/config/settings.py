"""The sections of a configuration, and where they are read from."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

Scope = Literal["read", "write", "admin"]


class Section(BaseModel):
    """What all sections share: nothing that is not known, nothing that changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Token(Section):
    """Who may do what: ``[service.tokens.NAME]``."""

    sha256: str
    """Of the token, in hex: the configuration holds no secret."""
    scopes: tuple[Scope, ...] = ("read",)
    caches: tuple[str, ...] = ("*",)
    """The caches that it may use."""


class Service(Section):
    """The HTTP server: ``[service]``."""

    host: str = "127.0.0.1"
    port: int = 8520
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tokens: dict[str, Token] = {}
    """None: everybody on the loopback interface may do everything; refused on any other."""
    body_limit: int = 1 << 20
    """Bytes of a request's body."""
    rate: float = 0.0
    """Requests a second and token (address, without tokens); 0 for no limit."""
    stop_seconds: float = 10.0
    """How long requests under way may take when the service stops."""


class CacheSection(Section):
    """A cache: ``[caches.NAME]``."""

    capacity: int = 100_000
    policy: str = "auto"
    ttl: float | None = None


class Settings(Section):
    """A whole configuration."""

    service: Service = Service()
    caches: dict[str, CacheSection] = {}
    registry: Path | None = None
    """Folder of the models that the API lists, activates and rolls back."""


def load_settings(path: Path | None = None) -> Settings:
    """Read a configuration from a TOML file, and the environment over it."""
    raise NotImplementedError
