"""mord: the margin of threshold models, in every cost and with weights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ._harness import Derivative, Fault, Library

LIBRARY = Library("mord", "mord", "mord", left_out="`OrdinalRidge` and `LAD` (scikit-learn's).")

FAULTS: tuple[Fault, ...] = ()


def derivatives() -> Iterator[Derivative]:
    from mord.threshold_based import grad_margin, obj_margin

    random = np.random.default_rng(0)
    n_class = 4
    X, y = random.normal(size=(20, 3)), np.arange(20) % n_class
    lower = np.tril(np.ones((n_class - 1, n_class - 1)))
    steps, classes = np.arange(n_class - 1), np.arange(n_class)[:, None]
    costs = {
        "all thresholds": np.ones((n_class, n_class - 1)),
        "immediate threshold": 1.0 * ((steps == classes) | (steps == classes - 1)),
        "squared error": np.abs((steps - classes) ** 2.0 - (steps - classes + 1) ** 2),
    }
    x = np.append(0.5 * random.normal(size=3), [-0.6, 0.7, 0.9])
    for name, cost in costs.items():
        for alpha in (0.0, 0.7):
            for by, weights in (("", None), (" weighted", random.uniform(0.5, 2, 20))):
                arguments = (X, y, alpha, n_class, cost, lower, weights)
                yield Derivative(
                    f"grad_margin {name} alpha={alpha}{by}",
                    lambda x, a=arguments: obj_margin(x, *a),
                    lambda x, c, a=arguments: grad_margin(x, *a),
                    x,
                )
