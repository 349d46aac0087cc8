"""A model's parameters in a folder or in tiers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augury.errors import ArtefactError, ConfigurationError
from augury.inference.parameters import load_parameters, save_parameters
from augury.tiers import Disk, Memory, Tiers

pytest.importorskip("safetensors")

ARRAYS: dict[str, Any] = {
    "weight": np.arange(12, dtype=np.float32).reshape(3, 4).T,
    "bias": np.array([1.5, np.nan, -0.0]),
    "half": np.array([[1.0]], np.float16),
    "steps": np.array(7, np.int64),
    "mask": np.array([True, False]),
    "big": np.array([1, 2], ">u4"),
    "none": np.empty((0, 3), np.uint8),
}


@pytest.fixture(params=["folder", "memory", "disk"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "folder":
        return tmp_path / "models"
    tier = Memory(10) if request.param == "memory" else Disk(tmp_path, "16MiB")
    return Tiers([tier])


def test_what_is_loaded_is_what_was_saved(where: Any) -> None:
    fingerprint = save_parameters(where, "digits-1.0", ARRAYS)
    loaded = load_parameters(where, "digits-1.0", fingerprint)
    assert loaded.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert loaded[name].shape == array.shape
        assert loaded[name].dtype == array.dtype.newbyteorder("<")
        np.testing.assert_array_equal(loaded[name], array)
        assert not loaded[name].flags.writeable
        assert not loaded[name].flags.owndata


def test_what_was_loaded_stays_when_others_are_saved(where: Any) -> None:
    first = save_parameters(where, "model", {"w": np.ones(1000)})
    loaded = load_parameters(where, "model")
    second = save_parameters(where, "model", {"w": np.zeros(10)})
    assert loaded["w"].sum() == 1000
    assert load_parameters(where, "model", second)["w"].sum() == 0
    with pytest.raises(ArtefactError, match=f"'model' are {second}, not {first}"):
        load_parameters(where, "model", first)


def test_fingerprints_are_of_names_shapes_and_contents(tmp_path: Path) -> None:
    variants: list[dict[str, Any]] = [
        {"w": np.zeros(4)},
        {"v": np.zeros(4)},
        {"w": np.zeros((2, 2))},
        {"w": np.zeros(4, np.int64)},
        {"w": -np.zeros(4)},
    ]
    prints = [save_parameters(tmp_path, "model", each) for each in variants]
    assert len(set(prints)) == len(variants)
    assert save_parameters(tmp_path, "other", variants[0]) == prints[0]


def test_another_process_maps_the_same_file(tmp_path: Path) -> None:
    fingerprint = save_parameters(tmp_path, "model", {"w": np.arange(1000.0)})
    program = (
        "import sys; from augury.inference.parameters import load_parameters\n"
        "print(load_parameters(sys.argv[1], 'model', sys.argv[2])['w'].sum())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), fingerprint],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "499500.0\n"


def test_damage_anywhere_is_found(tmp_path: Path) -> None:
    save_parameters(tmp_path, "model", {"w": np.arange(8.0), "v": np.ones(3, np.int8)})
    path = tmp_path / "model.safetensors"
    whole = path.read_bytes()
    end = 8 + int.from_bytes(whole[:8], "little")
    padding = end - len(whole[:end].rstrip())
    for at in range(len(whole)):
        if end - padding <= at < end:
            continue
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(ArtefactError, match="damaged"):
            load_parameters(tmp_path, "model")
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ArtefactError):
            load_parameters(tmp_path, "model")


def test_what_is_not_there_and_what_cannot_be_saved(where: Any, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="model"):
        load_parameters(where, "model")
    for name in ("../model", "", ".model", "a/b", 7):
        with pytest.raises(ConfigurationError, match="a name is of letters"):
            save_parameters(where, name, ARRAYS)  # type: ignore[arg-type]
    for array in (np.array(["a"]), np.array([{}], object), np.array([1j])):
        with pytest.raises(ConfigurationError, match="array 'w' is of"):
            save_parameters(where, "model", {"w": array})
    for given, said in (
        ([[1], [1, 2]], "array 'w' is not saved"),
        (np.ma.masked_array([1], mask=True), "array 'w' is masked"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            save_parameters(where, "model", {"w": given})
    for arrays in ({5: np.ones(2)}, [np.ones(2)], None):
        with pytest.raises(ConfigurationError, match="must be a"):
            save_parameters(where, "model", arrays)  # type: ignore[arg-type]

    class Bfloat16:
        def __array__(self, dtype: object = None, copy: object = None) -> None:
            raise TypeError("Got unsupported ScalarType BFloat16")  # as torch says it

    for unreadable in (Bfloat16(), [[1.0], [2.0, 3.0]]):
        with pytest.raises(ConfigurationError, match="array 'w' is not saved: "):
            save_parameters(where, "model", {"w": unreadable})
