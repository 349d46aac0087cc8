"""A snapshot in which everything is known, and an observer that tells it."""

from __future__ import annotations

import time

import msgspec

from augury.observe import Observer, Snapshot
from augury.observe import views as v

HOSTILE = "\"'><img src=x onerror=alert(1)><script>alert(1)</script> & ../%2F#?"
"""A name, key or reason that wants to be more than text."""
NOW = float(int(time.time()))


def users() -> v.CacheView:
    sizes = [1_000 * 2**step for step in range(10)]
    return v.CacheView(
        name="users",
        capacity=100_000,
        weight=97_412,
        entries=97_412,
        hits=11_234_567,
        misses=2_100_345,
        insertions=2_000_000,
        evictions=1_902_588,
        expirations=44_120,
        rejections=0,
        loads=2_100_345,
        load_failures=12,
        load_seconds=8_401.4,
        hit_ratio=0.8427,
        saved_seconds=44_938.2,
        policy=v.PolicyView(
            policy="auto",
            ruling="s3fifo",
            reason="s3fifo misses 4.1% less than LRU over the last 20,000 reads",
            candidates={"lru": 0.784, "s3fifo": 0.861, "lfu": 0.77},
        ),
        model=v.ModelView(
            kind="gbm",
            version=7,
            trained_at=NOW - 600,
            importance={"gap_1": 0.5, "age": 0.3, "count": 0.2},
            calibration=[(0.1, 0.12, 4_000), (0.5, 0.47, 900), (0.9, 0.93, 400)],
            drift=1.32,
            drifted=True,
            events=[(NOW - 300, "drifted: its error is 1.32 times that in training")],
        ),
        curve=v.CurveView(
            capacities=sizes,
            miss_ratios=[0.75 / (1 + step / 2) for step in range(10)],
            present=100_000,
        ),
        history=[
            v.Point(at=NOW - 60 + i, requests=1_000, hit_ratio=0.8, lru=0.72, optimum=0.87)
            for i in range(59)
        ]
        + [v.Point(at=NOW - 1, requests=1_000, hit_ratio=None, lru=None, optimum=None)]
        + [v.Point(at=NOW, requests=2_000, hit_ratio=0.9, lru=0.82, optimum=0.97)],
    )


def bare() -> v.CacheView:
    """A cache of which little is known, with a name that wants to be more than a name."""
    return msgspec.structs.replace(
        users(),
        name=HOSTILE,
        policy=v.PolicyView(policy="lru", ruling="lru", reason=HOSTILE),
        model=None,
        curve=None,
        history=[],
    )


def told() -> Snapshot:
    return Snapshot(
        at=NOW,
        process="web-3:41267",
        uptime=90.0,
        caches=[users(), bare()],
        tiers=[
            v.TiersView(
                name="profiles",
                loads=4_210,
                load_failures=3,
                joined=88,
                refreshes=412,
                waiting=0,
                faults={"unavailable": 4},
                tiers=[
                    v.TierView(
                        name="memory",
                        healthy=True,
                        hits=884_120,
                        latency=0.0021,
                        entries=10_000,
                        bytes=5_400_000,
                    ),
                    v.TierView(name="redis", healthy=False, reason=HOSTILE, hits=41_000),
                ],
            )
        ],
        prefetchers=[
            v.PrefetchView(
                name="users",
                fetched=12_400,
                used=9_300,
                unused=2_400,
                late=120,
                precision=0.795,
                recall=0.31,
                paused=False,
                by_predictor={"markov": (8_000, 6_500), "stride": (3_000, 2_400)},
            )
        ],
        answers=[
            v.AnswersView(
                name="sales",
                queries=[
                    v.QueryView(
                        query="revenue",
                        origins={"cache": 400, "rollup": 100, "inferred": 400, "database": 100},
                        model="gbm",
                        examples=1_500,
                        audits=455,
                        coverage=0.962,
                        error=0.013,
                    )
                ],
            )
        ],
        models=[
            v.InferenceView(
                name="churn",
                rows=100_000,
                hits=85_000,
                duplicates=5_000,
                computed=10_000,
                hit_ratio=0.85,
                model_seconds=41.2,
                cache_seconds=0.42,
                saved_seconds=370.4,
            )
        ],
        advisors=[
            v.AdviceView(
                name="sessions",
                policy="auto",
                capacity=50_000,
                entries=49_000,
                accesses=200_000,
                hits=150_000,
                hit_ratio=0.75,
                told=100_000,
                told_hits=60_000,
                to_evict=12,
            )
        ],
    )


class Teller(Observer):
    """Tells what it is told."""

    def __init__(self) -> None:
        super().__init__(interval=3_600)
        self.told = told()

    def snapshot(self) -> Snapshot:
        return self.told
