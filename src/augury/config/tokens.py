"""Makes the tokens by which the service knows who calls."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence

from pydantic import ValidationError

from augury.config.mistakes import told
from augury.config.sections.service import Service, Token
from augury.errors import SettingsError


def make_token(name: str, scopes: Sequence[str] = ("read",)) -> tuple[str, Token]:
    """Return a random token, and what the configuration says of it.

    Parameters
    ----------
    name
        Whose it is.
    scopes
        What it may do, of ``"read"``, ``"write"`` and ``"admin"``.

    Raises
    ------
    SettingsError
        If it cannot be called so, or there is no such scope.

    Examples
    --------
    >>> token, section = make_token("shop", ["read", "write"])
    >>> section.sha256 == hashlib.sha256(token.encode()).hexdigest()
    True
    """
    token = secrets.token_urlsafe(32)
    digest = hashlib.sha256(token.encode()).hexdigest()
    try:
        service = Service.model_validate(
            {"tokens": {name: {"sha256": digest, "scopes": list(scopes)}}}
        )
    except ValidationError as error:
        raise SettingsError(told(Service, error)) from None
    return token, service.tokens[name]
