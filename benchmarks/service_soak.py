"""Whether a service under load makes errors, or grows beyond what its cache may hold.

    python -m benchmarks.service_soak [MINUTES]

Connections send a random mix for some minutes (10 by default): reads of a Zipf distribution, each
miss followed by a write of 10 to 20,000 random bytes, deletions, many entries at once, scrapes, and
mistakes. The cache holds 32 MiB of values, which the keys exceed many times. The resident memory is
read each second. It grows until the cache is full; from then on it must not.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import collections
import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx

from tests.servers.service import Served, serving

CAPACITY = 32 << 20
KEYS = 20_000
CONNECTIONS = 8
CONFIGURATION = """
[caches.pages]
capacity = "32MiB"
ttl = "60s"
[service]
body_limit = 100_000
"""


class Soak:
    """A client for some time."""

    def __init__(self, service: Served, seconds: float) -> None:
        self._service = service
        self._until = time.monotonic() + seconds
        self.counts: collections.Counter[str] = collections.Counter()
        self.wrong: list[str] = []
        self.resident: list[int] = []

    async def run(self) -> None:
        async with httpx.AsyncClient(base_url=self._service.url, timeout=60) as client:
            await asyncio.gather(
                self._sample(), *(self._ask(client, seed) for seed in range(CONNECTIONS))
            )

    async def _sample(self) -> None:
        page = 4096
        while time.monotonic() < self._until:
            pages = Path(f"/proc/{self._service.process.pid}/statm").read_text().split()[1]
            self.resident.append(int(pages) * page)
            await asyncio.sleep(1)

    async def _ask(self, client: httpx.AsyncClient, seed: int) -> None:
        chance = random.Random(seed)
        while time.monotonic() < self._until:
            key = f"key:{int(KEYS ** chance.random())}"
            path = f"/v1/caches/pages/entries/{key}"
            dice = chance.random()
            if dice < 0.90:
                if await self._send(client, "GET", path, 200, 404) == 404:
                    body = chance.randbytes(chance.randint(10, 20_000))
                    await self._send(client, "PUT", path, 204, content=body)
            elif dice < 0.93:
                await self._send(client, "DELETE", path, 204, 404)
            elif dice < 0.96:
                await self._many(client, chance)
            elif dice < 0.98:
                paths = ("/v1/caches", "/v1/caches/pages", "/readyz", "/metrics", "/v1/snapshot")
                await self._send(client, "GET", chance.choice(paths), 200)
            else:
                await self._mistake(client, chance, path)

    async def _many(self, client: httpx.AsyncClient, chance: random.Random) -> None:
        keys = [f"key:{int(KEYS ** chance.random())}" for _ in range(20)]
        body = {"body": base64.b64encode(chance.randbytes(300)).decode()}
        of = "/v1/caches/pages"
        await self._send(client, "POST", f"{of}/many-get", 200, json={"keys": keys})
        await self._send(
            client, "POST", f"{of}/many-set", 204, json={"entries": dict.fromkeys(keys, body)}
        )
        await self._send(client, "POST", f"{of}/invalidate", 204, json={"keys": keys[:3]})

    async def _mistake(self, client: httpx.AsyncClient, chance: random.Random, path: str) -> None:
        kind = chance.randrange(4)
        if kind == 0:
            await self._send(client, "GET", "/v1/caches/none/entries/a", 404)
        elif kind == 1:
            await self._send(client, "PUT", f"{path}?ttl=no", 422, content=b"")
        elif kind == 2:
            await self._send(client, "POST", "/v1/caches/pages/many-get", 422, content=b"{")
        else:
            await self._send(client, "PATCH", path, 405)

    async def _send(
        self, client: httpx.AsyncClient, method: str, path: str, *expected: int, **body: object
    ) -> int:
        try:
            response = await client.request(method, path, **body)  # type: ignore[arg-type]
            status = response.status_code
        except httpx.HTTPError as error:
            self.wrong.append(f"{method} {path}: {error!r}")
            return 0
        self.counts[f"{method} {status}"] += 1
        if status not in expected:
            self.wrong.append(f"{method} {path}: {status} {response.text[:200]}")
        return status


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", type=float, nargs="?", default=10.0)
    minutes = parser.parse_args().minutes
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder), CONFIGURATION) as service,
    ):
        soak = Soak(service, minutes * 60)
        asyncio.run(soak.run())
        told = httpx.get(f"{service.url}/v1/caches/pages").json()
        service.signal()
        code, errors = service.ended()
    resident = soak.resident
    quarter = len(resident) // 4
    early = statistics.median(resident[quarter : 2 * quarter])
    late = statistics.median(resident[-quarter:])
    print(
        json.dumps(
            {
                "minutes": minutes,
                "requests": sum(soak.counts.values()),
                "by_status": dict(sorted(soak.counts.items())),
                "errors": len(soak.wrong),
                "first_errors": soak.wrong[:5],
                "exit": code,
                "stderr": errors[:500],
                "hit_ratio": told["hit_ratio"],
                "evictions": told["stats"]["evictions"],
                "weight_mib": told["weight"] / 2**20,
                "capacity_mib": CAPACITY / 2**20,
                "resident_mib": [round(each / 2**20, 1) for each in resident[:: quarter or 1]],
                "grown_mib": (late - early) / 2**20,
            },
            indent=2,
        )
    )
    return bool(soak.wrong) or code != 0


if __name__ == "__main__":
    sys.exit(main())
