"""What all sections of a configuration share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]|_(?!_)){0,63}")


class Section(BaseModel):
    """A table of the configuration: nothing that is not known, nothing that changes."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def _named(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise ValueError(
            "a name is 1 to 64 letters, digits, '-', '.' and '_', and has no '__', which the "
            "environment needs"
        )
    return name


def _from_folder(path: Path, info: ValidationInfo) -> Path:
    if "\0" in str(path):
        raise ValueError("a path has no NUL in it")
    context: dict[str, Path] = info.context or {}
    try:
        return context.get("folder", Path()) / path.expanduser()
    except RuntimeError:
        raise ValueError(f"{path.parts[0]} is no user's folder") from None


Name = Annotated[str, AfterValidator(_named)]
"""Of a cache, a token, a query …: good in a URL, and in the environment."""
LocalPath = Annotated[Path, AfterValidator(_from_folder)]
"""A path; if it is relative, from the folder of the configuration file."""
