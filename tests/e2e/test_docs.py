"""Whatever README and docs show is run as written.

In a Markdown file a block marked
- ``python`` is run, in one namespace with the file's other blocks; a ``text`` block right after it
  is what it prints;
- ``console`` holds commands after ``$``, which are run one after the other, and what they print;
  ``...`` stands for anything;
- ``sh`` holds commands that take long, or need what a test has not got: only checked to exist;
- ``py`` is Python that needs such a thing, a model or a server: only compiled.
Commands are run in a folder that has a trace, ``requests.csv``.
"""

import contextlib
import io
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").glob("**/*.md")),
]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    return [Block(m[1], m[2], text[: m.start()].count("\n") + 1) for m in BLOCK.finditer(text)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    random = np.random.default_rng(1)
    keys = (2_000 * random.random(20_000) ** 3).astype(int).tolist()
    rows = [f"{at},user:{key},{64 + key % 1000}" for at, key in enumerate(keys)]
    (tmp_path / "requests.csv").write_text("\n".join(["time,key,size", *rows]) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def matches(shown: str, printed: str) -> bool:
    """Whether what was printed is what a page shows, where ``...`` stands for anything."""
    lines = [line.rstrip() for line in printed.strip().splitlines()]
    pattern = r".*".join(map(re.escape, shown.strip().split("...")))
    return re.fullmatch(pattern, "\n".join(lines), re.DOTALL) is not None


@every_page
def test_python_runs_and_prints_what_is_shown(page: Path, folder: Path) -> None:
    namespace: dict[str, object] = {"__name__": "page"}
    shown = blocks(page)
    for block, following in pairwise([*shown, Block("", "", 0)]):
        if block.language != "python":
            continue
        printed = io.StringIO()
        code = compile("\n" * block.line + block.text, str(page), "exec")
        with contextlib.redirect_stdout(printed):
            exec(code, namespace)
        if following.language == "text":
            assert matches(following.text, printed.getvalue()), printed.getvalue()


@every_page
def test_console_runs_and_prints_what_is_shown(page: Path, folder: Path) -> None:
    for block in blocks(page):
        if block.language != "console":
            continue
        for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            done = subprocess.run(
                ["bash", "-c", command],
                capture_output=True,
                text=True,
                check=False,
                env={
                    **os.environ,
                    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                    "COLUMNS": "90",
                },
            )
            where = f"{page}:{block.line}: {command}"
            if shown.strip():
                assert matches(shown, done.stdout + done.stderr), (where, done.stdout, done.stderr)
            if not re.search(r"^augury: ", shown, re.MULTILINE):  # a mistake shown as such
                assert done.returncode == 0, (where, done.stderr)


@every_page
def test_python_that_needs_more_compiles(page: Path) -> None:
    for block in blocks(page):
        if block.language == "py":
            compile("\n" * block.line + block.text, str(page), "exec")


@every_page
def test_longer_commands_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for block in blocks(page):
        if block.language != "sh":
            continue
        for line in block.text.replace("\\\n", " ").splitlines():
            words = line.split("#")[0].split()
            while words and (words[0].startswith((".venv/bin/", "$")) or "=" in words[0]):
                words[0] = words[0].removeprefix(".venv/bin/")
                if "=" in words[0] or words[0].startswith("$"):
                    del words[0]
            if not words:
                continue
            if words[0] == "make":
                for target in words[1:]:
                    assert re.search(rf"^{target}:", makefile, re.MULTILINE), line
            elif words[0] == "python" and words[1].endswith(".py"):
                assert (ROOT / words[1]).is_file(), line
            elif words[0] == "augury":
                check_options(words[1:])


def check_options(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from augury.cli import main; main()", words[0], "--help"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert done.returncode == 0, words
    for word in words[1:]:
        if word.startswith("--"):
            assert re.search(rf"{re.escape(word.split('=')[0])}\b", done.stdout), words


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page} links to {target}"
