"""A transformer that is run only on what no earlier prompt began with."""

from __future__ import annotations

import importlib
import threading
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from itertools import takewhile
from typing import Any

from augury.cache import Cache
from augury.errors import ConfigurationError, InputError
from augury.inference.prefix import blocks, prompts
from augury.inference.prefix.chain import chain
from augury.inference.prefix.decoder import Decoder
from augury.inference.prefix.prompts import Prompts
from augury.inference.prefix.store import store_in
from augury.inference.weights import Seen, count_fused_steps, fingerprint
from augury.loading import Ttl, check_ttl, seconds
from augury.parameters import check_instance, check_integer
from augury.tiers import Tiers


@dataclass(slots=True)
class PrefixStats:
    """What a `PrefixCache` has done so far."""

    prompts: int = 0
    """Prompts asked about."""
    tokens: int = 0
    """Tokens in them."""
    reused: int = 0
    """Tokens whose keys and values came from the cache."""
    stored: int = 0
    """Blocks put into the cache."""

    @property
    def hit_ratio(self) -> float:
        """Tokens that the model was not run on, per token; 0.0 without tokens."""
        return self.reused / self.tokens if self.tokens else 0.0


class PrefixCache:
    """A causal language model of transformers that skips the beginnings it has computed before.

    Token ids are cut into blocks. The keys and values that attention has computed for a block are
    kept under a digest of all tokens up to its end. A prompt takes the longest run of blocks that
    is there, the model is run on the rest, and new blocks are stored. Entries belong to the model
    as it is: once it has other weights they are out of reach.

    Parameters
    ----------
    model
        A model of transformers such as ``LlamaForCausalLM`` or ``GPT2LMHeadModel``, in evaluation
        mode, that attends to all tokens: one with sliding windows or recurrent states is refused.
    cache
        Where blocks are kept, as bytes: a `Cache`, with a weigher to bound their size, or `Tiers`.
    block
        Tokens in a block: only whole ones are kept. By default 16.
    ttl
        Time to live of blocks; by default the cache's.
    salt
        Prompts with different ones share no blocks: whoever may not learn by timing what others
        have asked, such as a tenant, gets a `PrefixCache` of its own. By default ``""``.

    Raises
    ------
    ConfigurationError
        If a parameter makes no sense, or the model cannot be cached by prefix.
    MissingExtraError
        If the package ``transformers`` is not installed.

    Notes
    -----
    Logits are those of a run without the cache but for the last bits: the library sums matrix
    products in another order for another number of tokens. docs/inference-prefix.md has the
    differences measured.

    Calls may come from several threads, as far as the model allows that.

    Examples
    --------
    ::

        cache = augury.Cache(1 << 30, weigher=lambda _, block: len(block))
        prefix = PrefixCache(AutoModelForCausalLM.from_pretrained(path).eval(), cache)
        ids = AutoTokenizer.from_pretrained(path)("Once upon a", return_tensors="pt").input_ids
        tokens = prefix.generate(ids, max_new_tokens=20)
    """

    def __init__(
        self,
        model: Any,
        cache: Cache[Any, Any] | Tiers[Any, Any],
        *,
        block: int = 16,
        ttl: Ttl = None,
        salt: str = "",
    ) -> None:
        check_integer("block", block)
        check_ttl("ttl", ttl)
        check_instance("salt", salt, str)
        self._store = store_in(cache, None if ttl is None else seconds(ttl))
        self._decoder = Decoder(model)
        self._torch: Any = importlib.import_module("torch")
        self._block = block
        self._salt = salt.encode()
        self._lock = threading.Lock()
        self._seen: Seen | None = None
        self._fingerprint = b""
        count_fused_steps()
        self.model = model
        self.stats = PrefixStats()

    def prefill(self, input_ids: Any, attention_mask: Any = None, **options: Any) -> Any:
        """Run the model on what is not in the cache of these prompts, and store that.

        Parameters
        ----------
        input_ids
            Tokens, ``[prompt, column]``, of int64 or int32.
        attention_mask
            Alike: 1 for tokens, 0 for padding, which has to be on the left. By default no padding.
        options
            What else the model's ``forward`` takes, such as ``logits_to_keep=1``.

        Returns
        -------
        output
            What the model returns: ``output.past_key_values`` of all columns, and ``output.logits``
            of those that it was run on, the last one always among them.

        Raises
        ------
        InputError
            If these are no prompts for the model.
        ConfigurationError
            If the model is in training mode, or leaves out keys or values.
        """
        self._decoder.check_run(options)
        asked = self._read(input_ids, attention_mask)
        space = self._space()
        past, found = self._found(asked, space)
        with self._torch.no_grad():
            output = self._decoder.run(asked, past, **options)
        self._put(asked, output.past_key_values, space, found)
        return output

    def generate(self, input_ids: Any, attention_mask: Any = None, **options: Any) -> Any:
        """Do what the model's ``generate`` does, and store what is new, generated tokens too.

        Parameters
        ----------
        input_ids, attention_mask
            As for `prefill`.
        options
            What else ``generate`` takes, but for beams, several sequences a prompt, and a cache.

        Returns
        -------
        output
            What ``generate`` returns.

        Raises
        ------
        InputError
            If these are no prompts for the model.
        ConfigurationError
            If the model is in training mode, leaves out keys or values, or an option cannot be had
            together with a cache of prefixes.
        """
        self._decoder.check_generation(options)
        asked = self._read(input_ids, attention_mask)
        space = self._space()
        past, found = self._found(asked, space)
        output = self.model.generate(
            asked.ids, attention_mask=asked.mask, past_key_values=past, **options
        )
        sequences = getattr(output, "sequences", output)
        mask = self._torch.ones_like(sequences)
        mask[:, : asked.mask.shape[1]] = asked.mask
        told = prompts.read(sequences, mask, vocabulary=self._decoder.vocabulary, positions=None)
        self._put(told, past, space, found)
        return output

    def lookup(self, input_ids: Any, attention_mask: Any = None) -> Any:
        """Return the ``past_key_values`` that is in the cache of these prompts.

        Pass it to the model's own ``generate`` with all the tokens, not only those which are not in
        it, and to `store` afterwards.

        Parameters
        ----------
        input_ids
            Tokens, of shape (prompts, tokens).
        attention_mask
            Of the same shape, 0 for padding on the left. By default there is none.
        """
        return self._found(self._read(input_ids, attention_mask), self._space())[0]

    def store(self, input_ids: Any, past_key_values: Any, attention_mask: Any = None) -> None:
        """Store what the model has computed for these tokens.

        Parameters
        ----------
        input_ids, attention_mask
            The tokens, as for `prefill`; for the last of them, nothing need be there.
        past_key_values
            What the model returned for them, as it is now.
        """
        asked = self._read(input_ids, attention_mask)
        space = self._space()
        keys = [chain(space, tokens, self._block) for tokens in asked.tokens]
        found = [len(self._store.find(each)) for each in keys]
        self._put(asked, past_key_values, space, found)

    def changed(self) -> None:
        """Tell that the model has changed in a way that goes unnoticed, such as by ``.data``."""
        with self._lock:
            self._seen = None

    def _read(self, ids: Any, mask: Any) -> Prompts:
        decoder = self._decoder
        return prompts.read(ids, mask, vocabulary=decoder.vocabulary, positions=decoder.positions)

    def _space(self) -> bytes:
        """Return what the model as it is now, and all that bears on its arithmetic, is called."""
        with self._lock:
            if self._seen is None or not self._seen.holds():
                seen = Seen(self.model)
                if seen.training is not None:
                    name = type(seen.training).__name__
                    raise ConfigurationError(
                        f"{name} is in training mode, where outputs are random; call eval() first"
                    )
                self._fingerprint = fingerprint(self.model, frozenset({"generation_config"}))
                self._seen = seen
            digest = blake2b(self._fingerprint, digest_size=32, key=b"augury prefix")
        for part in (self._salt, self._decoder.setting(), b"%d" % self._block):
            digest.update(len(part).to_bytes(8, "little") + part)
        return digest.digest()

    def _found(self, asked: Prompts, space: bytes) -> tuple[Any, list[int]]:
        """Return the keys and values of as many columns as are there for all prompts.

        Returns
        -------
        past
            As the model takes them.
        found
            How many blocks of each prompt are in the cache.
        """
        held, head = [], None
        for tokens in asked.tokens:
            values = self._store.find(chain(space, tokens, self._block))
            if head is None and values:
                head = blocks.head_of(values[0])
            held.append(list(takewhile(partial(blocks.fits, head), values)))
        found = [len(values) for values in held]
        # The model has to be run on one column at least, or there are no logits.
        end = asked.ids.shape[1] - 1
        for start, count in zip(asked.starts, found, strict=True):
            end = min(end, start + count * self._block)
        layers: list[tuple[Any, Any]] = []
        reused = 0
        if head is not None and end > min(asked.starts):
            into = blocks.room(head, len(held), end)
            for row, (start, values) in enumerate(zip(asked.starts, held, strict=True)):
                part = [group[:, row] for group in into]
                for each in part:
                    each[:, :, :start] = 0.0  # masked, but what is no number would spread
                if start < end:
                    blocks.paste(head, values, part, start, end)
                    reused += end - start
            layers = blocks.layers(into)
        with self._lock:
            self.stats.prompts += len(held)
            self.stats.tokens += sum(map(len, asked.tokens))
            self.stats.reused += reused
        return self._decoder.past(layers), found

    def _put(self, asked: Prompts, past: Any, space: bytes, found: list[int]) -> None:
        """Store the blocks of these prompts but for the first ones, which were found."""
        tensors = self._decoder.tensors(past, len(asked.tokens))
        columns = tensors[0].shape[2]
        if columns > asked.ids.shape[1]:
            raise InputError(
                f"past_key_values is of {columns} columns, input_ids of {asked.ids.shape[1]}; pass "
                "all tokens"
            )
        if self._space() != space:
            return  # the model changed while it ran: what it has computed may be of either
        new: dict[bytes, bytes] = {}
        for row, (start, tokens) in enumerate(zip(asked.starts, asked.tokens, strict=True)):
            keys = chain(space, tokens[: max(0, columns - start)], self._block)[found[row] :]
            if keys:
                first = start + found[row] * self._block
                part = slice(first, first + len(keys) * self._block)
                cut = blocks.cut([tensor[row, :, part] for tensor in tensors], self._block)
                new.update(zip(keys, cut, strict=True))
        self._store.put(new)
        with self._lock:
            self.stats.stored += len(new)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {type(self.model).__name__}>"
