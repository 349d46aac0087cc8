"""A deterministic embedding without a model: hashed character trigrams."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 256


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """Texts that share many trigrams are similar; word order matters little."""
    vectors = np.zeros((len(texts), DIMENSIONS), np.float32)
    for vector, text in zip(vectors, texts, strict=True):
        for word in text.lower().replace("?", "").split():
            padded = f" {word} "
            for at in range(len(padded) - 2):
                vector[crc32(padded[at : at + 3].encode()) % DIMENSIONS] += 1
    return vectors
