"""What the process of the service logs: a line each on standard error."""

from __future__ import annotations

import json
import logging
import sys


class JsonLines(logging.Formatter):
    """A record as an object of JSON on a line of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        told = {
            "at": record.created,
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told)


def log_to_stderr(*, as_json: bool) -> None:
    """Let warnings and errors of this process go to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonLines()
        if as_json
        else logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    # It warns of every malformed request, so that strangers could fill the log.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
