"""Who may use whom, in Python and in C++; docs/architecture.md draws the same picture."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "augury"
NATIVE = ROOT / "native"

# A row uses only rows above it, and its own modules only where `WITHIN` says so.
ROWS = [
    {"closing", "discovery", "errors", "events", "forks", "parameters", "spans", "_native"},
    {"keys", "policies", "accesslog", "features", "codecs", "breaker", "noise"},
    {"models", "sources"},
    {"simulation"},
    {"sizing", "learning"},
    {"loading", "snapshot", "cache", "cached"},
    {"tiers"},
    {"prefetch", "inference", "answers"},
    {"advice"},
    {"observe"},
    {"config", "metrics"},
    {"integrations", "service", "distributed", "demo", "bench"},
    {"cli"},
]
WITHIN = {
    ("parameters", "errors"),
    ("discovery", "errors"),
    ("discovery", "parameters"),
    ("accesslog", "keys"),
    ("features", "accesslog"),
    ("snapshot", "loading"),
    ("cache", "loading"),
    ("cache", "snapshot"),
    ("cached", "cache"),
    ("cached", "loading"),
}

NATIVE_ALLOWED = {
    "core": {"core"},
    "prefetch": {"prefetch", "core"},
    "inference": {"inference", "core"},
    "answers": {"answers", "core"},
    "sketch": {"sketch", "core"},
    "model": {"model", "sketch", "core"},
    "policy": {"policy", "model", "sketch", "core"},
    "cache": {"cache", "policy", "model", "sketch", "core"},
    "sim": {"sim", "cache", "prefetch", "policy", "model", "sketch", "core"},
    "bind": {
        "bind",
        "sim",
        "inference",
        "answers",
        "cache",
        "prefetch",
        "policy",
        "model",
        "sketch",
        "core",
    },
    "tests": {
        "tests",
        "sim",
        "inference",
        "answers",
        "cache",
        "prefetch",
        "policy",
        "model",
        "sketch",
        "core",
    },
    "fuzz": {"tests", "sim", "inference", "cache", "prefetch", "policy", "model", "sketch", "core"},
}


def row_of(module: str) -> int:
    for number, row in enumerate(ROWS):
        if module in row:
            return number
    pytest.fail(f"augury.{module} is in no row: add it to ROWS and to docs/architecture.md")


def imports(path: Path) -> Iterator[str]:
    """The first name after `augury.` of each module that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports by dots; write the whole name"
            if node.module == "augury":
                names = [f"augury.{alias.name}" for alias in node.names]
            else:
                names = [node.module or ""]
        else:
            continue
        for name in names:
            if name.startswith("augury."):
                yield name.split(".")[1]


def modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_python_imports_point_upwards(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for used in imports(path):
        if used != own and (own, used) not in WITHIN:
            assert row_of(used) < row_of(own), f"{path} uses augury.{used}"


@pytest.mark.parametrize(
    "path",
    sorted(p for p in NATIVE.rglob("*") if p.suffix in {".cpp", ".hpp"}),
    ids=lambda p: str(p.relative_to(NATIVE)),
)
def test_includes_point_inwards(path: Path) -> None:
    own = path.relative_to(NATIVE).parts[0]
    text = path.read_text()
    for used in re.findall(r'#include "([^"]+)"', text):
        assert (NATIVE / used).is_file(), f"{path} includes {used} by another than its full path"
        assert used.split("/")[0] in NATIVE_ALLOWED[own], f"{path} includes {used}"
    if own != "bind":
        assert not re.search(r"#include <(Python\.h|nanobind)", text), f"{path} knows Python"


def test_the_architecture_page_shows_the_rows() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    shown = re.findall(r"^\| \d+ \| (.*) \|$", page, re.MULTILINE)
    assert [set(re.findall(r"`(\w+)`", row)) for row in shown] == ROWS


def test_a_file_has_one_job() -> None:
    """Long files are where jobs pile up; one that has to be longer is named here with why."""
    long = {
        str(path.relative_to(ROOT)): lines
        for path in [*modules(), *NATIVE.rglob("*.[ch]pp")]
        if (lines := len(path.read_text().splitlines())) > 450
    }
    assert long.keys() <= {
        "native/bind/cache.cpp",  # one CPython type: its methods and slots
    }, long
