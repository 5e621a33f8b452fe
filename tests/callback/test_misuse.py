"""What stands by position where only a step may."""

import functools
from types import SimpleNamespace

import numpy as np
import pytest

from gradhook.callback.clock import refuse_misuse
from gradhook.errors import HookCallError


@pytest.mark.parametrize("step", [None, 3, 2.5, True, "3", np.int64(3), np.array(3), np.float32(1)])
def test_a_step_or_what_was_meant_for_one_is_left_to_the_clock(step):
    assert refuse_misuse("on_step_end", step, ()) is None


@pytest.mark.parametrize(
    ("hook", "step", "behind", "said"),
    [
        ("on_step_end", [1], (), "check.on_step_end() got list by position: pass the batch by key"),
        ("on_step_end", 1, (None,), "got NoneType by position"),
        ("on_step_end", np.ones(1), ({}, 2), "got ndarray, dict, int by position"),
        ("on_step_end", SimpleNamespace(shape=()), (), "check.on_step_end(step, batch=(X, y))"),
        ("on_train_begin", {}, (), "check.on_train_begin(batch=(X, y)), and leave out trainers"),
        (
            "__call__",
            {},
            (),
            "check(step, batch=(X, y)), and leave out trainers, models and logs (",
        ),
        ("on_step_end", functools.reduce, (), "it is no decorator: write check = GradCheckCallb"),
        ("on_step_end", 1, ([].append,), "it is no decorator: write check = GradCheckCallback("),
    ],
)
def test_anything_else_is_refused_with_the_remedy(hook, step, behind, said):
    with pytest.raises(HookCallError) as caught:
        refuse_misuse(hook, step, behind)
    assert said in str(caught.value)
