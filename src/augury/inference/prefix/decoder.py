"""A causal language model of transformers: what of it can be cached, and how it takes that."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from typing import Any

from augury.errors import ConfigurationError, MissingExtraError
from augury.inference.prefix.prompts import Prompts

# Their angles depend on how long the prompt is, so keys of its beginning do.
_BY_LENGTH = frozenset({"dynamic", "longrope"})
# Ways to generate that take tokens back, or keep keys and values in their own way.
_OTHER_WAYS = (
    "assistant_model",
    "assistant_early_exit",
    "prompt_lookup_num_tokens",
    "penalty_alpha",
    "dola_layers",
    "custom_generate",
    "cache_implementation",
)
# Of a model's parameters, those that bear on no keys and values.
_HARMLESS = frozenset({"logits_to_keep", "output_hidden_states", "output_attentions"})


class Decoder:
    """A model whose keys and values of a token depend on this token and those before it only.

    Raises
    ------
    ConfigurationError
        If it is none of transformers, or one that remembers something else.
    """

    def __init__(self, model: Any) -> None:
        try:
            self._library = importlib.import_module("transformers")
        except ImportError:
            raise MissingExtraError("transformers", "transformers") from None
        name = type(model).__name__
        if not isinstance(model, self._library.PreTrainedModel) or not model.can_generate():
            raise ConfigurationError(
                f"model must be a causal language model of transformers, such as LlamaForCausalLM, "
                f"not {name}"
            )
        config = model.config.get_text_config(decoder=True)
        if config.is_encoder_decoder or getattr(config, "add_cross_attention", False):
            raise ConfigurationError(
                f"{name} attends to an encoder's output, on which keys and values depend besides "
                "the tokens; it cannot be cached by prefix"
            )
        if _BY_LENGTH & set(_rope_types(config)):
            raise ConfigurationError(
                f"the rotary positions of {name} depend on the length of the whole prompt, so "
                "prompts do not share the keys of a prefix"
            )
        parts = (config, *model.get_decoder().modules())  # not those for images
        if any(getattr(part, "is_causal", None) is False for part in parts):
            raise ConfigurationError(
                f"tokens of {name} attend to those behind them, too, so prompts do not share the "
                "keys of a prefix"
            )
        kinds = {type(layer).__name__ for layer in self._library.DynamicCache(config=config).layers}
        if kinds != {"DynamicLayer"}:
            raise ConfigurationError(
                f"{name} keeps {', '.join(sorted(kinds - {'DynamicLayer'}))}, for sliding windows "
                "or states; only models that attend to all tokens can be cached by prefix"
            )
        self.model = model
        self._config = config
        self.vocabulary = int(model.get_input_embeddings().num_embeddings)
        positions = getattr(config, "max_position_embeddings", None)
        self.positions: int | None = positions if isinstance(positions, int) else None
        self._parameters = inspect.signature(model.forward).parameters.keys()

    def past(self, layers: list[tuple[Any, Any]]) -> Any:
        """Return keys and values, a pair for each layer, as the model takes them."""
        past = self._library.DynamicCache(config=self._config)
        device = self.model.device
        for at, (keys, values) in enumerate(layers):
            # Nothing is appended, which sets the layer up; so the rest need not be copied.
            past.update(keys[:, :, :0].to(device), values[:, :, :0].to(device), at)
            past.layers[at].keys, past.layers[at].values = keys.to(device), values.to(device)
        return past

    def tensors(self, past: Any, prompts: int) -> list[Any]:
        """Return each layer's keys, then each layer's values: ``[prompt, head, column, element]``.

        Raises
        ------
        ConfigurationError
            If these are not all there, for all prompts and the same columns.
        """
        tensors: list[Any] = []
        if isinstance(past, self._library.DynamicCache):
            tensors = [layer.keys for layer in past.layers]
            tensors += [layer.values for layer in past.layers]
        whole = tensors and all(each is not None and each.ndim == 4 for each in tensors)
        if not whole or {(len(each), each.shape[2]) for each in tensors} != {
            (prompts, tensors[0].shape[2])
        }:
            raise ConfigurationError(
                f"{type(self.model).__name__} did not return keys and values of all layers, "
                "prompts and tokens as a DynamicCache, so they cannot be cached"
            )
        return tensors

    def setting(self) -> bytes:
        """Return what bears on the model's arithmetic but belongs to the process."""
        torch = importlib.import_module("torch")
        device = self.model.device.type
        autocast = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
        precision = torch.get_float32_matmul_precision()
        return f"{self._library.__version__} {device} {autocast} {precision}".encode()

    def check_run(self, options: dict[str, Any]) -> None:
        """Raise a `ConfigurationError` if options of a run bear on keys and values."""
        refused = options.keys() - _HARMLESS
        if refused:
            raise ConfigurationError(
                f"a run with cached prefixes does not take {', '.join(sorted(refused))}"
            )

    def check_generation(self, options: dict[str, Any]) -> None:
        """Raise a `ConfigurationError` if ``generate`` cannot have these with cached prefixes."""
        refused = options.keys() & self._parameters - _HARMLESS
        if refused:
            raise ConfigurationError(
                f"generate with cached prefixes does not take {', '.join(sorted(refused))}"
            )
        given = options.get("generation_config") or self.model.generation_config
        for name in _OTHER_WAYS:
            if options.get(name, getattr(given, name, None)) is not None:
                raise ConfigurationError(f"generate with cached prefixes does not take {name}")
        if getattr(given, "use_cache", True) is False:
            raise ConfigurationError("generate with cached prefixes needs use_cache=True")
        for name in ("num_beams", "num_return_sequences"):
            if (options.get(name, getattr(given, name, None)) or 1) > 1:
                raise ConfigurationError(f"{name} must be 1 to generate with cached prefixes")

    def run(self, prompts: Prompts, past: Any, **options: Any) -> Any:
        """Run the model on the columns that are not in `past`, and return what it returns."""
        column = past.get_seq_length()
        if prompts.padded:
            options["attention_mask"] = prompts.mask
            if "position_ids" in self._parameters:
                positions = (prompts.mask.long().cumsum(1) - 1).clamp(min=0)
                options["position_ids"] = positions[:, column:]
        return self.model(
            input_ids=prompts.ids[:, column:],
            past_key_values=past,
            use_cache=True,
            **options,
        )


def _rope_types(config: Any) -> Iterator[str]:
    """Yield the kinds of rotary positions, of which layers may have different ones."""
    for name in ("rope_parameters", "rope_scaling"):
        given = getattr(config, name, None)
        if isinstance(given, dict):
            for each in (given, *(part for part in given.values() if isinstance(part, dict))):
                yield str(each.get("rope_type", each.get("type", "default")))
