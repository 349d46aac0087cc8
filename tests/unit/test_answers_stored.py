"""Models of answers in files, for other processes: the same answers, and no bad file is taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("sqlglot")
pytest.importorskip("crepes")
pytest.importorskip("sklearn")

from augury.answers import Answers, Tolerance
from augury.answers.examples import Examples
from augury.answers.region import Dimension, Vocabulary
from augury.answers.selection import Periods, Task
from augury.answers.stored import StoredModel, StoredModels, load_models
from augury.answers.target import Target
from augury.errors import ArtefactError
from augury.models import Registry
from tests.unit.own_process import run
from tests.unit.test_answers_learner import executed, inferred, made, path, questions, until

__all__ = ["path"]  # the fixture


@pytest.fixture
def answers(path: Path, tmp_path: Path) -> Iterator[Answers]:
    """Two queries that have learned, and published that."""
    registry = Registry(tmp_path / "models")
    with made(path, registry=registry) as those:
        executed(those, 800)
        those.learn(models=["forest", "tree"])
        yield those


def all_inferred(answers: Answers) -> list[tuple[float, float, float]]:
    found = [inferred(answers, "delay", each) for each in questions(1_300)[900:]]
    return [(each.value, each.low, each.high) for each in found if each is not None]


def test_another_process_infers_the_same(answers: Answers, path: Path, tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from augury.models import Registry
from tests.unit.test_answers_learner import made
from tests.unit.test_answers_stored import all_inferred
with made(Path({str(path)!r}), registry=Registry({str(tmp_path / "models")!r})) as answers:
    print(all_inferred(answers))
"""
    expected = all_inferred(answers)
    assert len(expected) > 50
    assert run("", code, 240).strip() == str(expected)


def test_follows_what_is_published_later(answers: Answers, path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "others"
    with made(path, registry=Registry(folder)) as other:
        assert other.query("delay").model is None
        Registry(folder).publish(StoredModels.of([answers.query("delay"), answers.query("count")]))
        until(lambda: other.query("delay").model is not None)
        model, own = other.query("delay").model, answers.query("delay").model
        assert model is not None
        assert own is not None
        assert (model.time, model.examples, model.fit) == (own.time, own.examples, own.fit)


def test_what_audits_have_told_goes_along(answers: Answers, tmp_path: Path) -> None:
    query = answers.query("delay")
    assert query.model is not None
    for _ in range(30):
        query.model.calibration.note(10.0, 1.0, 1e6)
    StoredModels.of([query]).save(tmp_path / "a.model")
    (stored,) = load_models(tmp_path / "a.model").models
    assert stored.fits(query)
    for spread in (0.01, 0.1, 1.0, 10.0):
        half = query.model.calibration.half_width(10.0, spread, 0.95)
        assert stored.model.calibration.half_width(10.0, spread, 0.95) == half


def test_only_a_query_that_is_alike_takes_a_model(
    answers: Answers, path: Path, tmp_path: Path
) -> None:
    registry = Registry(tmp_path / "models")
    types = {"origin": str, "first": int, "last": int}
    where = "FROM flights WHERE origin = :origin AND month BETWEEN :first AND :last"
    with Answers(f"sqlite:///{path}", learns=False, registry=registry) as others:
        others.register("delay", f"SELECT max(delay) {where}", types, tolerance=2.0)
        others.register("count", f"SELECT count(*) {where}", types)  # which is not to be inferred
        assert others.query("delay").model is None
        assert others.query("count").model is None


def model(values: list[Any]) -> StoredModel:
    """One of categories that are what these are."""
    who = Dimension("who", ordered=False)
    vocabulary = Vocabulary((who,))
    for value in values:
        vocabulary.number(0, value)
    numbers = np.random.default_rng(1).integers(0, len(values), 600).astype(np.float64)
    boxes = np.stack([numbers, numbers], axis=-1)[:, None, :]
    examples = Examples(
        (who,), (len(values),), boxes, {"value": 10 + numbers}, np.arange(600, dtype=np.float64)
    )
    target = Target("value", "value")
    chosen = Task("q", target, Tolerance(1.0), 0.9, vocabulary).select(
        Periods.of(examples), ["tree"]
    )
    assert chosen.model is not None
    return StoredModel("q", "family", (who,), 0.9, chosen.model)


def test_categories_keep_their_types(tmp_path: Path) -> None:
    values = ["a", "ä\n", 5, 2.5, date(2013, 1, 2), "5"]
    StoredModels((model(values),)).save(tmp_path / "a.model")
    (stored,) = load_models(tmp_path / "a.model").models
    (numbers,) = stored.model.vocabulary.values
    assert list(numbers) == values
    assert [type(each) for each in numbers] == [type(each) for each in values]


def refusal(tmp_path: Path, content: bytes) -> str:
    (tmp_path / "a.model").write_bytes(content)
    with pytest.raises(ArtefactError) as raised:
        load_models(tmp_path / "a.model")
    (line,) = str(raised.value).splitlines()
    return line


def test_refuses_bad_files(tmp_path: Path) -> None:
    content = StoredModels((model(["a", "b"]),)).to_bytes()
    (tmp_path / "a.model").write_bytes(content)
    assert len(load_models(tmp_path / "a.model").models) == 1
    assert "is not a set of models of answers" in refusal(tmp_path, b"")
    assert "is not a set of models of answers" in refusal(tmp_path, b"\x80\x04\x95pickle")
    for length in range(8, len(content), 97):
        assert "is truncated" in refusal(tmp_path, content[:length])
    random = np.random.default_rng(3)
    for at in random.integers(0, len(content), 100).tolist():
        flipped = bytearray(content)
        flipped[at] ^= 1 << int(random.integers(8))
        assert refusal(tmp_path, bytes(flipped))
    with pytest.raises(ArtefactError, match="is not a file"):
        load_models("/dev/zero")


def test_refuses_arrays_that_make_no_model(tmp_path: Path) -> None:
    """Even in a file whose checksum is right."""
    stored = model(["a", "b"])

    class Other:
        def __init__(self, arrays: dict[str, Any]) -> None:
            self.made = arrays

        def arrays(self) -> dict[str, Any]:
            return self.made

    whole = {
        "estimator": dict(stored.model.estimator.arrays()),
        "calibration": dict(stored.model.calibration.arrays()),
    }
    for part, arrays in whole.items():
        for name, array in arrays.items():
            without = {each: a for each, a in arrays.items() if each != name}
            grown = {**arrays, name: np.concatenate([np.ravel(array), np.ravel(array), [9, 9, 9]])}
            for other in (without, grown):
                changed: Any = {part: Other(other)}
                bad = StoredModels((replace(stored, model=replace(stored.model, **changed)),))
                if name in _MAY_GROW and other is grown:
                    continue
                assert refusal(tmp_path, bad.to_bytes()), name


_MAY_GROW = {"scale", "confidence"}


def test_a_bad_file_in_the_registry_changes_nothing(answers: Answers, tmp_path: Path) -> None:
    before = all_inferred(answers)
    registry = Registry(tmp_path / "models")
    current = registry.current()
    assert current is not None

    class Bad:
        def save(self, path: Any) -> None:
            Path(path).write_bytes(b"AUGURYAN, but not really")

    registry.publish(Bad())
    answers._learner.step()
    assert all_inferred(answers) == before
    assert target_of(answers) == Target("avg", "sum:delay", "count:delay")


def target_of(answers: Answers) -> Target:
    found = answers.query("delay").model
    assert found is not None
    return found.target
