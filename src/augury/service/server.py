"""Serves an application over HTTP until it is told to stop."""

from __future__ import annotations

import asyncio
import math
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from augury.config.settings import Service as ServiceSettings
from augury.errors import ConfigurationError
from augury.service.app import application
from augury.service.connection import connection
from augury.service.gate import is_loopback
from augury.service.service import Service

_STOPPING = (signal.SIGINT, signal.SIGTERM)
_WAITING = 2048  # connections that the kernel keeps for us while we are busy


def serve(service: Service, announce: Callable[[str], None] = print) -> None:
    """Serve a service until the process is told to stop by SIGINT or SIGTERM.

    Then nothing more is accepted, requests under way may finish within `stop_seconds`, and the
    service is closed: what waits to be written is written. A second signal ends the process.

    Parameters
    ----------
    service
        What is served, at the address in its settings.
    announce
        Called with the URL, once it can be reached there.

    Raises
    ------
    ConfigurationError
        If the address is taken, not of this machine, or open to others without tokens, or the
        files for TLS are of no use.
    """
    settings = service.settings.service
    try:
        config = _configured(service)
        listening = _listening(settings)
    except BaseException:
        asyncio.run(service.close())
        raise
    with listening:
        _Server(config, service, lambda: announce(_url(settings, listening))).run([listening])


def _configured(service: Service) -> uvicorn.Config:
    settings = service.settings.service
    if not settings.tokens and not is_loopback(settings.host):
        raise ConfigurationError(
            f"service.host {settings.host} can be reached from other machines: give "
            "service.tokens, or listen on 127.0.0.1"
        )
    config = uvicorn.Config(
        application(service),
        loop="uvloop",
        http=connection(settings.read_seconds),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # whoever connects would say who he is
        timeout_graceful_shutdown=math.ceil(settings.stop_seconds),
    )
    config.load()
    config.ssl = _tls(settings)
    return config


class _Server(uvicorn.Server):
    def __init__(
        self, config: uvicorn.Config, service: Service, announce: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._service = service
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.stopping = True
        try:
            await super().shutdown(sockets)
        finally:
            await self._service.close()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Ours, as uvicorn's end the process by the signal rather than with 0.
        before = {number: signal.signal(number, self._stop) for number in _STOPPING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, *_: int | FrameType | None) -> None:
        self.should_exit = True
        for number in _STOPPING:  # the next one ends the process, whatever it waits for
            signal.signal(number, signal.SIG_DFL)


def _tls(settings: ServiceSettings) -> ssl.SSLContext | None:
    if settings.tls_certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(
            settings.tls_certificate, settings.tls_key, lambda: _no_password(settings)
        )
    except ssl.SSLError as error:
        raise ConfigurationError(
            f"service.tls_certificate {settings.tls_certificate} and service.tls_key "
            f"{settings.tls_key} are no certificate and its key in PEM ({error.reason})"
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"service.tls_certificate {settings.tls_certificate}, service.tls_key "
            f"{settings.tls_key}: {error.strerror}"
        ) from None
    return context


def _no_password(settings: ServiceSettings) -> str:
    raise ConfigurationError(f"service.tls_key {settings.tls_key} takes a password; decrypt it")


def _listening(settings: ServiceSettings) -> socket.socket:
    """Return a socket that listens at the address of the settings."""
    host, port = settings.host, settings.port
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family, backlog=_WAITING)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigurationError(
            f"cannot listen on {host} port {port}: {reason.lower()}; "
            "choose others by --host and --port"
        ) from None


def _url(settings: ServiceSettings, listening: socket.socket) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    scheme = "http" if settings.tls_certificate is None else "https"
    return f"{scheme}://{host}:{listening.getsockname()[1]}"
