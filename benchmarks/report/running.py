"""Runs a section's commands, each in a process of its own."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from augury.bench.machine import machine_line
from benchmarks.report import figures
from benchmarks.report.section import OUTPUT, Command, Section

ROOT = Path(__file__).parents[2]
LIMIT = 7_200.0
"""Seconds after which a command counts as stuck."""


class FailedError(Exception):
    """A command ended with an error, or said nothing that can be read."""


def measure(name: str, command: Command, section: Section) -> figures.Run:
    """Run a command and return what it measured.

    Raises
    ------
    FailedError
        With the last line of what it said.
    """
    load, began = os.getloadavg()[0], time.monotonic()
    output = _output(name, command)
    versions = {peer: _version(peer) for peer in section.peers}
    return figures.Run(
        command=shown(command),
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        machine=machine_line(),
        packages={peer: found for peer, found in versions.items() if found is not None},
        missing=[peer for peer, found in versions.items() if found is None],
        seconds=round(time.monotonic() - began, 1),
        load=round(load, 1),
        quick=command.quick,
        figures=figures.short(command.reduce(output)),
    )


def shown(command: Command) -> str:
    """Return a command as the page shows it: without folders that mean nothing elsewhere."""
    words = [Path(word).name if os.path.isabs(word) else word for word in command.arguments]
    words = ["rows.jsonl" if word == OUTPUT else word for word in words]
    return shlex.join(words if words[0] == "augury" else ["python", *words])


def _output(name: str, command: Command) -> Any:
    with tempfile.TemporaryDirectory(prefix="augury-report-") as folder:
        rows = Path(folder) / "rows.jsonl"
        arguments = [str(rows) if word == OUTPUT else word for word in command.arguments]
        try:
            done = subprocess.run(
                _program(arguments),
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
                timeout=LIMIT,
            )
        except subprocess.TimeoutExpired:
            raise FailedError(f"{name}: not done after {LIMIT:.0f} s") from None
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines() or ["nothing was said"]
            raise FailedError(f"{name}: {said[-1]}")
        try:
            if OUTPUT in command.arguments:
                return [json.loads(line) for line in rows.read_text().splitlines()]
            return _values(done.stdout)
        except (OSError, ValueError) as error:
            raise FailedError(f"{name}: no figures: {error}") from None


def _program(arguments: list[str]) -> list[str]:
    if arguments[0] == "augury":
        return [str(Path(sys.executable).with_name("augury")), *arguments[1:]]
    return [sys.executable, *arguments]


def _values(text: str) -> Any:
    """Return the JSON value in a text, or a list of them where there are several."""
    decoder, values, at = json.JSONDecoder(), [], 0
    text = text.strip()
    while at < len(text):
        value, end = decoder.raw_decode(text, at)
        values.append(value)
        at = end + len(text[end:]) - len(text[end:].lstrip())
    if not values:
        raise ValueError("it printed nothing")
    return values[0] if len(values) == 1 else values


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
