"""BLAS has one thread while anyone learns, and as many as before after that."""

from __future__ import annotations

import os

import pytest

pytest.importorskip("scipy")
pytest.importorskip("threadpoolctl")

import threadpoolctl

from augury.learning.native_threads import one_native_thread


def threads() -> set[int]:
    found = threadpoolctl.threadpool_info()
    return {each["num_threads"] for each in found if each["user_api"] == "blas"}


def test_whoever_ends_last_restores_the_threads() -> None:
    import scipy.linalg  # noqa: F401

    before = threads()
    first, second = one_native_thread(), one_native_thread()
    first.__enter__()
    assert threads() == {1}
    second.__enter__()
    first.__exit__(None, None, None)
    assert threads() == {1}
    second.__exit__(None, None, None)
    assert threads() == before
    with pytest.raises(ValueError, match="x"), one_native_thread():
        raise ValueError("x")
    assert threads() == before


def test_a_forked_child_is_not_limited() -> None:
    import scipy.linalg  # noqa: F401

    before = threads()
    with one_native_thread():
        child = os.fork()
        if not child:
            os._exit(0 if threads() == before else 1)
        assert os.waitpid(child, 0)[1] == 0
