"""The native tests and fuzz targets: compiled as their head comments say, and run."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = sorted((ROOT / "native").glob("tests/*.cpp")) + sorted(
    (ROOT / "native").glob("fuzz/*.cpp")
)
ROUNDS = "150"  # of a fuzz target

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++"),
]


def command(program: Path) -> list[str]:
    """The g++ command of the head comment: to the end, or to where it would run the program."""
    comment = [line[2:] for line in program.read_text().splitlines() if line.startswith("//")]
    found = re.search(r"\bg\+\+ [^&]*", " ".join(comment))
    assert found is not None, f"{program} does not say how to compile it"
    return shlex.split(found.group())


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Path, Future[Path]]]:
    folder = tmp_path_factory.mktemp("native")

    def compile_one(program: Path) -> Path:
        target = folder / f"{program.parent.name}_{program.stem}"
        arguments = command(program)
        arguments[arguments.index("-o") + 1] = str(target)
        done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return target

    with ThreadPoolExecutor(max_workers=2) as pool:
        yield {program: pool.submit(compile_one, program) for program in PROGRAMS}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_program(program: Path, compiled: dict[Path, Future[Path]]) -> None:
    rounds = [ROUNDS] if program.parent.name == "fuzz" else []
    target = compiled[program].result()
    done = subprocess.run([target, *rounds], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
