"""``[service]``: the HTTP server, and who may use it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from augury.config.quantities import Bytes, Seconds
from augury.config.sections.section import LocalPath, Name, Section

Scope = Literal["read", "write", "admin"]


class Token(Section):
    """Who may do what: ``[service.tokens.NAME]``; `augury config token NAME` makes one."""

    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    """Of the token, in hex: the configuration holds no secret."""
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)] = ("read",)
    """What it may do: read, write, admin."""
    caches: tuple[str, ...] = ("*",)
    """The caches that it may use."""


class Service(Section):
    """The HTTP server: ``[service]``."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 8520
    """Port to listen on; 0 for any that is free."""
    tls_certificate: LocalPath | None = None
    """File with the certificate, in PEM."""
    tls_key: LocalPath | None = None
    """File with its key, in PEM."""
    tokens: dict[Name, Token] = Field(default_factory=dict)
    """None: everybody on the loopback interface may do everything; refused on any other."""
    body_limit: Bytes = 1 << 20
    """Bytes of a request's body."""
    rate: Annotated[float, Field(ge=0)] = 0.0
    """Requests a second and token (address, without tokens); 0 for no limit."""
    read_seconds: Seconds = 10.0
    """How long a client may take to send the head of a request, and again its body."""
    stop_seconds: Seconds = 10.0
    """How long requests under way may take when the service stops."""

    @model_validator(mode="after")
    def _has_both_or_neither(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("give both tls_certificate and tls_key, or neither")
        return self
