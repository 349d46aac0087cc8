"""Runs a program in a process of its own, which has to end well and in silence."""

import subprocess
import sys
import textwrap


def run(start: str, program: str, seconds: float) -> str:
    """Return what a program prints, of which both parts may be indented."""
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(start) + textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert not process.stderr
    return process.stdout
