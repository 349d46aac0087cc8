"""A web service as a source, by httpx."""

from __future__ import annotations

import asyncio
import email.utils
import functools
import itertools
import re
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote
from uuid import UUID

import msgspec

from augury.errors import ConfigurationError, MissingExtraError, SourceError, StatusError
from augury.forks import renew_in_child
from augury.parameters import check_function, check_instance
from augury.sources.callable import name_of
from augury.sources.concurrency import aeach, each
from augury.sources.contract import Source

if TYPE_CHECKING:
    import ssl

    import httpx

K = TypeVar("K")
V = TypeVar("V")

_REDIRECTS = 5
_ABSENT: Any = object()


class HTTP(Source[K, V]):
    """A source that asks a web service, and only reads.

    Status 404 says that a key is not there; any other but success is an error. Connections are
    kept, for threads and for each event loop.

    Parameters
    ----------
    url
        Where a key is, with ``{key}`` in its path or query: ``https://host/items/{key}``. Keys are
        text, integers or UUIDs, and whatever is in them stays within that place.
    read
        Makes the value of the bytes of a response, by default of JSON. With `batch` it is needed,
        and makes a mapping of the values that are there.
    batch
        In place of `url`: ``batch(keys)`` returns the `httpx.Request` that asks for many keys.
    most
        How many keys go into one request at most, with `batch`. By default 100.
    headers
        Sent with each request of a single key.
    timeout
        Seconds that connecting may take, or any wait for more of the response, not the whole call:
        for that, use `Resilient`. By default 5.
    limit
        Bytes that a response may have at most, unpacked. By default 16 MiB.
    hosts
        Other hosts to which redirects are followed. By default none: only the same host, and never
        from https to http.
    concurrency
        How many requests a call makes at once. By default 8.

    Raises
    ------
    ConfigurationError
        If a parameter makes no sense, or a key has no place in a URL.
    MissingExtraError
        If httpx is not installed.

    Examples
    --------
    >>> HTTP("https://api.example/items/{key}")
    HTTP('https://api.example/items/{key}')
    """

    asynchronous = True

    def __init__(
        self,
        url: str | None = None,
        *,
        read: Callable[[bytes], Any] | None = None,
        batch: Callable[[Sequence[K]], httpx.Request] | None = None,
        most: int = 100,
        headers: Mapping[str, str] | None = None,
        timeout: float = 5.0,
        limit: int = 16 * 2**20,
        hosts: Collection[str] = (),
        concurrency: int = 8,
    ) -> None:
        try:
            import httpx  # noqa: F401
        except ModuleNotFoundError:
            raise MissingExtraError("httpx", "http") from None
        for name, number in (
            ("most", most),
            ("limit", limit),
            ("concurrency", concurrency),
        ):
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise ConfigurationError(f"{name} must be a positive integer, not {number!r}")
        if not isinstance(timeout, int | float) or not timeout > 0:
            raise ConfigurationError(f"timeout must be seconds, more than zero, not {timeout!r}")
        for name, function in (("read", read), ("batch", batch)):
            if function is not None:
                check_function(name, function)
        check_instance("headers", headers or {}, Mapping)
        if isinstance(hosts, str) or not isinstance(hosts, Collection):
            raise ConfigurationError(f"hosts must be a list of names, not {hosts!r}")
        if (url is None) == (batch is None):
            raise ConfigurationError("give either a URL or batch")
        if batch is not None and read is None:
            raise ConfigurationError("batch needs read, which makes a mapping of the response")
        self._url = "" if url is None else _checked(url)
        self._read, self._batch, self._most = read, batch, most
        self._headers = dict(headers or {})
        self._options: dict[str, Any] = {"timeout": timeout, "follow_redirects": False}
        self._limit = limit
        self._hosts = frozenset(hosts)
        self._concurrency = concurrency
        self.begin_anew()
        renew_in_child(self)

    def __repr__(self) -> str:
        # Neither a password nor a query, where services want tokens.
        shown = re.sub(r"//[^/@]*@", "//", self._url).partition("?")[0]
        return f"HTTP({shown!r})" if self._batch is None else f"HTTP(batch={name_of(self._batch)})"

    def load_many(self, keys: Sequence[K]) -> dict[K, V]:
        """Return the values of those keys that are there.

        Raises
        ------
        StatusError
            If the service answered with a status that is neither success nor absence.
        SourceError
            If a response was too large, led elsewhere, or was no JSON.
        httpx.TransportError
            If the service could not be reached.
        """
        return self._merged(each(self._get, self._asked(keys), self._concurrency, absence=()))

    async def aload_many(self, keys: Sequence[K]) -> dict[K, V]:
        """Return the values of those keys that are there; raises what `load_many` does."""
        return self._merged(
            await aeach(self._aget, self._asked(keys), self._concurrency, absence=())
        )

    def begin_anew(self) -> None:
        """In a forked child, which must not use connections of its parent."""
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None
        self._clients: dict[asyncio.AbstractEventLoop, httpx.AsyncClient] = {}

    def close(self) -> None:
        """Close the connections of threads; those of an event loop are closed by `aclose`."""
        with self._lock:
            client = self._client
            self._client = None
        if client is not None:
            client.close()

    async def aclose(self) -> None:
        """Close the connections of threads and of this event loop."""
        self.close()
        with self._lock:
            client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    def _connected(self) -> httpx.Client:
        import httpx

        with self._lock:
            if self._client is None:
                self._client = httpx.Client(verify=_tls(), **self._options)
            return self._client

    def _aconnected(self) -> httpx.AsyncClient:
        import httpx

        loop = asyncio.get_running_loop()
        with self._lock:
            client = self._clients.get(loop)
            if client is None:
                for ended in [each for each in self._clients if each.is_closed()]:
                    del self._clients[ended]
                client = self._clients[loop] = httpx.AsyncClient(verify=_tls(), **self._options)
            return client

    def _asked(self, keys: Sequence[K]) -> Iterable[Any]:
        """Return what is asked for by a request each: a key, or a tuple of them."""
        if self._batch is None:
            return keys
        distinct = iter(dict.fromkeys(keys))
        return iter(lambda: tuple(itertools.islice(distinct, self._most)), ())

    def _merged(self, found: dict[Any, Any]) -> dict[K, V]:
        if self._batch is None:
            return {key: value for key, value in found.items() if value is not _ABSENT}
        return {key: value for part in found.values() for key, value in part.items()}

    def _get(self, asked: Any) -> Any:
        client = self._connected()
        request: httpx.Request | None = self._request(asked)
        for _ in range(_REDIRECTS + 1):
            assert request is not None
            response = client.send(request, stream=True)
            try:
                if not response.has_redirect_location:
                    body = bytearray()
                    for part in response.iter_bytes():
                        self._add(body, part)
                    return self._value(asked, response, body)
                request = self._redirected(response)
            finally:
                response.close()
        raise SourceError(f"{self!r} redirects more than {_REDIRECTS} times")

    async def _aget(self, asked: Any) -> Any:
        client = self._aconnected()
        request: httpx.Request | None = self._request(asked)
        for _ in range(_REDIRECTS + 1):
            assert request is not None
            response = await client.send(request, stream=True)
            try:
                if not response.has_redirect_location:
                    body = bytearray()
                    async for part in response.aiter_bytes():
                        self._add(body, part)
                    return self._value(asked, response, body)
                request = self._redirected(response)
            finally:
                await response.aclose()
        raise SourceError(f"{self!r} redirects more than {_REDIRECTS} times")

    def _request(self, asked: Any) -> httpx.Request:
        import httpx

        if self._batch is not None:
            request = self._batch(list(asked))
            if not isinstance(request, httpx.Request):
                raise ConfigurationError(f"batch must return an httpx.Request, not {request!r}")
            request.extensions.setdefault(
                "timeout", httpx.Timeout(self._options["timeout"]).as_dict()
            )
            return request
        return httpx.Request(
            "GET",
            self._url.replace("{key}", _encoded(asked)),
            headers=self._headers,
            extensions={"timeout": httpx.Timeout(self._options["timeout"]).as_dict()},
        )

    def _redirected(self, response: httpx.Response) -> httpx.Request | None:
        """Return the request that a redirect asks for, if it may be followed."""
        request = response.next_request
        assert request is not None
        old, new = response.request.url, request.url
        if new.host not in self._hosts and not _same_host(old, new):
            raise SourceError(f"{self!r} redirects to another host, {new.host!r}")
        if old.scheme == "https" and new.scheme != "https":
            raise SourceError(f"{self!r} redirects from https to {new.scheme}")
        return request

    def _add(self, body: bytearray, part: bytes) -> None:
        if len(body) + len(part) > self._limit:
            raise SourceError(f"{self!r} answered with more than {self._limit} bytes")
        body += part

    def _value(self, asked: Any, response: httpx.Response, body: bytearray) -> Any:
        """Return the value that a response has, or `_ABSENT`."""
        if response.status_code == 404 and self._batch is None:
            return _ABSENT
        if not response.is_success:
            raise StatusError(
                f"{self!r} answered with status {response.status_code}",
                response.status_code,
                _seconds(response.headers.get("retry-after")),
            )
        if self._read is None:
            try:
                return msgspec.json.decode(body)
            except msgspec.DecodeError as error:
                raise SourceError(f"{self!r} answered with what is no JSON: {error}") from None
        value = self._read(bytes(body))
        if self._batch is None:
            return value
        if not isinstance(value, Mapping):
            raise ConfigurationError(f"read must return a mapping, not {type(value).__name__}")
        return {key: value[key] for key in asked if key in value}


@functools.cache
def _tls() -> ssl.SSLContext:
    """Return the settings of TLS that all clients share, as making them takes long."""
    import httpx

    return httpx.create_ssl_context()


def _same_host(old: httpx.URL, new: httpx.URL) -> bool:
    if old.host != new.host:
        return False
    # From http to https, the usual ports differ: neither is written.
    return (old.port or old.scheme) == (new.port or new.scheme) or old.port is new.port is None


def _checked(url: str) -> str:
    import httpx

    try:
        host = httpx.URL(url.replace("{key}", "k")).host
    except (httpx.InvalidURL, TypeError, AttributeError, UnicodeError):
        host = ""
    if not host or not url.startswith(("http://", "https://")):
        raise ConfigurationError("url must be like https://host/items/{key}")
    place = url.partition("://")[2].partition("/")[2].partition("#")[0]
    if url.count("{key}") != 1 or "{key}" not in place:
        raise ConfigurationError("url must have {key} once, after the host")
    return url


def _encoded(key: object) -> str:
    """Return a key as it stands in a URL, where it cannot be taken for anything else."""
    if isinstance(key, bool) or not isinstance(key, str | int | UUID):
        raise ConfigurationError(
            f"a key in a URL must be text, an integer or a UUID, not {type(key).__name__}"
        )
    try:
        encoded = quote(str(key), safe="")
    except UnicodeEncodeError:
        encoded = ""
    if encoded in {"", ".", ".."}:  # another place of the service than that of a key
        raise ConfigurationError(f"{key!r} cannot be a key in a URL")
    return encoded


def _seconds(retry_after: str | None) -> float | None:
    """Return the pause that a service asks for, given in seconds or as a date."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None
