"""The process of one task, as the service sees it."""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress

import msgspec

from augury.closing import Closing
from augury.service.job_process import Outcome, Step, Task

_log = logging.getLogger("augury.service")

_PATIENCE = 5.0
"""Seconds that a process has to end when it is told to."""


class Child(Closing):
    """Runs `augury.service.job_process`. It may be stopped from another thread."""

    def __init__(self) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (`close` closes it)
        self._stopped = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", "augury.service.job_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,  # an interrupt from the terminal is for the service
        )

    def stop(self) -> None:
        """Let it end soon."""
        self._stopped = True
        self._process.terminate()

    def run(self, task: Task, tell: Callable[[Step], None]) -> Outcome:
        """Have a task done, and return how it ended.

        Parameters
        ----------
        task
            What to do.
        tell
            Is called whenever it is further.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError), self._process.stdin as pipe:
            pipe.write(msgspec.json.encode(task))
        outcome = None
        for line in self._process.stdout:
            message: Step | Outcome = msgspec.json.decode(line, type=Step | Outcome)
            if isinstance(message, Step):
                tell(message)
            else:
                outcome = message
        code = self._wait()
        if outcome is not None:
            return outcome
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip()
        if not self._stopped:
            _log.error("the process of a job ended with exit code %d: %s", code, said)
        return Outcome(error=f"its process ended with exit code {code}; the log says more")

    def close(self) -> None:
        """End it, and wait for that."""
        if self._process.poll() is None:
            self.stop()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        self._wait()

    def _wait(self) -> int:
        try:
            return self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
