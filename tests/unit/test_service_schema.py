"""The OpenAPI document against the application: whatever is sent, it answers as it says."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.specs.openapi.checks import positive_data_acceptance

from augury.config import Settings, build
from augury.service import Service, application
from tests.unit.served import CACHES, bearer, token

BOUNDS = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)

# A schema cannot say all that is wrong: what it allows may be refused.
BEYOND: list[Any] = [positive_data_acceptance]


def check(examples: int) -> None:
    """Send examples to every operation, right and wrong ones, and hold its answers against it."""
    section = {
        "host": "0.0.0.0",  # as the header Host says where schemathesis believes to be
        "body_limit": 1 << 26,  # 413, for which some examples are long enough, is no answer to it
        "tokens": {"all": token("all-of-it", "read", "write", "admin")},
    }
    service = Service(build(Settings.model_validate({"caches": CACHES, "service": section})))
    schema = schemathesis.openapi.from_asgi("/openapi.json", application(service))
    modes = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
    found: list[Any] = list(schema.get_all_operations())
    operations = [one.ok() for one in found]
    assert len(operations) > 10
    for operation in operations:
        for mode in modes:

            @settings(BOUNDS, max_examples=examples)
            @given(operation.as_strategy(generation_mode=mode))
            def answers_as_it_says(case: schemathesis.Case[Any]) -> None:
                case.call_and_validate(headers=bearer("all-of-it"), excluded_checks=BEYOND)

            try:
                answers_as_it_says()
            except Unsatisfiable:  # nothing that can be sent would be wrong
                assert mode is schemathesis.GenerationMode.NEGATIVE
    asyncio.run(service.close())


def test_every_operation_answers_as_it_says() -> None:
    check(5)


@pytest.mark.slow
def test_every_operation_answers_as_it_says_for_long() -> None:
    check(200)
