"""Every policy decides exactly as it did when counts.json was written."""

import json

import pytest

from augury._native import describe_policies
from tests.golden.regenerate import COUNTS, Trace, count, generate

POLICIES = {name: offline for name, _, _, offline, *_ in describe_policies()}


@pytest.fixture(scope="module")
def trace() -> Trace:
    return generate()


@pytest.fixture(scope="module")
def counts() -> dict[str, dict[str, list[int]]]:
    return json.loads(COUNTS.read_text())  # type: ignore[no-any-return]


@pytest.mark.parametrize("sized", [False, True], ids=["unit", "sized"])
@pytest.mark.parametrize("policy", POLICIES)
def test_misses(
    policy: str, sized: bool, trace: Trace, counts: dict[str, dict[str, list[int]]]
) -> None:
    kind = "sized" if sized else "unit"
    assert count(policy, trace, offline=POLICIES[policy], sized=sized) == counts[policy][kind]


def test_no_other_policies(counts: dict[str, dict[str, list[int]]]) -> None:
    assert set(counts) == set(POLICIES)
