"""Prompts as they are given to a model, checked."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augury.errors import InputError


@dataclass(frozen=True, slots=True)
class Prompts:
    """A batch of prompts, all ending in the last column."""

    ids: Any
    """What the model takes: a tensor ``[prompt, column]``."""
    mask: Any
    """Like it: 1 where there is a token, 0 for padding."""
    tokens: tuple[NDArray[np.int64], ...]
    """Those of each prompt, without padding."""
    starts: tuple[int, ...]
    """The column of each prompt's first token."""

    @property
    def padded(self) -> bool:
        """Whether a prompt is shorter than another."""
        return any(self.starts)


def read(ids: Any, mask: Any, *, vocabulary: int, positions: int | None) -> Prompts:
    """Return token ids as prompts.

    Parameters
    ----------
    ids, mask
        What users pass; a mask of None: no padding.
    vocabulary
        How many tokens the model knows.
    positions
        How long a prompt may be. None: of any length.

    Raises
    ------
    InputError
        If these are no prompts for the model.
    """
    torch = importlib.import_module("torch")
    if not isinstance(ids, torch.Tensor):
        raise InputError(f"input_ids must be a tensor, not {type(ids).__name__}")
    if ids.dtype not in (torch.int64, torch.int32):
        raise InputError(f"input_ids must be of torch.int64 or torch.int32, not {ids.dtype}")
    if ids.ndim != 2 or not ids.numel():
        raise InputError(
            f"input_ids must be prompts of one token or more, [prompt, column], not of shape "
            f"{tuple(ids.shape)}"
        )
    starts = [0] * len(ids)
    if mask is None:
        mask = torch.ones_like(ids)
    else:
        starts = _starts(torch, mask, ids)
    longest = ids.shape[1] - min(starts)
    if positions is not None and longest > positions:
        raise InputError(
            f"a prompt of {longest} tokens is too long: the model has {positions} positions"
        )
    rows = ids.detach().cpu().numpy().astype(np.int64)
    tokens = tuple(row[start:] for row, start in zip(rows, starts, strict=True))
    for row in tokens:
        if row.min() < 0 or row.max() >= vocabulary:
            wrong = row[(row < 0) | (row >= vocabulary)][0]
            raise InputError(f"token {wrong} is none of the model's, 0 to {vocabulary - 1}")
    return Prompts(ids, mask, tokens, tuple(starts))


def _starts(torch: Any, mask: Any, ids: Any) -> list[int]:
    if not isinstance(mask, torch.Tensor) or mask.shape != ids.shape:
        raise InputError(f"attention_mask must be a tensor of shape {tuple(ids.shape)}")
    there = mask.detach().cpu().numpy()
    if not np.isin(there, (0, 1)).all():
        raise InputError("attention_mask must be of 0 for padding and 1 for tokens")
    if (np.diff(there.astype(np.int8), axis=1) < 0).any() or not there[:, -1].all():
        raise InputError(
            "attention_mask has padding after tokens; pad prompts on the left, as generate needs it"
        )
    starts: list[int] = there.argmax(axis=1).tolist()
    return starts
