"""docs/policies.md says what the headers say."""

import re
from pathlib import Path

import pytest

from augury._native import describe_policies

PAGE = (Path(__file__).parents[2] / "docs" / "policies.md").read_text()
POLICIES = {description[0]: description for description in describe_policies()}


def sections() -> dict[str, str]:
    parts = re.split(r"^### (.+): `(\S+)`$", PAGE.split("\n## Compared")[0], flags=re.MULTILINE)
    return {
        name: f"{title}\n{body}" for title, name, body in zip(*[iter(parts[1:])] * 3, strict=True)
    }


def test_every_policy_has_its_section_in_order() -> None:
    assert list(sections()) == list(POLICIES)


@pytest.mark.parametrize("policy", POLICIES)
def test_section_is_what_the_header_says(policy: str) -> None:
    _, title, paper, _, _, _, parameters = POLICIES[policy]
    section = sections()[policy]
    assert section.startswith(title + "\n")
    assert f"Paper: {paper}." in section
    listed = re.findall(r"^- .*$", section, flags=re.MULTILINE)
    assert listed == [
        f"- `{name}={standard:g}`, from {low:g} to {high:g}: {meaning}"
        for name, standard, low, high, meaning in parameters
    ]
