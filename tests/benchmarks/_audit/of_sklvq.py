"""sklvq: the objective of every model, distances, activations and the discriminant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ._harness import Derivative, Fault, Library, elementwise

LIBRARY = Library(
    "sklvq",
    "sklvq",
    "sklvq",
    conventions=(
        "`GLVQ`, `GMLVQ` and `LGMLVQ` are checked without `fit`, which scikit-learn 1.9 stops.",
        "With `relevance_normalization` each step is normalised after it: no derivative of that.",
    ),
    left_out="the solvers' steps; distances of data with NaN in them.",
)

FAULTS = (
    Fault(
        "`LGMLVQ` with several prototypes a class: the gradient in prototypes and relevances",
        ("LGMLVQ prototypes, 2 a class*", "LocalAdaptiveSquaredEuclidean.gradient, 2 a class"),
        "Each prototype has an `omega`, but `gradient` takes `omegas[prototypes_labels_[i]]`, the "
        "one of its class's number, and `add_partial_gradient` adds to that one.",
        "`omegas[i]` where `relevance_localization` is `'prototypes'`, the default.",
        "Algebra; differences of the objective; with one prototype a class and with "
        "`relevance_localization='class'` the two agree.",
        "Perhaps [#62](https://github.com/rickvanveen/sklvq/issues/62), open, without details.",
        """\
import numpy as np; from sklvq import LGMLVQ; X, y = np.array([[0, 1.0], [3, 2]]), np.array([0, 1])
m = LGMLVQ(prototype_n_per_class=2); m.classes_ = y; m.n_features_in_ = 2
m.random_state_ = np.random.RandomState(0); m._before_fit(X, y); m.omega_[1] *= 2; d = m._distance
def f(w): m.prototypes_[1, 0] = w; return d(X[1:], m)[0, 1]
print(d.gradient(X[1:], (f(0.5), m)[1], 1)[0, 0], (f(0.5 + 1e-6) - f(0.5 - 1e-6)) / 2e-6)""",
    ),
    Fault(
        "`force_all_finite='allow-nan'`: the distances are others than their gradients'",
        ("* allow-nan",),
        "`nansum(u - v) ** 2` is the square of the sum: of `SquaredEuclidean` as it is, of "
        "`Euclidean` its root. `LocalAdaptiveSquaredEuclidean` squares what is squared.",
        "`nansum((u - v) ** 2)`, and no second square: the gradients are those of these.",
        "Algebra; differences of the distance; without NaN in the data and without the option "
        "all agree.",
        "",
        """\
import numpy as np; from sklvq.distances import SquaredEuclidean
class M: force_all_finite = "allow-nan"; get_model_params = lambda self: self.prototypes_
m, d, x = M(), SquaredEuclidean(), np.array([[1.0, 5]])
def f(w): m.prototypes_ = np.array([[w, 1.0]]); return d(x, m)[0, 0]
print(d.gradient(x, (f(2.0), m)[1], 0)[0, 0], (f(2 + 1e-6) - f(2 - 1e-6)) / 2e-6)""",
    ),
)


def derivatives() -> Iterator[Derivative]:
    from sklvq import GLVQ, GMLVQ, LGMLVQ
    from sklvq import activations as a
    from sklvq.discriminants import RelativeDistance

    z = np.array([-0.9, -0.3, 0.2, 0.7])
    for beta in (1.0, 2.5):
        for one in (a.Sigmoid(beta), a.SoftPlus(beta), a.Swish(beta)):
            name = f"{type(one).__name__} beta={beta}"
            yield Derivative(name, one, elementwise(one.gradient), z)
    yield Derivative("Identity", a.Identity(), elementwise(a.Identity().gradient), z)
    ratio, other = RelativeDistance(), np.array([1.3, 0.4, 2.0, 0.9])
    for name, f, same in (
        ("same", lambda d: ratio(d, other), True),
        ("different", lambda d: ratio(other, d), False),
    ):
        yield Derivative(
            f"RelativeDistance, {name} label",
            f,
            elementwise(lambda d, s=same: ratio.gradient(*((d, other) if s else (other, d)), s)),
            np.array([0.7, 1.1, 0.5, 1.6]),
        )
    for count in (1, 2):
        for distance in ("squared-euclidean", "euclidean"):
            for activation in ("identity", "sigmoid", "soft-plus", "swish"):
                model = GLVQ(distance, None, activation, prototype_n_per_class=count)
                yield _objective(f"GLVQ {distance} {activation}, {count} a class", model)
        for activation in ("identity", "swish"):
            model = GMLVQ(
                activation_type=activation,
                relevance_normalization=False,
                prototype_n_per_class=count,
            )
            yield _objective(f"GMLVQ {activation}, {count} a class", model)
            for place in ("prototypes", "class"):
                model = LGMLVQ(
                    activation_type=activation,
                    relevance_normalization=False,
                    relevance_localization=place,
                    prototype_n_per_class=count,
                )
                yield _objective(f"LGMLVQ {place}, {count} a class, {activation}", model)
        words = f"LocalAdaptiveSquaredEuclidean.gradient, {count} a class"
        yield _distance(words, LGMLVQ(relevance_normalization=False, prototype_n_per_class=count))
    for name, model in (
        ("SquaredEuclidean", GLVQ("squared-euclidean", force_all_finite="allow-nan")),
        ("Euclidean", GLVQ("euclidean", force_all_finite="allow-nan")),
        ("LocalAdaptiveSquaredEuclidean", LGMLVQ(force_all_finite="allow-nan")),
    ):
        yield _distance(f"{name}.gradient allow-nan", model)
    nan_allowed = GMLVQ(relevance_normalization=False, force_all_finite="allow-nan")
    yield _distance("AdaptiveSquaredEuclidean.gradient, NaN allowed", nan_allowed)


def _begun(model: Any) -> tuple[Any, Any, Any]:
    """Return the data, the labels and the variables of a model as ``fit`` begins."""
    random = np.random.default_rng(0)
    y = np.arange(21) % 3
    X = random.normal(size=(21, 3)) + y[:, None]
    model.relevance_normalization = False
    model.classes_, model.n_features_in_ = np.arange(3), 3
    model.random_state_ = np.random.RandomState(0)
    model._before_fit(X, y)
    return X, y, model._variables + 0.3 * random.normal(size=model._variables.shape)


def _objective(name: str, model: Any) -> Derivative:
    X, y, variables = _begun(model)

    def loss(v: Any) -> Any:
        model._variables[:] = v
        return model._objective(model, X, y)

    def pullback(v: Any, c: Any) -> Any:
        model._variables[:] = v
        return c * model._objective.gradient(model, X, y)

    return Derivative(name, loss, pullback, variables)


def _distance(name: str, model: Any) -> Derivative:
    """The distances of all data to the second prototype, in that prototype."""
    X, _, variables = _begun(model)
    model._variables[:] = variables

    def function(w: Any) -> Any:
        model.prototypes_[1] = w
        return model._distance(X, model)[:, 1]

    def pullback(w: Any, c: Any) -> Any:
        model.prototypes_[1] = w
        return c @ model._distance.gradient(X, model, 1)[:, : w.size]

    return Derivative(name, function, pullback, model.prototypes_[1].copy())
