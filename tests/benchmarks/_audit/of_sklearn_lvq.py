"""sklearn-lvq: the gradient that each model hands to the minimiser beside the function."""

from __future__ import annotations

import math
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from ._harness import Derivative, Fault, Library

LIBRARY = Library(
    "sklearn-lvq",
    "sklearn-lvq",
    "sklearn_lvq",
    conventions=(
        "`_optgrad` is multiplied by `1 + 0.0001 (u - 1/2)`, `u` random; the audit draws 1/2.",
        "Version 1.1.1 asks for `numpy.math`, which NumPy 2 has no longer; the audit lends it.",
        "`n _optgrad` is the gradient with the first fault, `1 / n`, taken out.",
        "RSLVQ adds 1e-7 inside a logarithm: function and gradient agree to that.",
    ),
    left_out="GRMLVQ and LMRSLVQ; regularisation; `LgmlvqModel` classwise.",
)

_MODEL = """\
import math, numpy as np; np.math = math; from sklearn_lvq import {0} as Model
m, X, y = Model({1}), np.array([[0.0], [1], [3]]), np.array([0, 0, 1])
m._validate_train_parms(X, y); k = y[:, None] == m.c_w_; f = lambda w: m._optfun(w.copy(), X, k)
"""

FAULTS = (
    Fault(
        "`_optgrad` of `GlvqModel` and of the other models: `1 / n`",
        ("_optgrad *",),
        "The gradient is divided by the number of samples; `_optfun`, which the minimiser gets "
        "beside it, is a sum.",
        "Without `1 / n_data`.",
        "Algebra; differences of `_optfun`; times `n` GLVQ, RSLVQ, and the prototypes of GMLVQ "
        "and LGMLVQ agree.",
        "",
        _MODEL.format("GlvqModel", "")
        + """\
w, e = np.array([0.3, 2.5]), np.array([1e-6, 0])
print(m._optgrad(w, X, k, np.random)[0], (f(w + e) - f(w - e)) / 2e-6)""",
    ),
    Fault(
        "`_optgrad` of `GlvqModel` and `GmlvqModel` with weights `c`",
        ("n _optgrad * weighted *",),
        "GLVQ has `c` in the loss alone; GMLVQ in the gradient alone.",
        "`phi_prime(c * mu) * c` in the gradient, `phi(c * mu)` in the loss.",
        "Algebra; differences of `_optfun`; without `c` the prototypes' parts agree.",
        "",
        _MODEL.format("GlvqModel", "c=[[0, 1, 2.0], [1, 0, 2.0]]")
        + """\
w, e = np.array([0.3, 2.5]), np.array([1e-6, 0])
print(3 * m._optgrad(w, X, k, np.random)[0], (f(w + e) - f(w - e)) / 2e-6)""",
    ),
    Fault(
        "GMLVQ, LGMLVQ and MRSLVQ: the relevances' part, twice",
        ("n _optgrad *GMLVQ relevances", "n _optgrad MRSLVQ* relevances"),
        "`2 / n_data` stands before `gw`, which needs no factor of 2: it is in `4 / (...)**2`; in "
        "MRSLVQ `1 / (2 * sigma)` has taken it.",
        "`gw` without it.",
        "Algebra; differences of `_optfun` (half the library's number).",
        "",
        """\
import math, numpy as np; np.math = math; from sklearn_lvq import GmlvqModel
m, X, y = GmlvqModel(), np.array([[0.0, 1], [1, 0], [3, 2]]), np.array([0, 0, 1])
m._validate_train_parms(X, y); k = y[:, None] == m.c_w_; f = lambda w: m._optfun(w, X, k)
w, e = np.array([0.3, 1, 2.5, 1, 1.2, 0.1, 0.3, 0.8]), 1e-6 * np.eye(8)[4]
print(3 * m._optgrad(w, X, k, np.random, 1, 1)[4], (f(w + e) - f(w - e)) / 2e-6)""",
    ),
    Fault(
        "`GrlvqModel._optgrad`: a power of the relevances",
        ("n _optgrad GRLVQ *",),
        "The distance of `_optfun` is `Σ λ² (x - w)²`; the prototypes' part has the factor `λ`, "
        "that of `λ` is `2 * gw`.",
        "`λ²` in the prototypes' part, `λ * gw` in the other.",
        "Algebra; differences of `_optfun`.",
        "",
        _MODEL.format("GrlvqModel", "")
        + """\
w, e = np.array([0.3, 2.5, 0.7]), np.array([1e-6, 0, 0])
print(3 * m._optgrad(w.copy(), X, k, np.random, 1, 1)[0], (f(w + e) - f(w - e)) / 2e-6)""",
    ),
    Fault(
        "`MrslvqModel._optgrad`: the prototypes' part is multiplied by `ΩᵀΩ` twice",
        ("n _optgrad MRSLVQ prototypes",),
        "`oo.dot(d)` holds it, and `g[:nb_prototypes].dot(omega.T.dot(omega))` again.",
        "Once; where `omega` is the identity the two agree.",
        "Algebra; differences of `_optfun`.",
        "",
        """\
import math, types, numpy as np; from sklearn_lvq import MrslvqModel
np.math = types.SimpleNamespace(exp=lambda x: math.exp(np.ravel(x)[0]), log=math.log)
m, X, y = MrslvqModel(), np.array([[0.0], [3]]), np.array([0, 1]); m._validate_train_parms(X, y)
w, e = np.array([0.3, 2.5, 1.2]), np.array([1e-6, 0, 0]); f = lambda w: m._optfun(w, X, y)
print(2 * m._optgrad(w, X, y, np.random, 1, 1)[0], (f(w + e) - f(w - e)) / 2e-6)""",
    ),
)


class _Half:
    """Draws one half."""

    @staticmethod
    def rand(*shape: int) -> Any:
        return np.full(shape, 0.5)


def derivatives() -> Iterator[Derivative]:
    def exp(x: Any) -> float:  # of an array of one element too, as math.exp with NumPy 1
        return math.exp(np.asarray(x).item())

    vars(np)["math"] = SimpleNamespace(exp=exp, log=math.log, sqrt=math.sqrt)
    import sklearn_lvq as s

    random = np.random.default_rng(0)
    y = np.arange(21) % 3
    X = random.normal(size=(21, 3)) + y[:, None]
    weights = np.array([[0, 1, 2.0], [1, 2, 0.5]])
    matrix = np.eye(3) + 0.2 * random.normal(size=(3, 3))
    for name, model, relevances in (
        ("GLVQ", s.GlvqModel(), None),
        ("GLVQ, 2 a class", s.GlvqModel(prototypes_per_class=2), None),
        ("GLVQ beta=3", s.GlvqModel(beta=3), None),
        ("GLVQ weighted", s.GlvqModel(c=weights), None),
        ("GRLVQ", s.GrlvqModel(), np.array([0.5, 0.2, 0.3])),
        ("GMLVQ", s.GmlvqModel(), matrix),
        ("GMLVQ weighted", s.GmlvqModel(c=weights), matrix),
        ("LGMLVQ", s.LgmlvqModel(), np.concatenate([matrix, matrix.T, matrix @ matrix])),
        ("RSLVQ", s.RslvqModel(sigma=9), None),
        ("MRSLVQ", s.MrslvqModel(sigma=9), matrix),
        ("MRSLVQ, identity", s.MrslvqModel(sigma=9), np.eye(3)),
    ):
        model.random_state = 0
        model._validate_train_parms(X, y)
        model.dim_, model.regularization_ = [3] * 3, np.zeros(3)  # LGMLVQ: a matrix a class.
        at = {"prototypes": model.w_.ravel()}
        if relevances is not None:
            at["relevances"] = relevances.ravel()
        labels = y if "RS" in name else y[:, None] == model.c_w_
        for part in at:
            yield _of(f"n _optgrad {name} {part}", model, (X, labels), at, part, len(y))
        if name in ("GLVQ", "GLVQ, 2 a class", "GMLVQ", "LGMLVQ", "RSLVQ"):
            yield _of(f"_optgrad {name} prototypes", model, (X, labels), at, "prototypes", 1)


def _of(name: str, model: Any, data: Any, at: Any, part: str, factor: int) -> Derivative:
    """The function that the minimiser gets and the gradient beside it, in one part of its input."""
    local = type(model).__name__ == "LgmlvqModel"
    function = model._f if local else model._optfun
    gradient = model._g if local else model._optgrad
    more = {"lr_relevances": 1, "lr_prototypes": 1} if len(at) > 1 else {}
    first = at["prototypes"].size

    def whole(x: Any) -> Any:
        return np.concatenate([x if key == part else value for key, value in at.items()])

    def pullback(x: Any, c: Any) -> Any:
        found = gradient(whole(x), *data, _Half, **more)
        return factor * c * (found[:first] if part == "prototypes" else found[first:])

    return Derivative(name, lambda x: function(whole(x), *data), pullback, at[part])
