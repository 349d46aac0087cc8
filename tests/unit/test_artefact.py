"""A model's file is read as it was written, or refused with a line that says why."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import augury
from augury import features
from augury.errors import ArtefactError
from augury.models import Artefact, ModelCard, artefact, from_bytes, load_model
from augury.models.container import PREFIX

F = len(features.FEATURES)


def card(**changed: object) -> ModelCard:
    standard = ModelCard(
        model="logistic",
        data="a trace",
        created="2026-01-01T00:00:00+00:00",
        requests=1_000,
        period=(0, 500),
        rows=400,
        censored=0.25,
        horizon=250.0,
        calibration=(1.0, -0.5),
        scores={"validation": {"roc_auc": 0.75}},
        parameters={"C": 1.0},
        seed=1,
        versions={"numpy": np.__version__},
    )
    return msgspec.structs.replace(standard, **changed)


def linear(**changed: NDArray[Any]) -> Artefact:
    arrays = {
        "weights": np.arange(F, dtype=np.float32),
        "bias": np.array([0.5], np.float32),
        "mean": np.zeros(F, np.float32),
        "scale": np.ones(F, np.float32),
    }
    background = np.random.default_rng(1).normal(size=(20, F)).astype(np.float32)
    return Artefact("linear", arrays | changed, card(), {"background": background})


ROWS = np.random.default_rng(2).normal(size=(50, F)).astype(np.float32)


def test_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a.model"
    written = linear()
    written.save(path)
    read = augury.load_model(path)
    assert (read.kind, read.card, read.features) == (written.kind, written.card, written.features)
    for name, array in written.arrays.items():
        assert np.array_equal(read.arrays[name], array)
    assert np.array_equal(read.explanation["background"], written.explanation["background"])
    assert np.array_equal(read.score(ROWS), written.score(ROWS))
    assert read.to_bytes() == written.to_bytes() == path.read_bytes()
    assert not stat.S_IMODE(path.stat().st_mode) & 0o111


def test_scores_as_its_arrays_say() -> None:
    expected = 0.5 + ROWS @ np.arange(F, dtype=np.float32)
    assert np.allclose(linear().score(ROWS), expected, atol=1e-3)


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.model"
    linear().save(path)
    before = path.read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("no room")))
    with pytest.raises(OSError, match="no room"):
        linear(bias=np.array([7], np.float32)).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def refusal(content: bytes) -> str:
    with pytest.raises(ArtefactError) as caught:
        from_bytes(content, "a.model")
    (line,) = str(caught.value).splitlines()
    assert line.startswith("a.model: ")
    return line


def test_refuses_foreign_bytes() -> None:
    for content in (b"", b"AUG", b"\x80\x04\x95pickle", b"\0" * 1_000):
        assert "is not a model of Augury" in refusal(content)


def test_refuses_every_truncation() -> None:
    content = linear().to_bytes()
    for length in range(8, len(content), 61):
        assert "is truncated" in refusal(content[:length])
    assert "is truncated" in refusal(content[:-1])


def test_refuses_what_was_added() -> None:
    assert "is damaged" in refusal(linear().to_bytes() + b"\0")


@given(st.data())
def test_refuses_any_flipped_bit(data: st.DataObject) -> None:
    content = bytearray(linear().to_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    assert refusal(bytes(content))


def test_refuses_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artefact, "_FILE", replace(artefact._FILE, version=2))
    content = linear().to_bytes()
    monkeypatch.undo()
    assert "is of format version 2, and this Augury reads 1; train it again" in refusal(content)


def test_refuses_other_features(monkeypatch: pytest.MonkeyPatch) -> None:
    content = linear().to_bytes()
    monkeypatch.setattr(features, "schema", lambda: "another")
    assert "computed otherwise" in refusal(content)
    monkeypatch.setattr(artefact, "_NAMES", artefact._NAMES[1:])
    assert "unknown here (age)" in refusal(content)
    monkeypatch.setattr(artefact, "_NAMES", ("age_of_moon", *linear().features, "age"))
    assert "lack features (age_of_moon)" in refusal(content)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("weights", np.array([np.nan] * F, np.float32)),
        ("weights", np.zeros(F - 1, np.float32)),
        ("scale", np.zeros(F, np.float32)),
        ("more", np.zeros(1, np.float32)),
    ],
)
def test_refuses_arrays_that_make_no_model(name: str, array: NDArray[Any]) -> None:
    assert "arrays make no linear" in refusal(linear(**{name: array}).to_bytes())


@pytest.mark.parametrize(
    ("explanation", "says"),
    [
        ({"background": np.zeros(F, np.float32)}, "no rows of its features"),
        ({"background": np.zeros((2, 3), np.float32)}, "no rows of its features"),
        ({"background": np.zeros((0, F), np.float32)}, "no rows of its features"),
        ({"background": np.full((2, F), np.inf, np.float32)}, "no rows of its features"),
        ({"cover": np.ones(3, np.float32)}, ""),
        ({"cover": np.ones(2, np.float32)}, "not those of its nodes"),
        ({"cover": np.ones((3, 1), np.float32)}, "not those of its nodes"),
        ({"cover": np.array([2, 2, 0], np.float32)}, "not those of its nodes"),
        ({"cover": np.array([2, np.nan, 1], np.float32)}, "not those of its nodes"),
    ],
)
def test_refuses_what_explains_no_model_of_its(
    explanation: dict[str, NDArray[Any]], says: str
) -> None:
    stump = {
        "features": np.array([F], np.int32),
        "feature": np.array([0, -1, -1], np.int32),
        "threshold": np.zeros(3, np.float32),
        "left": np.array([1, -1, -1], np.int32),
        "right": np.array([2, -1, -1], np.int32),
        "value": np.zeros(3, np.float32),
        "roots": np.zeros(1, np.int32),
        "base": np.zeros(1, np.float32),
    }
    content = Artefact("forest", stump, card(), explanation).to_bytes()
    if says:
        assert says in refusal(content)
    else:
        assert from_bytes(content).explanation.keys() == explanation.keys()


def test_refuses_a_calibration_that_gives_no_probability() -> None:
    changed = card(calibration=(float("nan"), 1.0))
    assert "calibration" in refusal(Artefact("linear", linear().arrays, changed).to_bytes())


def test_refuses_a_header_that_nests_without_end() -> None:
    header = b"\x81\xa4more" + b"\x91" * 100_000
    content = PREFIX.pack(artefact._FILE.magic, artefact._FILE.version, len(header), 0) + header
    content += blake2b(content, digest_size=32).digest()
    assert "cannot be read" in refusal(content)


def test_refuses_a_kind_that_there_is_not() -> None:
    written = Artefact("oracle", linear().arrays, card())
    assert "make no oracle" in refusal(written.to_bytes())


def test_an_absent_file_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "absent")


def test_does_not_wait_for_what_is_no_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for name in (pipe, "/dev/zero"):
        with pytest.raises(ArtefactError, match="is not a file"):
            load_model(name)


def test_reads_no_more_of_a_file_than_a_model_has(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    content = bytearray(linear().to_bytes())
    path.write_bytes(content)
    os.truncate(path, 1 << 42)  # more than there is memory; on the disk it takes next to nothing
    with pytest.raises(ArtefactError, match="is damaged"):
        load_model(path)
    content[16:24] = (1 << 42).to_bytes(8, "little")
    with path.open("r+b") as file:
        file.write(content)
    with pytest.raises(ArtefactError, match=r"no model has 4,398,046,511,104 bytes"):
        load_model(path)


def test_shows_what_it_is() -> None:
    assert repr(linear()) == "<Artefact logistic (linear) of a trace>"
