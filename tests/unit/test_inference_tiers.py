"""Outputs of PyTorch modules, and tensors by themselves, in memory, on disk and in a server."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from augury.inference import CachedLayers, CachedModel
from augury.tiers import Tiers

torch: Any = pytest.importorskip("torch")
nn: Any = torch.nn


class Mixed(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.body = nn.Linear(4, 8)
        self.head = nn.Linear(8, 3).bfloat16()

    def forward(self, rows: Any) -> Any:
        body = self.body(rows)
        return {"body": body, "scores": self.head(body.bfloat16())}


def rows(seed: int = 2) -> Any:
    return torch.randn(6, 4, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=["memory", "disk", "redis"])
def tier(request: Any, tmp_path: Path) -> Any:
    with import_module(f"tests.conformance.tiers.{request.param}").make(tmp_path) as made:
        yield made


def test_outputs_are_kept_in_tiers(tier: Any) -> None:
    model = Mixed().eval()
    with torch.inference_mode():
        expected = model(rows())
    tiers: Tiers[bytes, bytes] = Tiers([tier])
    for hits in (0, 6):
        # Models of equal weights share entries, as they would in another process.
        reuse = CachedModel(Mixed().eval(), tiers, bypass=False)
        for _ in range(2):
            answer = reuse(rows())
            for name in ("body", "scores"):
                assert answer[name].dtype == expected[name].dtype
                assert torch.equal(answer[name], expected[name])
                answer[name].zero_()
        assert reuse.stats.hits == hits + 6


def test_activations_are_kept_in_tiers(tier: Any) -> None:
    tiers: Tiers[bytes, bytes] = Tiers([tier])
    for hits in (0, 6):
        model = Mixed().eval()
        layers = CachedLayers(model, "body", tiers, bypass=False)
        with torch.inference_mode():
            assert torch.equal(layers(rows())["scores"], model(rows())["scores"])
        assert layers.stats.hits == hits


def test_tensors_are_values_of_tiers(tier: Any) -> None:
    pytest.importorskip("safetensors")
    tiers: Tiers[str, Any] = Tiers([tier])
    for dtype in (torch.float32, torch.bfloat16, torch.int64):
        tensor = (rows() * 3).to(dtype)
        tiers.set("key", tensor)
        back: Any = tiers.get("key")
        assert back.dtype == dtype
        assert torch.equal(back, tensor)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_outputs_of_a_gpu_come_back_to_it(tier: Any) -> None:
    model = Mixed().eval().cuda()
    reuse = CachedModel(model, Tiers([tier]), bypass=False)
    for _ in range(2):
        assert reuse(rows().cuda())["scores"].device.type == "cuda"
