"""Names of blocks: each stands for its tokens and for all that comes before them."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray


def chain(space: bytes, tokens: NDArray[np.int64], block: int) -> list[bytes]:
    """Return a key for each whole block of tokens.

    A key is a digest of the key before it and of the block's tokens, so two prompts share as many
    keys as they share blocks from their beginning. It is cryptographic and of 256 bits: nobody can
    construct a prompt that is answered by what belongs to another one.

    Parameters
    ----------
    space
        What else the blocks depend on, such as the model.
    tokens
        Of one prompt.
    block
        How many there are in a block.

    Examples
    --------
    >>> one = chain(b"model", np.array([1, 2, 3, 4, 5]), 2)
    >>> other = chain(b"model", np.array([1, 2, 9, 4]), 2)
    >>> len(one), [a == b for a, b in zip(one, other)]
    (2, [True, False])
    """
    raw = np.ascontiguousarray(tokens, "<i8").tobytes()
    size = 8 * block
    keys: list[bytes] = []
    parent = space
    for start in range(0, len(raw) - size + 1, size):
        digest = blake2b(parent, digest_size=32)
        digest.update(raw[start : start + size])
        parent = digest.digest()
        keys.append(parent)
    return keys
