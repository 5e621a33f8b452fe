"""scikit-learn: losses, linear models, kernels, Gaussian processes, t-SNE, networks, NCA."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator

import numpy as np

from ._harness import Derivative, Fault, Library, elementwise, jacobian

LIBRARY = Library(
    "scikit-learn",
    "scikit-learn",
    "sklearn",
    conventions=(
        "`AbsoluteError`, `PinballLoss` and `HuberLoss` return approximate Hessians, so stated.",
        "Losses leave out what does not depend on the prediction: `constant_to_optimal_zero`.",
        "`_kl_divergence_bh` of t-SNE returns the gradient of the tree's approximation.",
    ),
    left_out="`PairwiseKernel` (its derivative is a numerical one); `CompoundKernel` (no `theta` "
    "of its own); trees and SVMs (compiled solvers without a callable gradient).",
)

FAULTS = (
    Fault(
        "t-SNE with three or more components: `manifold._t_sne._kl_divergence`",
        ("t-SNE * scale 1, dof [234]",),
        "The gradient multiplies `P - Q` by `dist`, which holds `(1 + d/dof) ** (-(dof + 1)/2)`. "
        "That is the factor `1/(1 + d/dof)` only for `dof = 1`, that is for two components.",
        "With `u = 1 + |y_i - y_j|**2 / dof`: `dC/dy_i = (2 (dof + 1) / dof) Σ_j (p_ij - q_ij) "
        "u_ij**-1 (y_i - y_j)`; the power belongs to `Q` alone.",
        "Algebra, and central differences of every coordinate of the same function's divergence "
        "(agree with the formula to 1e-9).",
        "Not found; [#9711](https://github.com/scikit-learn/scikit-learn/issues/9711) mended the "
        "kernel itself in 2017.",
        """\
import numpy as np; from sklearn.manifold._t_sne import _kl_divergence as kl
P, Y = np.full(15, 1 / 15) / 2, np.random.default_rng(0).normal(size=18)
f = lambda Y: kl(Y, P, degrees_of_freedom=2, n_samples=6, n_components=3)
e = 1e-6 * np.eye(18)[0]
print(f(Y)[1][0], (f(Y + e)[0] - f(Y - e)[0]) / 2e-6)""",
    ),
    Fault(
        "`MLPRegressor` with several outputs",
        ("MLPRegressor * squared_error loss, outputs 3*",),
        "`squared_loss` averages over samples and outputs, the gradient divides by samples alone: "
        "it is `n_outputs` times the gradient of the data term, while the penalty's is not; so "
        "`loss_` is not what the solver descends, and `alpha` weighs `n_outputs` times less in "
        "the gradient than in the loss. L-BFGS gets both in one call.",
        "Either `0.5 * average((y - p)**2, axis=0).sum()` for the loss, as `poisson_loss` in the "
        "same file has it, or the gradient divided by `n_outputs`.",
        "Algebra, and central differences of every weight.",
        "[#8349](https://github.com/scikit-learn/scikit-learn/issues/8349), open; "
        "[#34830](https://github.com/scikit-learn/scikit-learn/pull/34830), open, mends the loss.",
        """\
import numpy as np; from sklearn.neural_network._base import squared_loss
y, p = np.ones((2, 3)), np.zeros((2, 3)); e = np.zeros((2, 3)); e[0, 0] = 1e-6
delta = (p - y) / len(y)  # MLPRegressor._backprop: deltas[last] over the samples
print(delta[0, 0], (squared_loss(y, p + e) - squared_loss(y, p - e)) / 2e-6)""",
    ),
)


def derivatives() -> Iterator[Derivative]:
    yield from _losses()
    yield from _linear_models()
    yield from _kernels()
    yield from _gaussian_processes()
    yield from _embeddings()
    yield from _networks()


def _losses() -> Iterator[Derivative]:
    from sklearn._loss import loss as losses

    random, n = np.random.default_rng(0), 30
    reals, positive = random.normal(size=n), random.gamma(2, size=n)
    binary, raw = random.integers(0, 2, n).astype(float), random.normal(size=n)
    weights = random.uniform(0.5, 2, n)
    targets = [
        (losses.HalfSquaredError(), reals),
        (losses.AbsoluteError(), reals),
        (losses.PinballLoss(quantile=0.3), reals),
        (losses.HuberLoss(delta=0.8), reals),
        (losses.HalfPoissonLoss(), np.floor(positive)),
        (losses.HalfGammaLoss(), positive),
        *((losses.HalfTweedieLoss(power=p), positive) for p in (0, 0.5, 1, 1.5, 2, 2.5, 3)),
        (losses.HalfBinomialLoss(), binary),
        (losses.ExponentialLoss(), binary),
    ]
    for loss, y in targets:
        power = f" power {loss.closs.power}" if hasattr(loss.closs, "power") else ""
        name = f"loss {type(loss).__name__}{power}"
        for w, by in ((None, ""), (weights, " weighted")):
            yield Derivative(
                f"{name}{by} gradient",
                lambda x, loss=loss, y=y, w=w: loss.loss(y, x, w),
                elementwise(lambda x, loss=loss, y=y, w=w: loss.gradient(y, x, w)),
                raw,
            )
        yield Derivative(
            f"{name} loss_gradient",
            lambda x, loss=loss, y=y: loss.loss_gradient(y, x)[0],
            elementwise(lambda x, loss=loss, y=y: loss.loss_gradient(y, x)[1]),
            raw,
        )
        if not loss.approx_hessian:
            yield Derivative(
                f"{name} hessian",
                lambda x, loss=loss, y=y: loss.gradient_hessian(y, x)[0],
                elementwise(lambda x, loss=loss, y=y: loss.gradient_hessian(y, x)[1]),
                raw,
            )
    mean = random.gamma(2, size=n) + 0.2
    for power in (0, 0.5, 1, 1.5, 2, 3):
        loss = losses.HalfTweedieLossIdentity(power=power)
        yield Derivative(
            f"loss HalfTweedieLossIdentity power {power} gradient",
            lambda x, loss=loss: loss.loss(positive, x),
            elementwise(lambda x, loss=loss: loss.gradient(positive, x)),
            mean,
        )
        yield Derivative(
            f"loss HalfTweedieLossIdentity power {power} hessian",
            lambda x, loss=loss: loss.gradient_hessian(positive, x)[0],
            elementwise(lambda x, loss=loss: loss.gradient_hessian(positive, x)[1]),
            mean,
        )
    several = losses.HalfMultinomialLoss(n_classes=4)
    classes, scores = random.integers(0, 4, n).astype(float), random.normal(size=(n, 4))
    for w, by in ((None, ""), (weights, " weighted")):
        yield Derivative(
            f"loss HalfMultinomialLoss{by} gradient",
            lambda x, w=w: several.loss(classes, x, w),
            lambda x, c, w=w: c[:, None] * several.gradient(classes, x, w),
            scores,
        )

    def diagonal(x: np.ndarray, c: np.ndarray) -> np.ndarray:
        return c * several.gradient_hessian(classes, x)[1]

    for k in range(4):
        # The loss has the diagonal of its Hessian alone: one class moves at a time.
        def moved(z: np.ndarray, k: int = k) -> np.ndarray:
            return np.column_stack([*scores.T[:k], z, *scores.T[k + 1 :]])

        yield Derivative(
            f"loss HalfMultinomialLoss hessian of class {k}",
            lambda z, k=k, moved=moved: several.gradient_hessian(classes, moved(z))[0][:, k],
            elementwise(
                lambda z, k=k, moved=moved: several.gradient_hessian(classes, moved(z))[1][:, k]
            ),
            scores[:, k].copy(),
        )


def _linear_models() -> Iterator[Derivative]:
    from sklearn._loss import loss as losses
    from sklearn.linear_model import _huber
    from sklearn.linear_model._linear_loss import LinearModelLoss

    random = np.random.default_rng(1)
    X = random.normal(size=(25, 4))
    reals, counts = random.normal(size=25), random.poisson(2, 25).astype(float)
    binary, w = random.integers(0, 2, 25).astype(float), random.uniform(0.5, 2, 25)
    for base, y in (
        (losses.HalfSquaredError(), reals),
        (losses.HalfPoissonLoss(), counts),
        (losses.HalfGammaLoss(), counts + 0.5),
        (losses.HalfTweedieLoss(power=1.5), counts),
        (losses.HalfBinomialLoss(), binary),
    ):
        for intercept in (False, True):
            model = LinearModelLoss(base_loss=base, fit_intercept=intercept)
            keywords = {"l2_reg_strength": 0.3, "sample_weight": w}
            name = f"LinearModelLoss {type(base).__name__} intercept {intercept}"
            coef = 0.3 * random.normal(size=4 + intercept)
            data = (X, y)
            yield Derivative(
                f"{name} gradient",
                lambda b, m=model, d=data, k=keywords: m.loss(b, *d, **k),
                lambda b, c, m=model, d=data, k=keywords: m.gradient(b, *d, **k),
                coef,
            )
            yield Derivative(
                f"{name} loss_gradient",
                lambda b, m=model, d=data, k=keywords: m.loss_gradient(b, *d, **k)[0],
                lambda b, c, m=model, d=data, k=keywords: m.loss_gradient(b, *d, **k)[1],
                coef,
            )
            yield Derivative(
                f"{name} gradient_hessian",
                lambda b, m=model, d=data, k=keywords: m.gradient(b, *d, **k),
                jacobian(lambda b, m=model, d=data, k=keywords: m.gradient_hessian(b, *d, **k)[1]),
                coef,
            )
            yield Derivative(
                f"{name} hessian product",
                lambda b, m=model, d=data, k=keywords: m.gradient(b, *d, **k),
                lambda b, c, m=model, d=data, k=keywords: m.gradient_hessian_product(b, *d, **k)[1](
                    c
                ),
                coef,
            )
    classes = random.integers(0, 3, 25).astype(float)
    for intercept in (False, True):
        model = LinearModelLoss(
            base_loss=losses.HalfMultinomialLoss(n_classes=3), fit_intercept=intercept
        )
        shape = (3, 4 + intercept)
        keywords = {"l2_reg_strength": 0.3, "sample_weight": w}
        name = f"LinearModelLoss HalfMultinomialLoss intercept {intercept}"

        def laid(b: np.ndarray, shape: tuple[int, int] = shape) -> np.ndarray:
            return np.asfortranarray(np.reshape(b, shape))

        def gradient(b: np.ndarray, m=model, k=keywords, laid=laid) -> np.ndarray:
            return np.array(m.gradient(laid(b), X, classes, **k))

        coef = 0.3 * random.normal(size=shape)
        yield Derivative(
            f"{name} gradient",
            lambda b, m=model, k=keywords, laid=laid: m.loss(laid(b), X, classes, **k),
            lambda b, c, gradient=gradient: gradient(b),
            coef,
        )
        yield Derivative(
            f"{name} hessian product",
            gradient,
            lambda b, c, m=model, k=keywords, laid=laid: np.array(
                m.gradient_hessian_product(laid(b), X, classes, **k)[1](laid(c))
            ),
            coef,
        )

        def full(b: np.ndarray, c: np.ndarray, m=model, k=keywords, laid=laid):
            hessian = m.gradient_hessian(laid(b), X, classes, **k)[1]
            return (hessian @ c.ravel(order="F")).reshape(c.shape, order="F")

        yield Derivative(f"{name} gradient_hessian", gradient, full, coef)
    for intercept in (0, 1):
        yield Derivative(
            f"_huber_loss_and_gradient intercept {bool(intercept)}",
            lambda b: _huber._huber_loss_and_gradient(b, X, reals, 1.35, 0.1, w)[0],
            lambda b, c: _huber._huber_loss_and_gradient(b, X, reals, 1.35, 0.1, w)[1],
            np.append(0.3 * random.normal(size=4 + intercept), 0.8),
        )


def _kernels() -> Iterator[Derivative]:
    from sklearn.gaussian_process import kernels as k

    X = np.random.default_rng(2).normal(size=(8, 3))
    scales = [0.7, 1.3, 2.1]
    listed = {
        "ConstantKernel": k.ConstantKernel(1.7),
        "WhiteKernel": k.WhiteKernel(0.4),
        "RBF": k.RBF(1.3),
        "RBF anisotropic": k.RBF(scales),
        **{f"Matern nu {nu}": k.Matern(1.3, nu=nu) for nu in (0.5, 1.5, 2.5, np.inf)},
        **{f"Matern nu {nu}": k.Matern(1.3, nu=nu) for nu in (0.8, 2.2)},
        **{
            f"Matern nu {nu} anisotropic": k.Matern(scales, nu=nu) for nu in (0.5, 1.5, 2.5, np.inf)
        },
        "RationalQuadratic": k.RationalQuadratic(1.2, 0.7),
        "ExpSineSquared": k.ExpSineSquared(1.2, 2.3),
        "DotProduct": k.DotProduct(0.8),
        "sum": k.RBF(1.1) + k.WhiteKernel(0.2),
        "product": k.ConstantKernel(2.0) * k.Matern(1.4, nu=1.5),
        "exponentiation": k.RationalQuadratic(1.2, 0.7) ** 2.5,
        "sum of products": k.ConstantKernel(2.0) * k.RBF(scales) + k.DotProduct(0.5) * k.RBF(0.9),
    }
    for name, kernel in listed.items():
        yield Derivative(
            f"kernel {name}",
            lambda theta, kernel=kernel: kernel.clone_with_theta(theta)(X),
            jacobian(
                lambda theta, kernel=kernel: kernel.clone_with_theta(theta)(X, eval_gradient=True)[
                    1
                ]
            ),
            kernel.theta,
        )


def _gaussian_processes() -> Iterator[Derivative]:
    from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
    from sklearn.gaussian_process import kernels as k

    random = np.random.default_rng(3)
    X = random.normal(size=(14, 2))
    y, several = np.sin(X[:, 0]), np.column_stack([np.sin(X[:, 0]), X[:, 1] ** 2])
    classes = (X.sum(1) + 0.3 * random.normal(size=14) > 0).astype(int)
    for name, kernel in {
        "RBF": k.ConstantKernel(1.3) * k.RBF(0.8),
        "RBF + white": k.RBF([0.8, 1.4]) + k.WhiteKernel(0.3),
        "Matern": k.ConstantKernel(1.3) * k.Matern(1.1, nu=1.5) + k.WhiteKernel(0.2),
        "RationalQuadratic": k.RationalQuadratic(1.1, 0.9) + k.WhiteKernel(0.2),
        "DotProduct": k.DotProduct(0.9) + k.WhiteKernel(0.2),
    }.items():
        fits = {
            "GPR": GaussianProcessRegressor(kernel, alpha=1e-2, optimizer=None).fit(X, y),
            "GPR 2 outputs": GaussianProcessRegressor(kernel, alpha=1e-2, optimizer=None).fit(
                X, several
            ),
            "GPC": GaussianProcessClassifier(kernel, optimizer=None).fit(X, classes),
        }
        for model, fitted in fits.items():
            yield Derivative(
                f"{model} log_marginal_likelihood {name}",
                lambda t, f=fitted: copy.deepcopy(f).log_marginal_likelihood(t),
                lambda t, c, f=fitted: copy.deepcopy(f).log_marginal_likelihood(
                    t, eval_gradient=True
                )[1],
                fitted.kernel_.theta,
            )


def _embeddings() -> Iterator[Derivative]:
    from sklearn.manifold._t_sne import _kl_divergence
    from sklearn.neighbors import NeighborhoodComponentsAnalysis

    random = np.random.default_rng(4)
    n = 9
    P = random.uniform(size=n * (n - 1) // 2)
    P /= 2 * P.sum()
    for components in (2, 3, 4, 5):
        dof = max(components - 1, 1)
        for scale in (1.0, 1e-4):
            arguments = (P, dof, n, components)
            yield Derivative(
                f"t-SNE {components} components, scale {scale:g}, dof {dof}",
                lambda Y, a=arguments: _kl_divergence(Y, *a)[0],
                lambda Y, c, a=arguments: _kl_divergence(Y, *a)[1],
                scale * random.normal(size=n * components),
            )
    X, labels = random.normal(size=(15, 4)), random.integers(0, 3, 15)
    same = labels[:, None] == labels
    for components in (2, 4):
        nca = NeighborhoodComponentsAnalysis(n_components=components)
        nca.n_iter_ = 1
        yield Derivative(
            f"NCA {components} components",
            lambda A, nca=nca: nca._loss_grad_lbfgs(A.ravel(), X, same, -1.0)[0],
            lambda A, c, nca=nca: nca._loss_grad_lbfgs(A.ravel(), X, same, -1.0)[1],
            0.5 * random.normal(size=components * 4),
        )


def _networks() -> Iterator[Derivative]:
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    random = np.random.default_rng(5)
    X, w = random.normal(size=(12, 4)), random.uniform(0.5, 2, 12)
    one, several = random.gamma(2, size=12), random.gamma(2, size=(12, 3))
    two, many = random.integers(0, 2, 12), np.arange(12) % 3
    labels = random.integers(0, 2, (12, 3))
    for activation in ("identity", "logistic", "tanh", "relu"):
        keywords = {
            "hidden_layer_sizes": (5, 3), "activation": activation, "alpha": 0.5, "max_iter": 1,
            "random_state": 0, "solver": "lbfgs",
        }  # fmt: skip
        cases = [
            (
                f"MLPRegressor {activation} {loss} loss, outputs {n}",
                MLPRegressor(loss, **keywords),
                y,
            )
            for loss in ("squared_error", "poisson")
            for n, y in ((1, one), (3, several))
        ]
        cases += [
            (f"MLPClassifier {activation} {kind}", MLPClassifier(**keywords), y)
            for kind, y in (("two classes", two), ("three classes", many), ("multilabel", labels))
        ]
        for name, network, y in cases:
            network.fit(X, y)
            target = np.reshape(y, (12, -1)).astype(float)
            if isinstance(network, MLPClassifier):
                target = network._label_binarizer.transform(y).astype(float)
            for weights, by in ((None, ""), (w, " weighted")):
                yield _network(f"{name}{by}", network, X, target, weights)


def _network(name, network, X, y, weights) -> Derivative:
    """The loss and gradients that L-BFGS gets, by the network's own backward pass."""
    from sklearn.neural_network._multilayer_perceptron import _pack

    def both(theta: np.ndarray) -> tuple[float, np.ndarray]:
        sizes = [X.shape[1], 5, 3, y.shape[1]]
        activations = [X, *(np.empty((len(X), size)) for size in sizes[1:])]
        deltas = [np.empty_like(a) for a in activations]
        coefs = [np.empty(pair) for pair in itertools.pairwise(sizes)]
        biases = [np.empty(size) for size in sizes[1:]]
        return network._loss_grad_lbfgs(theta, X, y, weights, activations, deltas, coefs, biases)

    start = _pack(network.coefs_, network.intercepts_)
    return Derivative(name, lambda t: both(t)[0], lambda t, c: both(t)[1], start)
