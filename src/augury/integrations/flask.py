"""An extension for Flask: views and functions that remember, with a cache an application.

::

    from augury.integrations.flask import FlaskCache

    cache = FlaskCache(app)

    @app.get("/")
    @cache.cached(timeout=60)
    def index(): ...
"""

from __future__ import annotations

import functools
import inspect
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from augury.cache import Cache
from augury.errors import ConfigurationError, MissingExtraError
from augury.integrations.packing import Packing
from augury.integrations.store import Store, store_of
from augury.keys import call_key, digest
from augury.loading import NOTHING
from augury.parameters import check_instance
from augury.tiers import Tiers

try:
    from flask import Flask, Response, current_app, has_request_context, request
    from flask.globals import request_ctx
except ImportError:
    raise MissingExtraError("flask", "flask") from None

P = ParamSpec("P")
T = TypeVar("T")

__all__ = ["FlaskCache"]

_EXTENSION = "augury"
# Of Flask-Caching: a timeout of 0 is for ever.
_FOR_EVER = 0
# Of those that RFC 9110, section 15.1, lets be kept unasked, what is no error and no part.
_FINAL = (200, 203, 204, 300, 301, 308)


class FlaskCache:
    """Caches for the applications of Flask, each its own.

    Parameters
    ----------
    app
        An application to serve; without it, call `init_app` later, for each application.
    cache
        Where to keep values: an `augury.Cache` or `augury.Tiers`. By default a cache is made for
        each application, by its configuration:

        - ``AUGURY_CAPACITY``: entries, 10,000 by default; ``AUGURY_POLICY``: ``"auto"`` by default
        - ``AUGURY_TIMEOUT``: seconds that entries live unless told otherwise, 300 by default; 0 is
          for ever
        - ``AUGURY_KEY_PREFIX``: what all keys begin with, ``""`` by default
        - ``AUGURY_PICKLE``: whether tiers carry what only pickle can, signed with ``SECRET_KEY``;
          by default not
        - ``AUGURY_OFF``: whether nothing is cached, as in tests; by default not

    Raises
    ------
    ConfigurationError
        If a parameter or a setting makes no sense.

    Examples
    --------
    >>> from flask import Flask
    >>> app = Flask("shop")
    >>> cache = FlaskCache(app)
    >>> @app.get("/prices")
    ... @cache.cached(timeout=60)
    ... def prices():
    ...     return {"tea": 3}
    >>> app.test_client().get("/prices").json
    {'tea': 3}
    """

    def __init__(
        self, app: Flask | None = None, cache: Cache[Any, Any] | Tiers[Any, Any] | None = None
    ) -> None:
        if cache is not None and not isinstance(cache, Cache | Tiers):
            raise ConfigurationError(f"FlaskCache takes a Cache or Tiers, not {cache!r}")
        self._given = cache
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Serve an application `app`, too, by its configuration as it is now.

        Raises
        ------
        ConfigurationError
            If ``AUGURY_PICKLE`` is set and ``SECRET_KEY`` is not.
        """
        check_instance("app", app, Flask)
        config = app.config
        kept = self._given
        if kept is None:
            capacity = config.get("AUGURY_CAPACITY", 10_000)
            kept = Cache(capacity, policy=config.get("AUGURY_POLICY", "auto"))
        store = store_of(kept)
        pickles = config.get("AUGURY_PICKLE", False)
        if pickles and not app.secret_key:
            raise ConfigurationError("AUGURY_PICKLE needs a SECRET_KEY, to sign with")
        secret = str(app.secret_key) if pickles else None
        app.extensions.setdefault(_EXTENSION, {})[self] = _Served(
            store,
            Packing(leaves=not store.near, secret=secret),
            config.get("AUGURY_KEY_PREFIX", ""),
            config.get("AUGURY_TIMEOUT", 300),
            bool(config.get("AUGURY_OFF", False)),
        )

    @property
    def _served(self) -> _Served:
        """What keeps the values of the application at work."""
        try:
            served: _Served = current_app.extensions[_EXTENSION][self]
        except KeyError:
            raise ConfigurationError(
                f"this FlaskCache does not serve {current_app.name!r}: call init_app(app)"
            ) from None
        return served

    def get(self, key: str) -> Any:
        """Return the value of a key, or None."""
        return self._served.get(key, None)

    def set(self, key: str, value: Any, timeout: float | None = None) -> None:
        """Keep a value for `timeout` seconds: 0 is for ever, None as long as is configured.

        It is found by its key.
        """
        self._served.set(key, value, timeout)

    def delete(self, key: str) -> bool:
        """Delete the value of a key; return whether there was one."""
        served = self._served
        return bool(served.store.delete_many([served.prefix + key]))

    def clear(self) -> None:
        """Delete everything in the cache or tiers of this application, other prefixes included."""
        self._served.store.clear()

    def cached(
        self,
        timeout: float | None = None,
        key_prefix: str | Callable[[], str] = "view/%s",
        unless: Callable[[], bool] | None = None,
        *,
        query_string: bool = False,
    ) -> Callable[[Callable[P, Any]], Callable[P, Any]]:
        """Remember what a view responds, or a function without arguments returns.

        Of a view, only what is public is kept: responses to GET and HEAD of requests without
        ``Authorization``, of a final status (200, 203, 204, 300, 301 or 308), without
        ``Set-Cookie``, ``private``, ``no-store`` or ``no-cache``, that do not stream, and were made
        without a look at the session or at ``request.cookies``. If a response has ``Vary``, it is
        kept only if `key_prefix` is a function, which is to tell apart what varies.

        Parameters
        ----------
        timeout
            Seconds; 0 is for ever, None (the default) as long as is configured.
        key_prefix
            The key. ``%s`` in it stands for the address that is asked for, ``"http://host/path"``;
            with it, or if it is a function that returns the key, this is about a view. By default
            ``"view/%s"``.
        unless
            Returns whether to do without the cache now.
        query_string
            Whether the query counts, in whatever order its arguments are. By default not.

        Examples
        --------
        >>> from flask import Flask
        >>> app = Flask("shop")
        >>> cache = FlaskCache(app)
        >>> @cache.cached(key_prefix="stock")
        ... def stock():
        ...     print("counting")
        ...     return ["tea"]
        >>> with app.app_context():
        ...     stock(), stock()
        counting
        (['tea'], ['tea'])
        """

        def decorate(function: Callable[P, Any]) -> Callable[P, Any]:
            of_view = callable(key_prefix) or "%s" in key_prefix

            @functools.wraps(function)
            def remembering(*args: P.args, **kwargs: P.kwargs) -> Any:
                served = self._served
                call = functools.partial(current_app.ensure_sync(function), *args, **kwargs)
                if served.off or (unless is not None and unless()):
                    return call()
                if not of_view:
                    return served.get_or_make(str(key_prefix), call, timeout)
                if not has_request_context() or not _may_be_asked():
                    return call()
                key = _view_key(key_prefix, query=query_string)
                return _respond(served, key, call, timeout, varies=callable(key_prefix))

            return remembering

        return decorate

    def memoize(
        self,
        timeout: float | None = None,
        unless: Callable[[], bool] | None = None,
        *,
        version: object = None,
    ) -> Callable[[Callable[P, T]], Callable[P, T]]:
        """Remember what a function returns, for each of its arguments.

        However many ask at once, it is called once. Arguments need a key as `augury.keys.encode`
        makes it; of a method, `self` is one of them.

        Parameters
        ----------
        timeout, unless
            As of `cached`.
        version
            As of `augury.keys.call_key`: what tells results of another code apart, or of functions
            that remember variables around them, which are refused without it.

        Raises
        ------
        ConfigurationError
            If it is a coroutine function.

        Examples
        --------
        >>> from flask import Flask
        >>> app = Flask("shop")
        >>> cache = FlaskCache(app)
        >>> @cache.memoize()
        ... def price(name):
        ...     print("asking for", name)
        ...     return len(name)
        >>> with app.app_context():
        ...     price("tea"), price(name="tea")
        ...     cache.delete_memoized(price)
        ...     price("tea")
        asking for tea
        (3, 3)
        asking for tea
        3
        """

        def decorate(function: Callable[P, T]) -> Callable[P, T]:
            if inspect.iscoroutinefunction(function):
                raise ConfigurationError(
                    f"memoize takes no coroutine function such as {function.__qualname__}: "
                    "use augury.cached"
                )

            def key_of(served: _Served, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
                generation = served.get_or_make(
                    _generation_key(function), lambda: uuid.uuid4().hex, _FOR_EVER
                )
                call = call_key(function, args, kwargs, version=version)
                return f"memo/{digest((generation, call)).hex()}"

            @functools.wraps(function)
            def remembering(*args: P.args, **kwargs: P.kwargs) -> T:
                served = self._served
                call = functools.partial(function, *args, **kwargs)
                if served.off or (unless is not None and unless()):
                    return call()
                made: T = served.get_or_make(key_of(served, args, kwargs), call, timeout)
                return made

            remembering.memo_key = key_of  # type: ignore[attr-defined]
            return remembering

        return decorate

    def delete_memoized(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Forget what a memoized function returned for these arguments; without any, for all.

        Raises
        ------
        ConfigurationError
            If it is not memoized.
        """
        key_of = getattr(function, "memo_key", None)
        if key_of is None:
            raise ConfigurationError(f"{function!r} is not memoized")
        if args or kwargs:
            instance = (function.__self__,) if inspect.ismethod(function) else ()
            self.delete(key_of(self._served, (*instance, *args), kwargs))
        else:
            self.set(_generation_key(function), uuid.uuid4().hex, _FOR_EVER)


@dataclass(frozen=True, slots=True)
class _Served:
    """An application's cache, and how it uses it."""

    store: Store
    packing: Packing
    prefix: str
    timeout: float | None
    off: bool

    def get(self, key: str, default: Any) -> Any:
        name = self.prefix + key
        return self.packing.unpack(name, self.store.get(name, NOTHING), default)

    def set(self, key: str, value: Any, timeout: float | None) -> None:
        name = self.prefix + key
        self.store.set(name, self.packing.pack(name, value), self._ttl(timeout))

    def get_or_make(self, key: str, make: Callable[[], Any], timeout: float | None) -> Any:
        name = self.prefix + key
        kept = self.store.get_or_load(
            name, lambda _: self.packing.pack(name, make()), self._ttl(timeout)
        )
        value = self.packing.unpack(name, kept, NOTHING)
        if value is NOTHING:  # signed with another key: nobody will be able to read it
            value = make()
            self.set(key, value, timeout)
        return value

    def _ttl(self, timeout: float | None) -> float | None:
        seconds = self.timeout if timeout is None else timeout
        return seconds or None


def _may_be_asked() -> bool:
    """Return whether the response to this request may be anybody's."""
    return request.method in ("GET", "HEAD") and "Authorization" not in request.headers


def _view_key(prefix: str | Callable[[], str], *, query: bool) -> str:
    if callable(prefix):
        key = prefix()
    else:  # the host, too: a view may well make an address of it, and whoever asks chooses it
        place = f"{request.scheme}://{request.host}{request.root_path}{request.path}"
        key = prefix.replace("%s", place)
    if query:  # in front, as a path may end in anything
        asked = sorted(request.args.items(multi=True))
        key = f"?{digest(asked).hex()} {key}"
    return f"{request.method} {key}" if request.method == "HEAD" else key


def _respond(
    served: _Served, key: str, call: Callable[[], Any], timeout: float | None, *, varies: bool
) -> Response:
    """Return the response that is kept under a key, or a new one."""
    kept = served.get(key, NOTHING)
    if kept is not NOTHING:
        status, headers, body = kept
        return current_app.response_class(body, status, headers)
    request.__dict__.pop("cookies", None)  # as Flask's session has looked there; see _is_public
    response = current_app.make_response(call())
    if _is_public(response) and (varies or not response.vary):
        # Handlers that run later add headers to the response, not to what is kept.
        kept = response.status_code, response.headers.to_wsgi_list(), response.get_data()
        served.set(key, kept, timeout)
    return response


def _is_public(response: Response) -> bool:
    control = response.cache_control
    return (
        response.status_code in _FINAL
        and not response.is_streamed
        and not response.direct_passthrough
        and "Set-Cookie" not in response.headers
        and not control.private
        and not control.no_store
        and not control.no_cache
        and "cookies" not in request.__dict__  # where Werkzeug keeps what was looked at
        and not _session_was_read()
    )


def _session_was_read() -> bool:
    # From Flask 3.1.3 on, to ask the session itself would count as reading it.
    held = request_ctx._session if hasattr(request_ctx, "_session") else request_ctx.session
    return bool(getattr(held, "accessed", True))


def _generation_key(function: Callable[..., Any]) -> str:
    return f"generation/{function.__module__}.{function.__qualname__}"
