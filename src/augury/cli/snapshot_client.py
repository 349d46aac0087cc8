"""Reads snapshots from a service over HTTP."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import msgspec

from augury.errors import ConfigurationError, ServiceError
from augury.observe import Snapshot

_SECONDS = 5.0  # to wait for the service to send something
_ALTOGETHER = 15.0  # seconds, for what it sends bit by bit
_MOST = 64 << 20  # bytes of a snapshot


class SnapshotClient:
    """Asks one service. It follows no redirection, so that the token goes nowhere else.

    Parameters
    ----------
    url
        ``http://host:port`` or ``https://host:port``.
    token
        Bearer token; None where the service has none.
    ca
        Certificates to trust; None: those of the system.

    Raises
    ------
    ConfigurationError
        If the URL, the token or the certificates are none.
    """

    def __init__(self, url: str, token: str | None, ca: Path | None = None) -> None:
        parts = _parts(url)
        if token is not None and not (token.isascii() and token.isprintable() and token.strip()):
            raise ConfigurationError("a token is printable ASCII text")
        self.url = f"{parts.scheme}://{parts.netloc}"
        self._parts = parts
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._tls = _trust(ca) if parts.scheme == "https" else None

    def read(self) -> Snapshot:
        """Return the present snapshot.

        Raises
        ------
        ServiceError
            If the service does not answer, refuses the token, or is none of Augury's.
        """
        try:
            status, body = self._get("/v1/snapshot")
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            why = " ".join(str(error).split()) or type(error).__name__
            raise ServiceError(
                f"no answer from {self.url}: {why}; start it with: augury serve"
            ) from None
        if status == 401:
            raise ServiceError(
                f"{self.url} wants a valid token; give one by --token or AUGURY_TOKEN"
            )
        if status == 403:
            raise ServiceError(f"{self.url} refuses: the token may not read")
        if status == 429:
            raise ServiceError(f"{self.url} refuses: too many requests; look less often")
        try:
            if status != 200:
                raise ValueError(f"status {status}")
            return msgspec.json.decode(body, type=Snapshot)
        except ValueError as error:
            raise ServiceError(
                f"{self.url} does not answer as augury serve of this version: {error}"
            ) from None

    def _get(self, path: str) -> tuple[int, bytes]:
        host, port = self._parts.hostname or "", self._parts.port
        connection = (
            http.client.HTTPConnection(host, port, timeout=_SECONDS)
            if self._tls is None
            else http.client.HTTPSConnection(host, port, timeout=_SECONDS, context=self._tls)
        )
        late = threading.Timer(_ALTOGETHER, _hang_up, (connection,))
        late.daemon = True
        late.start()
        try:
            connection.request("GET", path, headers=self._headers)
            answer = connection.getresponse()
            return answer.status, answer.read(_MOST)
        finally:
            late.cancel()
            connection.close()


def _hang_up(connection: http.client.HTTPConnection) -> None:
    """End what waits for a reply, as a timeout does that starts anew with every byte."""
    with contextlib.suppress(OSError, AttributeError):  # it is not, or no longer, connected
        socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        known = parts.scheme in ("http", "https") and parts.hostname and parts.path in ("", "/")
        known = known and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        known = False
    if not known:
        raise ConfigurationError(f"{url!r} is no URL such as http://127.0.0.1:8520")
    return parts


def _trust(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except ssl.SSLError:
        raise ConfigurationError(f"{ca}: has no certificates in PEM") from None
