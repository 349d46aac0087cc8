"""Fetching ahead as plainly as it can be written: LRU, one Markov chain, all keys of weight 1."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

MEMORY = np.float32(0.998)
PRIOR, PRIOR_WEIGHT = np.float32(0.2), np.float32(2)
LONGEST = 1 << 20


@dataclass
class Successors:
    """What followed a key: at most four [key, count], the most frequent first."""

    kept: list[list[int]] = field(default_factory=list)
    total: int = 0

    def add(self, key: int) -> None:
        if self.total >= 256:
            self.total //= 2
            self.kept = [[k, n // 2] for k, n in self.kept if n >= 2]
        self.total += 1
        for place, each in enumerate(self.kept):
            if each[0] == key:
                at = place
                each[1] += 1
                while at and self.kept[at - 1][1] < each[1]:
                    self.kept[at - 1], self.kept[at] = each, self.kept[at - 1]
                    at -= 1
                return
        if len(self.kept) == 4:
            if self.kept[3][1] > 1:
                self.kept[3][1] -= 1
                return
            self.kept.pop()
        self.kept.append([key, 1])

    def guesses(self) -> list[tuple[int, int]]:
        often = min(self.total.bit_length(), 6) - 1
        return [(key, min(count * 8 // self.total, 7) * 6 + often) for key, count in self.kept]


@dataclass
class Probation:
    """What waits, and how much may."""

    capacity: int
    share: float
    precision: float
    fetched: int = 0
    used: int = 0
    unused: int = 0

    def __post_init__(self) -> None:
        self.most = max(self.capacity * self.share, min(8.0, self.capacity / 2), 1.0)
        self.room = self.most / 4
        self.threshold = self.precision
        self.since: OrderedDict[int, int] = OrderedDict()  # the oldest first
        self.evicted: OrderedDict[int, None] = OrderedDict()
        self.stay, self.clock = 64.0, 0
        self.gain = self.loss = self.lately_used = self.lately_unused = 0.0

    def overdue(self) -> bool:
        oldest = next(iter(self.since.values()))
        return len(self.since) > max(int(self.room), 1) or self.clock - oldest > LONGEST

    def drop_oldest(self) -> None:
        _, since = self.since.popitem(last=False)
        self.unused += 1
        self.lately_unused += 1
        self.stay += 0.02 * (self.clock - since - self.stay)

    def remember_evicted(self, key: int) -> None:
        self.evicted.pop(key, None)
        waiting = len(self.since)
        step = max((1 << waiting.bit_length() >> 1) // 8, 1)
        limit = waiting // step * step + step
        while len(self.evicted) > (limit - 1 if waiting else limit):
            self.evicted.popitem(last=False)
        if waiting:
            self.evicted[key] = None

    def missed(self, key: int, *, waited: bool) -> None:
        if key in self.evicted:
            del self.evicted[key]
            self.loss += not waited

    def tick(self) -> None:
        self.clock += 1
        if self.clock % 500:
            return
        judged = self.lately_used + self.lately_unused
        used = (self.lately_used + 2 * self.precision) / (judged + 2)
        if judged < 5:
            self.threshold += 0.05 * (self.precision - self.threshold)
        elif used < 1.1 * self.precision:
            self.threshold = min(self.threshold + 0.03, 0.95)
        elif used > 1.2 * self.precision:
            self.threshold = max(self.threshold - 0.015, 0.2)
        self.lately_used *= 0.8
        self.lately_unused *= 0.8
        if self.gain + self.loss > 10:
            if 2 * self.loss > self.gain:
                self.room = max(self.most / 50, self.room * 0.7)
            elif 8 * self.loss < self.gain:
                self.room = min(self.most, self.room * 1.2)
        self.gain *= 0.9
        self.loss *= 0.9


def replay(
    trace: Sequence[int], capacity: int, *, share: float, precision: float
) -> tuple[int, Probation]:
    """Return the misses, and what waited."""
    lru: OrderedDict[int, None] = OrderedDict()
    probation = Probation(capacity, share, precision)
    after: dict[int, Successors] = {}
    last: dict[int, int] = {}
    right: dict[int, np.float32] = {}
    judged: dict[int, np.float32] = {}
    watched: deque[tuple[int, int, int]] = deque()
    zero, one = np.float32(0), np.float32(1)
    before, misses = None, 0

    def make_room() -> None:
        while len(lru) + len(probation.since) >= capacity:
            if probation.since and (not lru or probation.overdue()):
                probation.drop_oldest()
            else:
                probation.remember_evicted(lru.popitem(last=False)[0])

    for now, key in enumerate(trace, 1):
        missed = False
        if key in lru:
            lru.move_to_end(key)
        elif key in probation.since:
            probation.missed(key, waited=True)
            del probation.since[key]
            probation.used += 1
            probation.gain += 1
            probation.lately_used += 1
            lru[key] = None
        else:
            misses += 1
            missed = True

        horizon = int(min(max(probation.stay, 4.0), LONGEST))
        for _ in range(96):
            if not watched or watched[0][0] + horizon >= now:
                break
            made, guess, evidence = watched.popleft()
            judged[evidence] = judged.get(evidence, zero) * MEMORY + one
            came = one if last.get(guess, 0) > made else zero
            right[evidence] = right.get(evidence, zero) * MEMORY + came
        last[key] = now
        choices = []
        if key != before:
            if before is not None:
                after.setdefault(before, Successors()).add(key)
            before = key
            for guess, evidence in after.get(key, Successors()).guesses():
                chance = (right.get(evidence, zero) + PRIOR * PRIOR_WEIGHT) / (
                    judged.get(evidence, zero) + PRIOR_WEIGHT
                )
                if guess == key or guess in lru or guess in probation.since:
                    continue
                watched.append((now, guess, evidence))
                if chance >= np.float32(probation.threshold):
                    choices.append((chance, guess))
        if missed:  # what was missed is loaded while the predictors guess, and stored after that
            probation.missed(key, waited=False)
            make_room()
            lru[key] = None
        for _, guess in sorted(choices, key=lambda choice: -choice[0]):
            room = min(max(int(probation.room), 1), capacity)
            while len(probation.since) + 1 > room:
                probation.drop_oldest()
            make_room()
            probation.since[guess] = probation.clock
            probation.fetched += 1
        probation.tick()
    return misses, probation
