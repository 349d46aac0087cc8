"""What the routes work on."""

from __future__ import annotations

import asyncio

import msgspec

from augury.cache import Cache
from augury.config import Built
from augury.observe import Snapshot
from augury.service.auth import Caller
from augury.service.jobs import Jobs
from augury.service.problems import Problem
from augury.service.stores import CacheStore, Store, TiersStore
from augury.service.traces import Traces


class Service:
    """Everything that the HTTP API serves.

    Parameters
    ----------
    built
        What a configuration describes; closed with the service.

    Examples
    --------
    >>> from augury.config import Settings, build
    >>> settings = Settings.model_validate({"caches": {"pages": {"capacity": 10}}})
    >>> service = Service(build(settings))
    >>> list(service.stores)
    ['pages']
    >>> asyncio.run(service.close())
    """

    def __init__(self, built: Built) -> None:
        self._built = built
        self.settings = built.settings
        self.answers = built.answers
        """Registered queries, by the name of what answers them."""
        self.advisors = built.advisors
        """Advice for caches that are not Augury's, by name."""
        self.registry = built.registry
        """The models; None if no folder of them is configured."""
        self.traces = Traces(built.settings.training.folder)
        """What may be learned from."""
        self.jobs = Jobs(built.registry, self.traces, built.settings.training.queue)
        """What learns from it, and evaluates models."""
        self.observer = built.observer
        """Observes all of it."""
        self.stores: dict[str, Store] = {
            name: CacheStore(cache) if isinstance(cache, Cache) else TiersStore(cache)
            for name, cache in built.caches.items()
        }
        """The caches, by name."""
        self.stopping = False
        """Whether no more requests are accepted."""

    def store(self, name: str) -> Store:
        """Return the cache of a name.

        Raises
        ------
        Problem
            404 if there is none.
        """
        try:
            return self.stores[name]
        except KeyError:
            raise Problem(404, "there is no such cache; /v1/caches lists them") from None

    def snapshot(self, caller: Caller, history: str | None = None) -> Snapshot:
        """Return what is observed; to a caller of some caches, of these only.

        Parameters
        ----------
        caller
            Who asks.
        history
            The cache whose history is told; None: all.

        Raises
        ------
        Problem
            404 if he may use no such cache.
        """
        told = self.observer.snapshot()
        caches = [view for view in told.caches if caller.sees(view.name)]
        if history is not None:
            if all(view.name != history for view in caches):
                raise Problem(404, "there is no history of such a cache; /v1/snapshot has all")
            caches = [
                view if view.name == history else msgspec.structs.replace(view, history=[])
                for view in caches
            ]
        if caller.caches is None:
            return msgspec.structs.replace(told, caches=caches)
        return Snapshot(
            at=told.at,
            process=told.process,
            uptime=told.uptime,
            caches=caches,
            tiers=[view for view in told.tiers if caller.sees(view.name)],
        )

    async def close(self) -> None:
        """Write what waits to be written, and end what works in the background."""
        try:
            ended = await asyncio.gather(
                asyncio.to_thread(self.jobs.close),
                *(store.close() for store in self.stores.values()),
                return_exceptions=True,  # where one fails the others write nevertheless
            )
        finally:
            await asyncio.to_thread(self._built.close)
        for each in ended:
            if isinstance(each, BaseException):
                raise each
