"""What is logged is a line, or an object of JSON."""

from __future__ import annotations

import json
import logging
import sys

from augury.service.logs import JsonLines


def test_a_record_is_an_object_on_a_line() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        record = logging.LogRecord(
            "augury.service", logging.ERROR, __file__, 1, "%s failed", ("GET /",), sys.exc_info()
        )
    line = JsonLines().format(record)
    assert "\n" not in line
    told = json.loads(line)
    assert (told["level"], told["message"]) == ("ERROR", "GET / failed")
    assert "two\nlines" in told["exception"]
