"""Eight planted bugs, and what a reader who knows nothing of gradhook can read off each report.

The default text alone must tell which block is wrong, what is wrong, by which numbers, and what to
do next.
"""

import functools
import itertools

import numpy as np
import pytest

from gradhook import CAUSE_KINDS, check_gradients
from gradhook.report.causes import REMEDIES

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(120, 10)), RNG.integers(0, 3, 120)
SIZES = (10, 8, 8, 3)

# By bug: the wrong blocks as the first line names them, what is wrong, what to do.
BUGS = {
    "transposed": ("W2 wrong", "dW2 is the numerical gradient transposed", "transpose the"),
    "no penalty": ("W2 wrong", "dW2 lacks 0.1 * W2: the penalty", "add it to the gradient"),
    "factor 2": ("all 6 blocks wrong", "are 2 times the numerical", "take the 2 out"),
    "no ReLU mask": ("W1, b1, W2, b2 wrong", "enters between W3 and b2", "compare the lines"),
    "bias axis": ("b2 wrong", "summed over the wrong axis", "sum over the axis of the batch"),
    "no dropout mask": ("W1, b1 wrong", "lacks the mask", "multiply by the forward pass's mask"),
    "one element": ("W1 wrong", "wrong at W1[4, 2]", "compare the lines that"),
    "stale": ("W1 wrong", "kept from an earlier call", "let every forward pass store anew"),
}


def network(bug):
    earlier = {}

    def loss_and_gradients(params, X, y, reg=0.1, keep_prob=0.8):
        W1, b1, W2, b2, W3, b3 = params.values()
        z1 = X @ W1 + b1
        mask = (np.random.default_rng(5).random(z1.shape) < keep_prob) / keep_prob
        a1 = np.maximum(z1, 0) * mask
        z2 = a1 @ W2 + b2
        a2 = np.maximum(z2, 0)
        p = np.exp(a2 @ W3 + b3)
        p /= p.sum(axis=1, keepdims=True)
        rows = np.arange(len(y))
        loss = -np.log(p[rows, y]).mean()
        loss += reg / 2 * (np.sum(W1**2) + np.sum(W2**2) + np.sum(W3**2))

        p[rows, y] -= 1
        d3 = p / len(y) * (2 if bug == "factor 2" else 1)
        d2 = d3 @ W3.T * (1 if bug == "no ReLU mask" else z2 > 0)
        d1 = d2 @ W2.T * (1 if bug == "no dropout mask" else mask) * (z1 > 0)
        dW1, dW2, dW3 = X.T @ d1 + reg * W1, a1.T @ d2, a2.T @ d3 + reg * W3
        dW2 = dW2.T if bug == "transposed" else dW2
        dW2 = dW2 if bug == "no penalty" else dW2 + reg * W2
        db2 = np.resize(d2.sum(axis=1), 8) if bug == "bias axis" else d2.sum(axis=0)
        if bug == "one element":
            dW1[4, 2] *= 1.5
        if bug == "stale":
            earlier["dW1"], dW1 = dW1, earlier.get("dW1", dW1)
        gradients = dW1, d1.sum(axis=0), dW2, db2, dW3, d3.sum(axis=0)
        return loss, dict(zip(params, gradients, strict=True))

    return loss_and_gradients


@functools.cache
def report(bug):
    weights = np.random.default_rng(1)
    params = {}
    for k, (n, m) in enumerate(itertools.pairwise(SIZES), start=1):
        params |= {f"W{k}": 0.3 * weights.normal(size=(n, m)), f"b{k}": np.zeros(m)}
    return check_gradients(network(bug), params, batch=(X, Y), dropout="keep_prob", penalty="reg")


@pytest.mark.parametrize("bug", BUGS)
def test_the_report_alone_says_which_block_what_by_which_numbers_and_what_to_do(bug):
    blocks, what, step = BUGS[bug]
    head, story, table, small = str(report(bug)).split("\n\n")
    assert blocks in head
    assert what in " ".join(story.split())
    numbers = " in one call and " if bug == "stale" else ": yours "
    assert story.count(numbers) == 1
    assert story.count("next: ") == 1
    assert story.partition("next: ")[2].startswith(step)
    assert table.splitlines()[0].split() == ["verdict", "block", "shape", "ratio"]
    assert small.startswith("ratio = |yours - numerical| / (|yours| + |numerical|), wrong above")


@pytest.mark.parametrize("bug", BUGS)
def test_text_html_and_details_say_the_same_next_step(bug):
    _, story, *_ = str(report(bug)).split("\n\n")
    step = " ".join(story.partition("next: ")[2].split()).replace("'", "&#x27;")
    assert f"<li>next: {step}</li>" in report(bug)._repr_html_()
    assert f"next: {step}".replace("&#x27;", "'") in " ".join(report(bug).details().split())


def test_every_kind_of_cause_has_a_remedy_that_is_short_and_no_sentence_of_its_own():
    assert tuple(REMEDIES) == CAUSE_KINDS
    for remedy in REMEDIES.values():
        assert 20 < len(remedy) < 125
        assert remedy[0].islower()
        assert not remedy.endswith(".")
