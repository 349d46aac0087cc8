"""PyTorch modules split at one of their parts: the body's outputs are reused, the head is run."""

from typing import Any

import pytest

from augury import Cache
from augury.errors import ConfigurationError, InputError
from augury.inference import CachedLayers

torch: Any = pytest.importorskip("torch")
nn: Any = torch.nn


class Counted(nn.Module):  # type: ignore[misc]
    """A body with control flow that cannot be traced, and need not be."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 8)

    def forward(self, rows: Any) -> Any:
        RAN.append(len(rows))
        return torch.relu(self.linear(rows)) if rows.sum() < 1e9 else rows


RAN: list[int] = []


class Net(nn.Module):  # type: ignore[misc]
    """Skips connections around the body, asks for shapes, and has weights of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(4, 4)
        self.backbone = nn.Sequential(Counted(), nn.Linear(8, 8))
        self.head = nn.Linear(8, 3)
        self.shift = nn.Parameter(torch.ones(4))
        self.scale = 2.0

    def forward(self, rows: Any, mask: Any = None) -> Any:
        stem = self.stem(rows) + self.shift
        body = self.backbone(stem).view(rows.shape[0], -1)
        if mask is not None:
            body = body * mask
        return {"logits": self.head(body) * self.scale, "stem": stem + self.shift, "in": rows}


@pytest.fixture(autouse=True)
def _count_anew() -> None:
    RAN.clear()


def rows(count: int = 6, seed: int = 2) -> Any:
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(seed))


def net() -> Any:
    torch.manual_seed(1)
    return Net().eval()


def layers(model: Any, at: str = "backbone") -> CachedLayers:
    return CachedLayers(model, at, Cache(1_000), bypass=False)


def same(first: Any, second: Any) -> bool:
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[k], second[k]) for k in first)
    return bool(torch.allclose(first, second, rtol=1e-5, atol=1e-6))


@pytest.mark.parametrize("at", ["stem", "backbone", "backbone.0", "head"])
def test_returns_what_the_model_returns(at: str) -> None:
    model = net()
    reuse = layers(model, at)
    for given in (rows(), rows(), torch.cat([rows()[:2], rows(3, seed=5)])):
        assert same(reuse(given), model(given))
    assert reuse.stats.hits == 8
    mask = torch.rand(6, 1)
    assert same(reuse(rows(), mask), model(rows(), mask))
    assert same(reuse(rows=rows(), mask=mask), model(rows(), mask))
    assert same(reuse(rows()), model(rows()))


def test_the_body_is_run_on_new_rows_only() -> None:
    model = net()
    reuse = layers(model)
    reuse(rows())
    reuse(torch.cat([rows(), rows(3, seed=5)]))
    assert RAN == [6, 3]


def changed_head(model: Any) -> None:
    model.head = nn.Linear(8, 2)


def changed_weights(model: Any) -> None:
    with torch.no_grad():
        model.head.weight.mul_(2.0)


@pytest.mark.parametrize(
    "change", [changed_head, changed_weights, lambda model: setattr(model, "scale", 5.0)]
)
def test_a_changed_head_reuses_the_body(change: Any) -> None:
    model = net()
    reuse = layers(model)
    reuse(rows())
    change(model)
    answer = reuse(rows())
    assert RAN == [6]
    assert same(answer, model(rows()))
    assert reuse.stats.hits == 6


def changed_shift(model: Any) -> None:
    model.shift = nn.Parameter(torch.zeros(4))


def changed_stem(model: Any) -> None:
    with torch.no_grad():
        model.stem.weight.mul_(2.0)


def changed_backbone(model: Any) -> None:
    model.backbone[1] = nn.Linear(8, 8).eval()


@pytest.mark.parametrize("change", [changed_shift, changed_stem, changed_backbone])
def test_a_changed_body_is_run_again(change: Any) -> None:
    model = net()
    reuse = layers(model)
    reuse(rows())
    change(model)
    assert same(reuse(rows()), model(rows()))
    assert reuse.stats.hits == 0


def test_the_head_can_be_trained() -> None:
    model = net()
    reuse = layers(model)
    reuse(rows())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.train()
    model.backbone.eval()
    model.stem.eval()
    for _ in range(3):
        optimizer.zero_grad()
        reuse(rows())["logits"].square().mean().backward()
        assert model.stem.weight.grad is None
        optimizer.step()
    assert RAN == [6]
    model.eval()
    assert same(reuse(rows()), model(rows()))


def test_a_body_in_training_mode_is_refused() -> None:
    model = net()
    reuse = layers(model)
    model.train()
    with pytest.raises(ConfigurationError, match=r"call eval\(\)"):
        reuse(rows())


def test_a_head_in_training_mode_stays_there() -> None:
    class Module(nn.Linear):  # type: ignore[misc]
        """Bears the name of those that torch.fx makes on the way to a part."""

    model = nn.Sequential(nn.Linear(4, 4), nn.Sequential(Module(4, 2))).eval()
    model[1].train()
    layers(model, "0")(rows())
    assert model[1][0].training
    model.train()
    model[0].eval()
    layers(model, "0")(rows())
    assert model.training


class Dropping(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(4, 4).eval()

    def forward(self, rows: Any) -> Any:
        return self.last(nn.functional.dropout(rows, 0.5, self.training)) + 1


def test_functions_that_drop_are_refused_in_training_mode() -> None:
    model = Dropping().eval()
    reuse = layers(model, "last")
    assert same(reuse(rows()), model(rows()))
    model.training = True
    with pytest.raises(ConfigurationError, match="Dropping is in training mode"):
        reuse(rows())


def test_sequences() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(inplace=True), nn.Linear(8, 3)).eval()
    for at in ("0", "1", "2"):
        reuse = layers(model, at)
        for _ in range(2):
            assert same(reuse(rows()), model(rows()))


class Branching(nn.Module):  # type: ignore[misc]
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.part = nn.Linear(4, 4)

    def forward(self, rows: Any) -> Any:
        if self.kind == "branch" and rows.sum() > 0:
            return rows
        if self.kind == "unused":
            self.part(rows)
            return rows
        if self.kind == "effect":
            body = self.part(rows)
            body.add_(1)
            return body
        return self.part(self.part(rows)) if self.kind == "twice" else rows


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("branch", "torch.fx cannot trace it"),
        ("twice", "through 'part' 2 times"),
        ("never", "through 'part' 0 times"),
        ("unused", "does not use what it returns"),
        ("effect", "does not use what it returns"),
    ],
)
def test_what_cannot_be_split_is_refused(kind: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        layers(Branching(kind).eval(), "part")


def test_refusals() -> None:
    with pytest.raises(ConfigurationError, match="no module 'body'; its own are stem, backbone"):
        layers(net(), "body")
    with pytest.raises(ConfigurationError, match=r"a torch\.nn\.Module"):
        layers(print)
    reuse = layers(net())
    with pytest.raises(InputError, match="rows must be a tensor"):
        reuse([[1.0]])
    with pytest.raises(InputError, match="missing a required argument"):
        reuse()
    model = net()
    model.register_forward_hook(lambda module, given, answer: answer)
    with pytest.raises(ConfigurationError, match="hooks"):
        layers(model)
