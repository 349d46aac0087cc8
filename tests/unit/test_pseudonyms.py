"""From the log to the model that serves, nothing on the disk tells a key, a session or a secret."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
import xxhash

import augury
from augury import keys
from augury.accesslog import Recorder, Spool, requests_of
from augury.codecs import Keyring, Serializer
from augury.features import rows as rows_of
from augury.models import Registry
from tests.unit.learnable import popular_and_scans

SECRET = b"pepper of the vault"
OPAQUE = "person-{:x}x@example.com"  # no number that features could find neighbours by


def requests(pattern: str) -> list[str]:
    return [pattern.format(number) for number in popular_and_scans(16_000).tolist()]


def recorded(folder: Path, asked: list[str], secret: bytes | None) -> augury.Trace:
    with Recorder(folder, sample=1.0, secret=secret, ring=1 << 20) as recorder:
        cache: augury.Cache[str, int] = augury.Cache(300, record=recorder)
        for at, key in enumerate(asked):
            with augury.session(f"client-{at % 50}"):
                if cache.get(key) is None:
                    cache[key] = at
        recorder.flush()
        assert recorder.stats().dropped == 0
    return augury.read_trace(folder)


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield all files of a folder, also those that are open but have no name any more."""
    for file in folder.glob("**/*"):
        if file.is_file():
            yield str(file), file.read_bytes()
            if file.suffix == ".parquet":  # whose columns are compressed
                yield f"rows of {file}", repr(pq.read_table(file).to_pylist()).encode()
    for opened in os.listdir("/proc/self/fd"):
        path = f"/proc/self/fd/{opened}"
        if (
            os.path.exists(path)
            and stat.S_ISREG(os.stat(path).st_mode)
            and os.readlink(path).startswith(str(folder))
        ):
            yield os.readlink(path), Path(path).read_bytes()


def tell_tales(names: Iterable[str]) -> dict[bytes, str]:
    """Return what anybody can make of a name without the secret."""
    found: dict[bytes, str] = {}
    for name in names:
        plain, number = keys.digest(name), xxhash.xxh3_64_intdigest(name.encode())
        for trail in (
            *(name.encode(), name.encode("utf-16-le"), plain, plain.hex().encode(), repr(plain)),
            *(number.to_bytes(8, "little"), number.to_bytes(8, "big"), str(number).encode()),
        ):
            found[trail if isinstance(trail, bytes) else trail.encode()] = name
    return found


def test_no_key_is_found_anywhere_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    asked = requests(OPAQUE)
    trace = recorded(tmp_path / "log", asked, SECRET)
    ring = Keyring({1: b"k" * 32})
    with Spool(trace) as spool:
        registry = Registry(tmp_path / "models")
        registry.publish(augury.learn(spool, "tree", rows=5_000))
        serving: augury.Cache[str, Any] = augury.Cache(300, policy="learned", model=registry)
        for key in asked[:3_000]:
            serving[key] = key
        serving.save(tmp_path / "snapshot", serializer=Serializer(keys=ring))
        written = dict(contents(tmp_path))
    assert any("models" in name for name in written)
    assert any("snapshot" in name for name in written)
    assert len(written) >= 5
    sought = tell_tales([*sorted(set(asked))[::40], *(f"client-{at}" for at in range(50))])
    sought |= {SECRET: "the secret", b"@example.com": "every key", b"k" * 32: "the key"}
    for file, content in written.items():
        assert not [sought[trail] for trail in sought if trail in content], file


def test_the_search_finds_them_without_a_secret(tmp_path: Path) -> None:
    asked = requests(OPAQUE)[:200]
    recorded(tmp_path, asked, None)
    found = b"".join(content for _, content in contents(tmp_path))
    assert asked[0].encode() in found
    assert any(trail in found for trail in tell_tales(["client-1"]))


def learned(folder: Path, asked: list[str], secret: bytes | None) -> augury.Artefact:
    return augury.learn(recorded(folder, asked, secret), "tree", rows=20_000)


def test_a_model_of_pseudonyms_scores_live_keys_as_one_of_keys_does(tmp_path: Path) -> None:
    asked = requests(OPAQUE)
    models = [learned(tmp_path / "keys", asked, None), learned(tmp_path / "log", asked, SECRET)]
    live = requests_of(asked)
    with Spool(live) as spool:
        rows = rows_of(spool, sample=0.2).X
    known, learned_blind = (model.score(rows).astype(float) for model in models)
    assert np.corrcoef(known, learned_blind)[0, 1] > 0.98
    missed = [
        augury.simulate(live, policy="learned", capacity=300, model=model).miss_ratio
        for model in models
    ]
    assert abs(missed[0] - missed[1]) < 0.01


def test_keys_that_have_neighbours_lose_them_and_the_guard_bounds_what_that_costs(
    tmp_path: Path,
) -> None:
    asked = requests("user:{}")
    model = learned(tmp_path, asked, SECRET)
    live = requests_of(asked)
    auto = augury.simulate(live, policy="auto", capacity=300).miss_ratio
    found = augury.simulate(live, policy="learned", capacity=300, model=model).miss_ratio
    assert found < auto + 0.01
