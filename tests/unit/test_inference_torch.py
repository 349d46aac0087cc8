"""PyTorch modules behind a `CachedModel`: what they return, and when they have changed."""

import collections
import copy
import dataclasses
import functools
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest

from augury import Cache
from augury.errors import ConfigurationError, InputError, OutputError
from augury.inference import CachedModel
from augury.inference.adapters import adapter_of

torch: Any = pytest.importorskip("torch")
nn: Any = torch.nn


@dataclasses.dataclass
class Answer:
    logits: Any
    hidden: Any = None


Pair = collections.namedtuple("Pair", "first second")


class Shaped(nn.Module):  # type: ignore[misc]
    """Returns whatever a function makes of its input."""

    def __init__(self, shape: Any) -> None:
        super().__init__()
        self.shape = shape
        self.inner = nn.Linear(4, 3)

    def forward(self, rows: Any) -> Any:
        SEEN.append(len(rows))
        return self.shape(rows)


SEEN: list[int] = []


def network(seed: int = 1) -> Any:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)).eval()


def rows(count: int = 6, seed: int = 2, dtype: Any = None) -> Any:
    made = torch.randn(count, 4, generator=torch.Generator().manual_seed(seed))
    return made if dtype is None else made.to(dtype)


def bare(model: Any, *given: Any) -> Any:
    with torch.inference_mode():
        return model(*given)


def close(first: Any, second: Any) -> bool:
    return bool(first.dtype == second.dtype and torch.allclose(first, second, rtol=1e-5, atol=1e-6))


def cached(model: Any, **options: Any) -> Any:
    return CachedModel(model, Cache(1_000), bypass=False, **options)


def test_returns_what_the_module_returns() -> None:
    model = network()
    reuse = cached(model)
    assert torch.equal(reuse(rows()), bare(model, rows()))
    both = torch.cat([rows()[2:4], rows(3, seed=9), rows()[2:4]])
    assert close(reuse(both), bare(model, both))
    assert (reuse.stats.rows, reuse.stats.hits, reuse.stats.duplicates) == (13, 4, 0)
    assert reuse.stats.computed == 9


def test_hits_are_the_users_own() -> None:
    reuse = cached(network())
    for _ in range(3):
        answer = reuse(rows())
        assert not answer.requires_grad
        assert not answer.is_inference()
        assert close(answer, bare(network(), rows()))
        answer.add_(1.0)


@pytest.mark.parametrize("name", ["bfloat16", "float16", "float64", "complex64", "int64", "bool",
                                  "float8_e4m3fn", "uint8"])  # fmt: skip
def test_every_dtype(name: str) -> None:
    dtype = getattr(torch, name)
    given = (rows() * 3).to(dtype) if name != "complex64" else torch.complex(rows(), rows(seed=3))
    model = Shaped(lambda part: part.clone()).eval()
    reuse = cached(model)
    for _ in range(2):
        answer = reuse(given)
        assert answer.dtype == dtype
        assert torch.equal(answer.view(torch.uint8), given.view(torch.uint8))
    assert reuse.stats.hits + reuse.stats.duplicates >= 6


def test_dtypes_and_shapes_are_told_apart() -> None:
    model = Shaped(lambda part: part.float().flatten(1).sum(1)).eval()
    reuse = cached(model)
    for given in (torch.zeros(2, 4), torch.zeros(2, 4, dtype=torch.int32), torch.zeros(2, 2, 2)):
        before = reuse.stats.hits
        reuse(given)
        assert reuse.stats.hits == before


def test_views_are_read_as_what_they_show() -> None:
    wide = torch.arange(48.0).reshape(6, 8)
    model = network()
    reuse = cached(model)
    for given in (wide[:, ::2], wide[:, ::2].contiguous(), wide.T[:4].T):
        assert close(reuse(given), bare(model, given))
    assert reuse.stats.hits == 6


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        (lambda part: (part + 1, part.sum(1)), tuple),
        (lambda part: [part + 1, (part, None)], list),
        (lambda part: {"a": part + 1, "b": part.bfloat16()}, dict),
        (lambda part: Answer(part + 1), Answer),
        (lambda part: Pair(part, part[:, :2]), Pair),
        (lambda part: part.max(1), torch.return_types.max),
    ],
)
def test_structures(shape: Any, kind: type) -> None:
    model = Shaped(shape).eval()
    reuse = cached(model)
    expected = bare(model, rows())
    for given in (rows(), rows(), torch.cat([rows(), rows(2, seed=5)])[:6]):
        answer = reuse(given)
        assert type(answer) is kind
        assert repr(answer) == repr(expected)
    assert reuse.stats.hits == 12


def test_several_inputs() -> None:
    class Two(nn.Module):  # type: ignore[misc]
        def forward(self, left: Any, right: Any) -> Any:
            return left + 2 * right

    model = Two().eval()
    for reuse in (cached(model),):
        left, right = rows(), rows(seed=3)
        for _ in range(2):
            assert torch.equal(reuse((left, right)), left + 2 * right)
            assert torch.equal(reuse({"right": right, "left": left}), left + 2 * right)
        assert reuse.stats.hits == 12
        assert torch.equal(reuse((right, left)), right + 2 * left)
        with pytest.raises(InputError, match="a row for each"):
            reuse((left, right[:2]))


@pytest.mark.parametrize(
    "given",
    [
        np.zeros((2, 4)),
        torch.tensor(1.0),
        torch.eye(4).to_sparse(),
        torch.zeros(2, 4, device="meta"),
        [1, 2],
        (),
    ],
)
def test_refuses_what_has_no_rows(given: Any) -> None:
    with pytest.raises(InputError):
        cached(network())(given)


@pytest.mark.parametrize("returned", [3, "text", torch.tensor(1.0)])
def test_refuses_outputs_that_are_no_rows(returned: Any) -> None:
    with pytest.raises(OutputError, match="the model returns"):
        cached(Shaped(lambda part: returned).eval())(rows())


@pytest.mark.parametrize("returned", [None, (), {}])
def test_refuses_to_return_nothing(returned: Any) -> None:
    with pytest.raises(OutputError, match="nothing that has rows"):
        cached(Shaped(lambda part: returned).eval())(rows())


def test_training_mode_is_refused() -> None:
    model = network()
    reuse = CachedModel(model, Cache(100))
    model.train()
    with pytest.raises(ConfigurationError, match=r"call eval\(\)"):
        reuse(rows())
    model.eval()
    reuse(rows())
    model[1].train()
    with pytest.raises(ConfigurationError, match="BatchNorm1d is in training mode"):
        reuse(rows())


def step(model: Any, **options: Any) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1, **options)
    model(rows()).square().sum().backward()
    optimizer.step()


def in_place(model: Any) -> None:
    with torch.no_grad():
        model[3].weight.mul_(2.0)


def statistics(model: Any) -> None:
    model.train()
    model(rows(50, seed=8))
    model.eval()


def hooked(model: Any) -> None:
    model.register_forward_hook(lambda module, given, answer: answer * 2)


def replaced(model: Any) -> None:
    model[3] = nn.Linear(8, 3).eval()


def there_and_back(model: Any) -> None:
    model.half()
    model.float()


CHANGES = {
    "step": step,
    "fused step": lambda model: step(model, fused=True),
    "load_state_dict": lambda model: model.load_state_dict(network(seed=7).state_dict()),
    "assigned": lambda model: model.load_state_dict(network(seed=7).state_dict(), assign=True),
    "module": replaced,
    "in place": in_place,
    "detached": lambda model: model[0].weight.detach().mul_(2),
    "data": lambda model: setattr(model[0].weight, "data", torch.ones(8, 4)),
    "buffers": statistics,
    "attribute": lambda model: setattr(model[1], "eps", 5.0),
    "hook": hooked,
    "half": there_and_back,
}


@pytest.mark.parametrize("change", list(CHANGES))
def test_no_change_goes_unnoticed(change: str) -> None:
    model = network()
    reuse = cached(model)
    before = reuse(rows())
    CHANGES[change](model)
    assert torch.equal(reuse(rows()), bare(model, rows()))
    assert not torch.equal(bare(model, rows()), before)
    assert reuse.stats.hits == 0


def test_other_dtype_of_the_weights() -> None:
    model = network()
    reuse = cached(model)
    reuse(rows())
    model.double()
    assert torch.equal(reuse(rows(dtype=torch.float64)), bare(model, rows(dtype=torch.float64)))


def test_the_same_weights_again_are_the_same_model() -> None:
    model = network()
    reuse = cached(model)
    before = reuse(rows())
    held = copy.deepcopy(model.state_dict())
    in_place(model)
    reuse(rows())
    model.load_state_dict(held)
    assert torch.equal(reuse(rows()), before)
    assert reuse.stats.hits == 6


def test_writes_past_torch_have_to_be_told() -> None:
    model = network()
    reuse = cached(model)
    reuse(rows())
    model[3].weight.data.mul_(2.0)
    reuse.changed()
    assert torch.equal(reuse(rows()), bare(model, rows()))
    model[3].weight.detach().numpy()[:] = 1.0
    reuse.changed()
    assert torch.equal(reuse(rows()), bare(model, rows()))
    assert reuse.stats.hits == 0


def test_autocast_is_part_of_the_key() -> None:
    model = network()
    reuse = cached(model)
    reuse(rows())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert reuse(rows()).dtype == torch.bfloat16
    assert reuse(rows()).dtype == torch.float32


def test_models_of_one_cache_share_equal_weights_only() -> None:
    cache: Cache[Any, Any] = Cache(1_000)
    first = CachedModel(network(), cache, bypass=False)
    first(rows())
    twin = CachedModel(network(), cache, bypass=False)
    twin(rows())
    assert twin.stats.hits == 6
    other = CachedModel(network(seed=5), cache, bypass=False)
    assert torch.equal(other(rows()), bare(network(seed=5), rows()))


IN_ANOTHER_PROCESS = """
import sys
import warnings
import torch
from augury.inference.adapters import adapter_of
torch.manual_seed(1)
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8))
        self.attention = torch.nn.MultiheadAttention(8, 2)
        self.kinds = {"a", "b", "c"}
        self.activation = torch.nn.functional.gelu
        self.body.register_forward_hook(lambda module, given, answer: answer * 2)
    def forward(self, rows):
        return self.activation(self.body(rows)) if len(rows) in {1, 2, 3} else rows
model = Net().eval()
print(adapter_of(model, None).fingerprint().hex())
graph = torch.fx.symbolic_trace(model.body)
print(adapter_of(graph, None).fingerprint().hex())
"""


def test_fingerprints_are_alike_in_every_process() -> None:
    printed = {
        subprocess.run(
            [sys.executable, "-c", IN_ANOTHER_PROCESS],
            capture_output=True, check=True, text=True, env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(printed) == 1


def test_closures_are_part_of_the_fingerprint() -> None:
    model = Shaped(None).eval()

    def scaling(factor: float) -> Any:
        return lambda part: part * factor

    reuse = cached(model)
    for factor in (2.0, 3.0):
        model.shape = scaling(factor)
        assert torch.equal(reuse(rows()), rows() * factor)


class Factor(float):
    def __call__(self, part: Any) -> Any:
        return part * float(self)


class Slotted:
    __slots__ = ("factor",)

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, part: Any) -> Any:
        return part * self.factor


class SlottedWithMore(Slotted):
    """Has a `__dict__`, too, in which the factor is not."""


def scaled(part: Any, factor: float) -> Any:
    return part * factor


def scaling_by_default(factor: float) -> Any:
    def scaling(part: Any, *, by: float = factor) -> Any:
        return part * by

    return scaling


def plain(part: Any) -> Any:
    return part


def scaling_around(factor: float) -> Any:
    if factor == 2.0:

        @functools.wraps(plain)
        def wrapper(part: Any) -> Any:
            return plain(part) * 2.0
    else:

        @functools.wraps(plain)
        def wrapper(part: Any) -> Any:
            return plain(part) * 3.0

    return wrapper


def scaling_again(factor: float) -> Any:
    def scaling(part: Any, again: bool = True) -> Any:
        return scaling(part * factor, again=False) if again else part

    return scaling


@pytest.mark.parametrize(
    "scaling",
    [
        lambda factor: functools.partial(scaled, factor=factor),
        Factor,
        Slotted,
        SlottedWithMore,
        scaling_by_default,
        scaling_around,
        scaling_again,
    ],
    ids=["partial", "float", "slots", "slots and more", "default", "around", "recursive"],
)
def test_objects_that_compute_are_part_of_the_fingerprint(scaling: Any) -> None:
    model = Shaped(None).eval()
    reuse = cached(model)
    for factor in (2.0, 3.0, 2.0):
        model.shape = scaling(factor)
        assert torch.equal(reuse(rows()), rows() * factor)
    assert reuse.stats.hits == 6


def test_constants_of_a_class_are_part_of_the_fingerprint() -> None:
    def made(factor: float) -> Any:
        class Scaling(nn.Module):  # type: ignore[misc]
            by = factor

            def forward(self, part: Any) -> Any:
                return part * self.by

        return Scaling().eval()

    cache: Cache[Any, Any] = Cache(1_000)
    for factor in (2.0, 3.0):
        reuse = CachedModel(made(factor), cache, bypass=False)
        assert torch.equal(reuse(rows()), rows() * factor)


def test_a_module_may_refer_to_a_library() -> None:
    model = Shaped(lambda part: part * 2).eval()
    model.functional = nn.functional
    reuse = cached(model)
    reuse(rows())
    assert torch.equal(cached(model)(rows()), rows() * 2)


def test_a_change_in_one_of_very_many_parts() -> None:
    model = Shaped(None).eval()
    model.parts = nn.ModuleList(nn.Linear(4, 4) for _ in range(1_001)).eval()

    def last(part: Any) -> Any:
        return model.parts[1_000](part)

    model.shape = last
    reuse = cached(model)
    reuse(rows())
    with torch.no_grad():
        model.parts[1_000].weight.mul_(2.0)
    assert torch.equal(reuse(rows()), bare(model, rows()))


@pytest.mark.parametrize(("pad", "sizes"), [("bucket", [8, 4]), (5, [10, 5]), (None, [6, 3])])
def test_padding(pad: Any, sizes: list[int]) -> None:
    model = Shaped(lambda part: part * 2).eval()
    reuse = cached(model, pad=pad)
    SEEN.clear()
    assert torch.equal(reuse(rows()), rows() * 2)
    both = torch.cat([rows(), rows(3, seed=4)])
    assert torch.equal(reuse(both), both * 2)
    assert sizes == SEEN


@pytest.mark.parametrize("pad", ["power", 0, 2.5, True])
def test_padding_that_makes_no_sense(pad: Any) -> None:
    with pytest.raises(ConfigurationError, match="pad must be"):
        cached(network(), pad=pad)


def test_scripted_and_compiled_modules() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scripts are deprecated, and still there
        scripted = torch.jit.trace(network(), rows())
    for made in (scripted, torch.compile(network(), backend="eager")):
        reuse = cached(made)
        assert torch.equal(reuse(rows()), bare(network(), rows()))
        reuse(rows())
        assert reuse.stats.hits == 6
        with torch.no_grad():
            for weight in made.parameters():
                weight.mul_(2.0)
        assert torch.equal(reuse(rows()), bare(made, rows()))


def test_models_made_in_inference_mode() -> None:
    with torch.inference_mode():
        model = network()
        reuse = cached(model)
        reuse(rows())
        model[3].weight.mul_(2.0)
        assert torch.equal(reuse(rows()), model(rows()))


def test_no_rows() -> None:
    assert cached(network())(rows(0)).shape == (0, 3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_on_a_gpu() -> None:
    model = network().cuda()
    reuse = cached(model)
    for given in (rows().cuda(), rows().cuda(), torch.cat([rows(), rows(2, seed=5)]).cuda()):
        answer = reuse(given)
        assert answer.device == given.device
        assert torch.allclose(answer, bare(model, given), atol=1e-5)
    assert reuse.stats.hits == 12


def test_rows_of_several_calls_are_joined() -> None:
    adapter = adapter_of(network(), None)
    left, right = rows(2), rows(3, seed=7)
    assert torch.equal(adapter.join([left, right]), torch.cat([left, right]))
    for parts in ([(left, left), (right, right)], [{"a": left}, {"a": right}]):
        joined = adapter.join(parts)
        first = joined["a"] if isinstance(joined, dict) else joined[0]
        assert torch.equal(first, torch.cat([left, right]))


def test_near_tensors_share_an_output_by_decimals() -> None:
    SEEN.clear()
    single = CachedModel(Shaped(lambda rows: rows * 2).eval(), Cache(100), decimals=1, bypass=False)
    rows = torch.tensor([[1.0], [1.01], [1.2]])
    assert single(rows).flatten().tolist() == pytest.approx([2.0, 2.0, 2.4])
    pair = CachedModel(nn.Bilinear(1, 1, 1).eval(), Cache(100), decimals=1, bypass=False)
    pair((rows, torch.tensor([[2.0], [2.01], [2.0]])))
    assert SEEN == [2]
    assert (single.stats.duplicates, pair.stats.duplicates) == (1, 1)
    half = CachedModel(nn.Identity().eval(), Cache(100), decimals=1, bypass=False)
    assert torch.equal(half(rows.bfloat16()), rows.bfloat16())


def test_a_module_that_returns_no_tensor_is_refused() -> None:
    cached = CachedModel(Shaped(lambda rows: None).eval(), Cache(100))
    with pytest.raises(OutputError, match="nothing that has rows"):
        cached(torch.zeros(2, 4))


def test_nothing_is_kept_of_weights_that_were_there_during_a_call_only() -> None:
    model = network()
    own = copy.deepcopy(model.state_dict())
    other = network(seed=3).state_dict()
    swap = True

    def swapped(module: Any, *_: Any) -> None:
        if swap:
            module.load_state_dict(other)

    def restored(module: Any, *_: Any) -> None:
        if swap:
            module.load_state_dict(own)

    model.register_forward_pre_hook(swapped)
    model.register_forward_hook(restored)
    cached = CachedModel(model, Cache(100), bypass=False)
    first = cached(rows())
    swap = False
    second = cached(rows())
    assert not torch.equal(first, second)
    assert torch.equal(second, bare(model, rows()))
