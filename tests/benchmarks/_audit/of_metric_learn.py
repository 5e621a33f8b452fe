"""metric-learn: losses of LSML, MLKR, NCA, LMNN and MMC."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ._harness import Derivative, Fault, Library, jacobian

LIBRARY = Library(
    "metric-learn",
    "metric-learn",
    "metric_learn",
    conventions=(
        (
            "MMC adds 1e-6 under roots and logarithms, in value and gradient at different places: "
            "the two agree to 1e-6 only."
        ),
        "LMNN's objective counts active triplets: it is piecewise smooth.",
    ),
    left_out="LFDA, ITML, SDML, SCML, RCA (no gradient of their own).",
    seen=(
        (
            "`MMC._fit_diag` searches along the line of the gradient of `s·w - c log D(w)` for "
            "the minimum of `s·w + c log D(w)`."
        ),
    ),
)

FAULTS = (
    Fault(
        "`LSML._gradient` leaves out the weights",
        ("LSML gradient*",),
        "The loss weighs each violated quadruplet by `w_`, which sums to one (by default each "
        "weighs `1 / n`); the gradient weighs each by one.",
        "`dMetric += w * ((1 - sqrt(dcd / dab)) * outer(vab, vab) + (1 - sqrt(dab / dcd)) * "
        "outer(vcd, vcd))` with the quadruplet's `w`.",
        "Algebra; differences of `_total_loss`; with one quadruplet, whose weight is 1, the two "
        "agree.",
        "[#83](https://github.com/scikit-learn-contrib/metric-learn/issues/83), open.",
        """\
import numpy as np; from metric_learn import LSML
a, b, P, e = np.array([[2.0], [3]]), np.array([[1.0], [1]]), np.eye(1), 1e-6 * np.eye(1)
m = LSML(); m.w_ = np.array([0.5, 0.5])  # as fit sets it for two quadruplets
f = lambda M: m._total_loss(M, a, b, P)
print(m._gradient(P, a, b, P)[0, 0], (f(P + e) - f(P - e)) / 2e-6)""",
    ),
)


def derivatives() -> Iterator[Derivative]:
    from metric_learn import LMNN, LSML, MLKR, MMC, NCA

    random = np.random.default_rng(0)
    X, y = random.normal(size=(14, 4)), random.normal(size=14)
    labels = np.arange(14) % 3
    root = random.normal(size=(4, 4))
    metric, prior = root @ root.T + np.eye(4), np.eye(4)
    ab, cd = 2 * random.normal(size=(9, 4)), random.normal(size=(9, 4))
    for name, weights in (("", np.full(9, 1 / 9)), (" weighted", random.dirichlet(np.ones(9)))):
        lsml = LSML()
        lsml.w_ = weights
        yield Derivative(
            f"LSML gradient{name}",
            lambda M, m=lsml: m._total_loss((M + M.T) / 2, ab, cd, prior),
            lambda M, c, m=lsml: m._gradient((M + M.T) / 2, ab, cd, prior),
            metric,
        )
    one = LSML()
    one.w_ = np.ones(1)
    yield Derivative(
        "LSML of one quadruplet",
        lambda M: one._total_loss((M + M.T) / 2, ab[:1], cd[:1] / 9, prior),
        lambda M, c: one._gradient((M + M.T) / 2, ab[:1], cd[:1] / 9, prior),
        metric,
    )
    same = labels[:, None] == labels
    for components in (2, 4):
        A = 0.5 * random.normal(size=(components, 4))
        mlkr, nca = MLKR(n_components=components), NCA(n_components=components)
        mlkr.n_iter_ = nca.n_iter_ = 1
        yield Derivative(
            f"MLKR {components} components",
            lambda A, m=mlkr: m._loss(A.ravel(), X, y)[0],
            lambda A, c, m=mlkr: m._loss(A.ravel(), X, y)[1],
            A,
        )
        yield Derivative(
            f"NCA {components} components",
            lambda A, m=nca: m._loss_grad_lbfgs(A.ravel(), X, same)[0],
            lambda A, c, m=nca: m._loss_grad_lbfgs(A.ravel(), X, same)[1],
            A,
        )
    lmnn = LMNN(n_neighbors=2)
    lmnn.labels_, inverse = np.unique(labels, return_inverse=True)
    targets = lmnn._select_targets(X, inverse)
    neighbours = np.repeat(np.arange(14), 2), targets.ravel()
    pulled = X[neighbours[0]] - X[neighbours[1]]
    pull = pulled.T @ pulled
    for reg in (0.3, 0.8):
        arguments = (pull, 2, reg, targets, inverse)
        yield Derivative(
            f"LMNN loss_grad reg={reg}",
            lambda L, a=arguments: lmnn._loss_grad(X, L, *a)[1],
            lambda L, c, a=arguments: lmnn._loss_grad(X, L, *a)[0],
            0.4 * np.eye(4) + 0.1 * random.normal(size=(4, 4)),
            {"points": ("current",)},
        )
    mmc, pairs = MMC(), random.normal(size=(9, 2, 4))
    w = random.uniform(0.5, 2, 4)
    yield Derivative(
        "MMC _fD1", lambda M: mmc._fD(pairs, (M + M.T) / 2),
        lambda M, c: mmc._fD1(pairs, (M + M.T) / 2), metric,
    )  # fmt: skip
    yield Derivative(
        "MMC _D_constraint gradient", lambda w: mmc._D_constraint(pairs, w)[0],
        jacobian(lambda w: mmc._D_constraint(pairs, w)[1]), w,
    )  # fmt: skip
    yield Derivative(
        "MMC _D_constraint Hessian", lambda w: mmc._D_constraint(pairs, w)[1],
        jacobian(lambda w: mmc._D_constraint(pairs, w)[2]), w,
    )  # fmt: skip
