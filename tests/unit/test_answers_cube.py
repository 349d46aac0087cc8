"""Cells learned from executed queries: exact where these say all, and honest where they do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from augury.answers.cube.axes import Axis, axes_of
from augury.answers.examples import Examples
from augury.answers.fits import Estimator, load_fit
from augury.answers.region import Box, Dimension
from augury.answers.target import Target
from augury.errors import ArtefactError

CUBE = load_fit("cube")
COUNT = Target("count", "rows")
SUM = Target("sum", "sum:x")
AVG = Target("avg", "sum:x", "count:x")
TARGETS = {"count": COUNT, "sum": SUM, "avg": AVG}


@dataclass(frozen=True, eq=False)
class Table:
    """Rows with places in the dimensions, and a value each."""

    dimensions: tuple[Dimension, ...]
    places: NDArray[np.float64]
    values: NDArray[np.float64]

    def examples(self, boxes: Sequence[Box]) -> Examples:
        array = np.array(boxes, np.float64).reshape(len(boxes), len(self.dimensions), 2)
        inside = np.array(
            [((self.places >= box[:, 0]) & (self.places <= box[:, 1])).all(1) for box in array]
        ).reshape(len(boxes), -1)
        rows = inside.sum(1).astype(np.float64)
        measures = {"rows": rows, "count:x": rows, "sum:x": inside @ self.values}
        sizes = tuple(0 if each.ordered else 99 for each in self.dimensions)
        return Examples(self.dimensions, sizes, array, measures, np.zeros(len(boxes)))


def flights(seed: int, rows: int = 4_000) -> Table:
    """A category, 8 months and 10 hours, which hang together; late ones are later."""
    random = np.random.default_rng(seed)
    carrier = random.choice(3, rows, p=[0.6, 0.3, 0.1])
    month = random.integers(1, 9, rows)
    hour = (random.beta(2 + carrier, 2, rows) * 10).astype(int)
    delay = np.round(random.exponential(10 + 3 * hour))
    places = np.stack([carrier, hour, month], 1).astype(np.float64)
    dimensions = (
        Dimension("carrier", ordered=False),
        Dimension("hour", ordered=True, whole=True),
        Dimension("month", ordered=True, whole=True),
    )
    return Table(dimensions, places, delay)


def ranges(seed: int, count: int) -> list[Box]:
    random = np.random.default_rng(seed)
    boxes: list[Box] = []
    for _ in range(count):
        hours, months = (sorted(random.integers(0, n, 2).tolist()) for n in (10, 8))
        carrier = int(random.choice(3, p=[0.6, 0.3, 0.1]))
        boxes.append(((carrier, carrier), tuple(hours), (months[0] + 1, months[1] + 1)))
    return boxes


def truth(examples: Examples, target: Target) -> NDArray[np.float64]:
    return target.of(examples)


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_executed_is_known_exactly(name: str) -> None:
    examples = flights(1).examples(ranges(1, 200))
    estimates, spreads = CUBE.fit(examples, TARGETS[name], 0).estimate(examples.boxes)
    some = examples.measures["rows"] > 0
    right = truth(examples, TARGETS[name])[some]
    assert estimates[some] == pytest.approx(right, rel=1e-6, abs=1e-3)
    assert (spreads[some] > 0).all()
    if name == "count":
        assert np.array_equal(estimates[some], right)  # they are whole
        assert spreads == pytest.approx(0.02, rel=0.5)


@pytest.mark.parametrize("name", TARGETS)
def test_what_executed_queries_span_is_known_exactly(name: str) -> None:
    table = flights(2)
    # Parts of a year, and the whole of it, leave one part, which was never asked for.
    whole = ((0, 0), (0, 9), (1, 8))
    parts = [((0, 0), (0, 9), (1, 3)), ((0, 0), (0, 4), (4, 8))]
    rest: Box = ((0, 0), (5, 9), (4, 8))
    estimator = CUBE.fit(table.examples([whole, *parts, *ranges(1, 40)]), TARGETS[name], 0)
    estimate, spread = estimator.estimate_one(rest)
    right = truth(table.examples([rest]), TARGETS[name])[0]
    assert estimate == pytest.approx(right, rel=1e-6, abs=1e-3)
    assert spread < max(0.05, 1e-3 * abs(right))


@pytest.mark.parametrize("name", TARGETS)
def test_spreads_are_as_large_as_errors(name: str) -> None:
    table = flights(3)
    estimator = CUBE.fit(table.examples(ranges(3, 150)), TARGETS[name], 0)
    asked = table.examples(ranges(4, 600))
    estimates, spreads = estimator.estimate(asked.boxes)
    known = np.isfinite(estimates)
    off = np.abs(estimates - truth(asked, TARGETS[name]))[known] / spreads[known]
    assert known.mean() > 0.8
    assert 0.9 <= (off <= 1.96).mean() <= 0.999


def test_no_rows_have_neither_sum_nor_average() -> None:
    table = flights(4)
    late = table.places[:, 1] == 7
    table = Table(table.dimensions, table.places[~late], table.values[~late])
    examples = table.examples([((0, 0), (7, 7), (1, 8)), *ranges(5, 60)])
    box = ((0, 0), (7, 7), (2, 5))
    assert CUBE.fit(examples, COUNT, 0).estimate_one(box)[0] == 0
    for target in (SUM, AVG):
        estimate, spread = CUBE.fit(examples, target, 0).estimate_one(box)
        assert np.isnan(estimate)
        assert spread == 0


@pytest.mark.parametrize("name", TARGETS)
def test_one_box_is_estimated_as_many_are(name: str) -> None:
    table = flights(5)
    estimator = CUBE.fit(table.examples(ranges(5, 80)), TARGETS[name], 0)
    boxes = [*ranges(6, 100), ((7, 7), (0, 3), (1, 2)), ((0, 0), (0, 30), (1, 2))]
    together = np.stack(estimator.estimate(np.array(boxes, np.float64)), 1)
    apart = np.array([estimator.estimate_one(box) for box in boxes])
    np.testing.assert_array_equal(together, apart)
    assert np.isnan(together[-2:]).all()  # a category and a range that nobody has asked for


def reference(
    arrays: dict[str, NDArray[np.float64]], box: NDArray[np.float64], shape: tuple[int, ...]
) -> tuple[float, float]:
    """The count of a box by the sums up to cells, and its deviation, summed up cell by cell."""
    block = arrays["categories"].tolist().index(int(box[0, 0]))
    cells = np.concatenate([arrays["means"], arrays["samples"]], axis=2)[block]
    cells = cells.reshape(*shape, -1)
    for axis in range(len(shape)):
        cells = np.diff(cells, axis=axis, prepend=0)
    edges = np.split(arrays["edges"], [shape[0] + 1])
    shares = [
        Axis(each, whole=False).shares(side[None])[0]
        for each, side in zip(edges, box[1:], strict=True)
    ]
    total = np.einsum("ijk,i,j->k", cells, *shares)
    cut = 0.0
    for at, share in enumerate(shares):
        for which in np.flatnonzero((share > 0) & (share < 1)):
            alone = [*shares]
            alone[at] = np.eye(len(share))[which]
            rows = np.einsum("ij,i,j->", cells[..., 0], *alone)
            cut += share[which] * (1 - share[which]) * rows**2
    spread = np.sqrt((total[1:] ** 2).mean() + arrays["limits"][0] ** 2 + cut)
    return max(total[0], 0.0), spread


def test_native_sums_are_those_of_numpy() -> None:
    random = np.random.default_rng(1)
    dimensions = (
        Dimension("kind", ordered=False),
        Dimension("price", ordered=True),
        Dimension("weight", ordered=True),
    )
    places = np.column_stack([np.zeros(500), random.random((500, 2))])
    table = Table(dimensions, places, np.ones(500))
    ends = np.sort(random.random((60, 2, 2)), axis=2)
    boxes: list[Box] = [
        ((0, 0), (0, 1), (0, 1)),
        *[((0, 0), (a, b), (c, d)) for (a, b), (c, d) in ends],
    ]
    estimator = CUBE.fit(table.examples(boxes), COUNT, 0)
    arrays = dict(estimator.arrays())
    shape = tuple(arrays["bins"][1:].tolist())
    for sides in np.sort(random.random((50, 2, 2)), axis=2).tolist():
        box = np.array([[0, 0], *sides])
        estimate, spread = reference(arrays, box, shape)
        assert estimator.estimate(box[None])[0][0] == pytest.approx(estimate, rel=1e-4, abs=1e-3)
        assert estimator.estimate(box[None])[1][0] == pytest.approx(spread, rel=1e-3)


def test_goes_on_from_what_was_fitted_before() -> None:
    table = flights(6)
    boxes = ranges(6, 400)
    boxes = list(dict.fromkeys(boxes))
    before = CUBE.fit(table.examples(boxes[:-20]), AVG, 0)
    everything = table.examples(boxes)
    after = CUBE.fit(everything, AVG, 0, before)
    assert after.cube.axes is before.cube.axes  # type: ignore[attr-defined]
    estimates, _ = after.estimate(everything.boxes)
    right = AVG.of(everything)
    some = ~np.isnan(right)
    assert estimates[some] == pytest.approx(right[some], rel=1e-6, abs=1e-3)


def test_targets_of_the_same_examples_share_what_was_solved() -> None:
    examples = flights(7).examples(ranges(7, 50))
    one, two = (CUBE.fit(examples, target, 0) for target in (COUNT, AVG))
    assert one.cube is two.cube  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", TARGETS)
def test_is_restored_from_its_arrays(name: str) -> None:
    examples = flights(8).examples(ranges(8, 60))
    fitted = CUBE.fit(examples, TARGETS[name], 0)
    restored = CUBE.restore(fitted.arrays(), TARGETS[name])
    boxes = np.array(ranges(9, 50), np.float64)
    np.testing.assert_array_equal(restored.estimate(boxes), fitted.estimate(boxes))


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("means", np.zeros((3, 0, 1))),
        ("means", np.zeros(3)),
        ("samples", np.zeros((3, 80, 300), np.float32)),
        ("edges", np.zeros(20)),
        ("edges", np.full(20, np.nan)),
        ("bins", np.array([0, -10, 8])),
        ("bins", np.array([0, 2**40, 2**40])),
        ("categories", np.zeros(1, np.int64)),
        ("limits", np.zeros(2)),
        ("limits", np.zeros(0)),
        ("whole", np.array([1, 1], np.uint8)),
        ("unknown", np.zeros(1)),
        ("means", None),
    ],
)
def test_refuses_arrays_that_make_no_cube(name: str, array: NDArray[np.float64] | None) -> None:
    arrays = dict(CUBE.fit(flights(8).examples(ranges(8, 30)), COUNT, 0).arrays())
    if array is None:
        del arrays[name]
    else:
        arrays[name] = array
    with pytest.raises(ArtefactError, match="the model's arrays make no cube: "):
        CUBE.restore(arrays, COUNT)
    with pytest.raises(ArtefactError):
        CUBE.restore(CUBE.fit(flights(8).examples(ranges(8, 30)), COUNT, 0).arrays(), AVG)


def checked(estimator: Estimator, boxes: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Estimates and spreads, which go together."""
    estimates, spreads = estimator.estimate(boxes)
    assert (np.isfinite(estimates) == (spreads > 0)).all()
    return estimates, spreads


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("value", [0.0, -7.5, 1e15, -1e-9])
@pytest.mark.parametrize("boxes", [1, 30])
def test_learns_from_what_is_all_the_same(name: str, value: float, boxes: int) -> None:
    table = flights(9, 500)
    table = Table(table.dimensions, table.places, np.full(500, value))
    examples = table.examples([((0, 0), (0, 9), (1, 8)), *ranges(9, boxes - 1)])
    estimator = CUBE.fit(examples, TARGETS[name], 0)
    estimates, _ = checked(estimator, examples.boxes)
    right = truth(examples, TARGETS[name])
    some = np.isfinite(estimates)
    assert some[0]
    assert estimates[some] == pytest.approx(right[some], rel=1e-6, abs=1e-3)
    checked(estimator, np.array(ranges(10, 100), np.float64))


@pytest.mark.parametrize("name", TARGETS)
def test_learns_from_an_empty_table(name: str) -> None:
    table = flights(9, 0)
    estimator = CUBE.fit(table.examples(ranges(9, 20)), TARGETS[name], 0)
    estimates, spreads = estimator.estimate(np.array(ranges(9, 20), np.float64))
    assert not np.nan_to_num(estimates).any()
    assert spreads == pytest.approx(0.02 if name == "count" else 0.0)


@pytest.mark.parametrize("name", TARGETS)
def test_learns_without_categories_and_without_order(name: str) -> None:
    table = flights(10)
    only_order = Table(table.dimensions[1:], table.places[:, 1:], table.values)
    boxes = [box[1:] for box in ranges(10, 60)]
    examples = only_order.examples(boxes)
    estimates, _ = checked(CUBE.fit(examples, TARGETS[name], 0), examples.boxes)
    some = examples.measures["rows"] > 0
    assert estimates[some] == pytest.approx(truth(examples, TARGETS[name])[some], rel=1e-6)
    no_order = Table(table.dimensions[:1], table.places[:, :1], table.values)
    examples = no_order.examples([((0, 0),), ((2, 2),)])
    estimates, _ = checked(CUBE.fit(examples, TARGETS[name], 0), examples.boxes)
    assert estimates == pytest.approx(truth(examples, TARGETS[name]), rel=1e-6)
    nothing = Table((), table.places[:, :0], table.values)
    examples = nothing.examples([()])
    assert CUBE.fit(examples, TARGETS[name], 0).estimate_one(())[0] == pytest.approx(
        truth(examples, TARGETS[name])[0]
    )


def test_learns_of_thousands_of_categories() -> None:
    dimensions = (Dimension("user", ordered=False), Dimension("day", ordered=True, whole=True))
    random = np.random.default_rng(1)
    boxes = np.zeros((3_000, 2, 2))
    boxes[:, 0] = np.arange(3_000)[:, None]
    boxes[:, 1] = np.sort(random.integers(0, 300, (3_000, 2)), axis=1)
    rows = random.poisson(boxes[:, 1, 1] - boxes[:, 1, 0] + 1).astype(np.float64)
    examples = Examples(dimensions, (3_000, 0), boxes, {"rows": rows}, np.zeros(3_000))
    estimates, _ = checked(CUBE.fit(examples, COUNT, 0), boxes)
    some = np.isfinite(estimates)
    assert some.sum() > 500  # of as many as there is room for
    assert np.array_equal(estimates[some], rows[some])


def test_open_ranges_reach_as_far_as_any() -> None:
    dimensions = (Dimension("price", ordered=True),)
    places = np.random.default_rng(1).exponential(1, (1_000, 1))
    table = Table(dimensions, places, np.ones(1_000))
    infinity = np.inf
    boxes: list[Box] = [((-infinity, infinity),), ((-infinity, 1.0),), ((0.5, infinity),)]
    estimator = CUBE.fit(table.examples(boxes), COUNT, 0)
    between = table.examples([((0.5, 1.0),)]).measures["rows"][0]
    assert estimator.estimate_one(((0.5, 1.0),))[0] == between
    estimate, spread = estimator.estimate_one(((2.0, infinity),))  # how many of those above 1?
    assert abs(estimate - table.examples([((2.0, infinity),)]).measures["rows"][0]) < 2 * spread


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_estimates_of_any_table_are_consistent(data: st.DataObject) -> None:
    """What was executed is exact; what is not has a spread, and is never below 0."""
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    axes = data.draw(st.integers(0, 3))
    scale = data.draw(st.sampled_from([1.0, 1e-3, 1e6]))
    rows = data.draw(st.integers(0, 60))
    whole = data.draw(st.booleans())
    dimensions = (
        Dimension("category", ordered=False),
        *(Dimension(f"axis{at}", ordered=True, whole=whole) for at in range(axes)),
    )
    places = random.integers(0, 5, (rows, 1 + axes)).astype(np.float64)
    table = Table(dimensions, places, scale * random.normal(size=rows))

    def drawn(count: int) -> list[Box]:
        sides = np.sort(random.integers(0, 5, (count, axes, 2)), axis=2).tolist()
        numbers = random.integers(0, 5, count).tolist()
        return [
            ((number, number), *map(tuple, each))
            for number, each in zip(numbers, sides, strict=True)
        ]

    examples = table.examples(drawn(data.draw(st.integers(1, 40))))
    fresh = np.array(drawn(50), np.float64).reshape(50, 1 + axes, 2)
    for target in TARGETS.values():
        estimator = CUBE.fit(examples, target, 0)
        estimates, spreads = estimator.estimate(examples.boxes)
        right = truth(examples, target)
        some = examples.measures["rows"] > 0
        assert estimates[some] == pytest.approx(right[some], rel=1e-5, abs=2e-3 * scale + 1e-6)
        assert (spreads[some] > 0).all()
        estimates, spreads = estimator.estimate(fresh)
        assert not (spreads < 0).any()
        assert not (np.isfinite(estimates) & (spreads == 0)).any()
        if target is COUNT:
            assert not (estimates < 0).any()


def test_cells_are_not_too_many() -> None:
    random = np.random.default_rng(1)
    sides = [np.sort(random.random((2_000, 2)), axis=1) for _ in range(3)]
    axes = axes_of(sides, [False] * 3, 1_000)
    assert [len(axis) for axis in axes] == [10, 10, 10]
    for axis, side in zip(axes, sides, strict=True):
        assert axis.holds(side).all()
    often = np.array([[0.1, 0.25]] * 500)
    merged = axes_of([np.concatenate([sides[0], often])], [False], 10)[0]
    assert {0.1, np.nextafter(0.25, 1)} <= set(merged.edges.tolist())
