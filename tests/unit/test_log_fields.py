"""Log records of events carry what happened in fields of one form."""

from __future__ import annotations

import logging

import pytest

from augury import Cache
from augury.errors import ConfigurationError
from augury.events import Fault, Learned, Step, Trouble
from augury.learning import Learner
from augury.tiers.levels import Faults


def test_a_fault_of_a_tier(caplog: pytest.LogCaptureFixture) -> None:
    Faults(None).report(Trouble.UNAVAILABLE, "redis", "connection refused")
    (record,) = caplog.records
    assert record.name == "augury.tiers"
    assert {name: each for name, each in vars(record).items() if name[:7] == "augury_"} == {
        "augury_event": "unavailable",
        "augury_tier": "redis",
        "augury_reason": "connection refused",
    }


def test_what_a_learner_did(caplog: pytest.LogCaptureFixture) -> None:
    cache: Cache[int, int] = Cache(10, policy="learned", learn=False)
    with caplog.at_level(logging.INFO, "augury.learning"):
        Learner(cache, model=None)._tell(Learned(Step.KEPT, "no model won", requests=9))
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert vars(record)["augury_event"] == "kept"
    assert vars(record)["augury_requests"] == 9


def test_fields_never_take_the_place_of_a_records_own() -> None:
    own = vars(logging.makeLogRecord({})).keys() | {"message", "asctime"}
    for event in (Fault(Trouble.LOST, "redis", "x"), Learned(Step.KEPT, "x")):
        assert all(name.startswith("augury_") for name in event.log_fields)
        assert not own & event.log_fields.keys()


def test_the_library_prints_nothing_by_itself() -> None:
    assert any(
        isinstance(handler, logging.NullHandler) for handler in logging.getLogger("augury").handlers
    )
    with pytest.raises(ConfigurationError):
        Cache(0)
