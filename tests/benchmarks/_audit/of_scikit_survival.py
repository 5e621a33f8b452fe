"""scikit-survival: Cox's partial likelihood and ranking objectives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ._harness import Derivative, Fault, Library, jacobian

LIBRARY = Library(
    "scikit-survival",
    "scikit-survival",
    "sksurv",
    conventions=(
        (
            "`gradient` of the boosting losses is the negative gradient; that of "
            "`IPCWLeastSquaresError` leaves the weights to the tree that is fitted to it."
        ),
    ),
    left_out="`IPCWLeastSquaresError`; kernel survival SVMs; coordinate-descent solvers.",
)

FAULTS: tuple[Fault, ...] = ()


def derivatives() -> Iterator[Derivative]:
    from sksurv.ensemble.survival_loss import CensoredSquaredLoss, CoxPH
    from sksurv.linear_model.coxph import CoxPHOptimizer
    from sksurv.util import Surv

    random = np.random.default_rng(0)
    X, time = random.normal(size=(20, 3)), np.ceil(6 * random.exponential(size=20))
    event = random.uniform(size=20) > 0.3
    w = np.array([0.4, -0.3, 0.2])
    for ties in ("breslow", "efron"):
        for alpha in (0.0, 0.7):
            cox = CoxPHOptimizer(X, event, time, np.full(3, alpha), ties)
            name = f"CoxPHOptimizer {ties} alpha={alpha}"

            def updated(w: np.ndarray, cox: CoxPHOptimizer = cox) -> CoxPHOptimizer:
                cox.update(w)
                return cox

            yield Derivative(
                f"{name} gradient", cox.nlog_likelihood, lambda w, c, u=updated: u(w).gradient, w
            )
            yield Derivative(
                f"{name} hessian",
                lambda w, u=updated: u(w).gradient,
                jacobian(lambda w, u=updated: u(w).hessian),
                w,
            )
    y = Surv.from_arrays(event, time)
    raw, ones = random.normal(size=20), np.ones(20)
    for loss in (CoxPH(), CensoredSquaredLoss()):
        at = raw if isinstance(loss, CoxPH) else time + raw + 0.3
        yield Derivative(
            f"{type(loss).__name__} gradient",
            lambda r, loss=loss: float(loss(y, r, sample_weight=ones)),
            lambda r, c, loss=loss: -np.ravel(loss.gradient(y, r, sample_weight=ones)),
            at,
        )
