"""Containers are compared by the identity of what they hold."""

from collections import OrderedDict
from typing import Any

import pytest

from augury import _native


@pytest.mark.parametrize("made", [dict, OrderedDict])
def test_values_of_a_mapping(made: Any) -> None:
    one, two = [1], [2]
    held = made(a=one, b=two)
    before = [(held, (one, two))]
    assert _native.unchanged(before)
    held["a"] = [1]  # equal, but not the same
    assert not _native.unchanged(before)
    held["a"] = one
    held["c"] = one
    assert not _native.unchanged(before)


def test_the_order_of_an_ordered_dict_counts() -> None:
    one, two = [1], [2]
    held = OrderedDict(a=one, b=two)
    held.move_to_end("a")
    assert not _native.unchanged([(held, (one, two))])
    assert _native.unchanged([(held, (two, one)), (OrderedDict(), ())])


def test_elements_of_a_list() -> None:
    one, two = [1], [2]
    held = [one, two]
    before: list[tuple[Any, tuple[Any, ...]]] = [((one,), (one,)), (held, (one, two))]
    assert _native.unchanged(before)
    held.reverse()
    assert not _native.unchanged(before)
    held.clear()
    assert not _native.unchanged(before)


@pytest.mark.parametrize("given", [[1], [([],)], [([], [])]])
def test_only_pairs_are_taken(given: Any) -> None:
    with pytest.raises(TypeError, match="pairs"):
        _native.unchanged(given)


def test_attributes_are_those_that_an_object_has_now() -> None:
    class Model:
        def __init__(self) -> None:
            self.weight = object()

    one, other = Model(), Model()
    before = [(one, tuple(vars(one).values()))]
    assert _native.unchanged(before)
    one.__dict__ = other.__dict__
    assert not _native.unchanged(before)
