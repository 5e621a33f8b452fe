"""ODL: adjoints, derivatives of operators and gradients of functionals, in weighted spaces too."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from ._harness import Derivative, Fault, Library

LIBRARY = Library(
    "ODL",
    "odl",
    "odl",
    conventions=(
        (
            "Adjoints and gradients are with respect to the inner products of the spaces: for "
            "`uniform_discr` the cell's volume is a weight. The audit takes that weight out."
        ),
        "With `pad_mode` other than constant the adjoint of a difference is another difference.",
    ),
    left_out="`Resampling` (its adjoint is said to be approximate); `MoreauEnvelope` (cannot be "
    "called); tomography (needs ASTRA), deformations, wavelets, complex spaces.",
    seen=(("`Huber` on a space weighted by an array raises; `MoreauEnvelope` cannot be called."),),
)

FAULTS = (
    Fault(
        "`MatrixOperator.adjoint` between weighted spaces",
        (
            "MatrixOperator, rn weighted*",
            "MatrixOperator, uniform_discr",
            "MatrixOperator into a weighted space, *",
        ),
        "The adjoint is the conjugate transpose of the matrix whatever the spaces' weights are; "
        "`<A x, y>` and `<x, A* y>` differ.",
        "`W_domain⁻¹ Aᴴ W_range` with the weights of the two inner products.",
        "The definition, with ODL's own `inner`: both sides are printed.",
        "[#1068](https://github.com/odlgroup/odl/issues/1068), open, on weighted spaces at large.",
        """\
import odl
X, Y = odl.rn(2, weighting=2.0), odl.rn(1)
A = odl.MatrixOperator([[1.0, 3.0]], domain=X, range=Y)
x, y = X.element([1.0, 2.0]), Y.element([1.0])
print(x.inner(A.adjoint(y)), A(x).inner(y))""",
    ),
    Fault(
        "`SamplingOperator` and `WeightedSumSamplingOperator`: adjoints in weighted `rn`",
        ("SamplingOperator*, rn weighted*", "WeightedSumSamplingOperator*, rn weighted*"),
        "The weights of the space do not enter (for `uniform_discr`, whose weight is the cell's "
        "volume, the adjoints are right).",
        "The value put at a sampling point is divided by the point's weight.",
        "The definition, with ODL's own `inner`: both sides are printed.",
        "[#1068](https://github.com/odlgroup/odl/issues/1068), open, on weighted spaces at large.",
        """\
import odl
X = odl.rn(3, weighting=2.0); A = odl.SamplingOperator(X, [[0, 2]])
x, y = X.element([1.0, 2.0, 3.0]), A.range.element([1.0, 1.0])
print(x.inner(A.adjoint(y)), A(x).inner(y))""",
    ),
    Fault(
        "`RosenbrockFunctional.gradient` in weighted spaces",
        (
            "functional RosenbrockFunctional, rn weighted*",
            "functional RosenbrockFunctional, uniform_discr",
        ),
        "The gradient is the vector of partial derivatives; in a weighted space `<gradient, v>` "
        "is then not the derivative along `v`. ODL's other functionals divide by the weight.",
        "Partial derivatives divided by the weights.",
        "Differences of the functional along a vector; ODL's `NumericalGradient`.",
        "[#1068](https://github.com/odlgroup/odl/issues/1068), open, on weighted spaces at large.",
        """\
import odl
X = odl.rn(2, weighting=2.0); f = odl.functionals.RosenbrockFunctional(X, 3.0)
x, v = X.element([0.4, 0.9]), X.element([1.0, 0.0])
print(f.gradient(x).inner(v), (f(x + 1e-6 * v) - f(x - 1e-6 * v)) / 2e-6)""",
    ),
)


def _flat(element: Any) -> np.ndarray:
    """The numbers of an element, those of a product space one after the other."""
    if isinstance(element, (float, int, np.number)):
        return np.array([float(element)])
    if hasattr(element, "parts"):
        return np.concatenate([_flat(part) for part in element.parts])
    return np.array(element.data, float).ravel()


def _element(space: Any, flat: np.ndarray) -> Any:
    """The inverse of ``_flat``."""
    import odl

    if isinstance(space, odl.ProductSpace):
        ends = np.cumsum([0, *(_size(part) for part in space)])
        pairs = itertools.pairwise(ends)
        return space.element(
            [_element(s, flat[a:b]) for s, (a, b) in zip(space, pairs, strict=True)]
        )
    if not hasattr(space, "shape"):
        return space.element(float(flat[0]))
    return space.element(np.reshape(flat, space.shape).copy())


def _size(space: Any) -> int:
    import odl

    if isinstance(space, odl.ProductSpace):
        return sum(_size(part) for part in space)
    return int(np.prod(space.shape)) if hasattr(space, "shape") else 1


def _weights(space: Any) -> np.ndarray:
    """What each number weighs in the space's inner product."""
    if not hasattr(space, "inner") or not hasattr(space, "shape"):
        return np.ones(1)
    basis = (_element(space, row) for row in np.eye(_size(space)))
    return np.array([space.inner(e, e) for e in basis])


def _operator(name: str, operator: Any, at: np.ndarray | None = None) -> Derivative:
    """An operator beside the adjoint of its derivative; a functional beside its gradient."""
    domain, image = operator.domain, operator.range
    inside, outside = _weights(domain), _weights(image)
    random = np.random.default_rng(len(name))

    def transposed(x: np.ndarray, c: np.ndarray) -> np.ndarray:
        point = _element(domain, x)
        if hasattr(operator, "gradient"):
            return inside * _flat(operator.gradient(point)) * c
        linear = operator if operator.is_linear else operator.derivative(point)
        return inside * _flat(linear.adjoint(_element(image, np.ravel(c) / outside)))

    return Derivative(
        name,
        lambda x: _flat(operator(_element(domain, x))),
        transposed,
        random.normal(size=_size(domain)) if at is None else at,
    )


def derivatives() -> Iterator[Derivative]:
    import odl

    spaces = {
        "rn": odl.rn(4),
        "rn weighted by 2": odl.rn(4, weighting=2.0),
        "rn weighted": odl.rn(4, weighting=[0.5, 1.0, 2.0, 3.0]),
        "uniform_discr": odl.uniform_discr(0, 1, 4),
    }
    random = np.random.default_rng(0)
    A = random.normal(size=(3, 4))
    for name, X in spaces.items():
        v = X.element(random.normal(size=4))
        factors = X.element(random.normal(size=4))
        square = odl.MultiplyOperator(factors, domain=X, range=X)
        listed = {
            "ScalingOperator": odl.ScalingOperator(X, 1.7),
            "MultiplyOperator": odl.MultiplyOperator(v, domain=X, range=X),
            "MultiplyOperator of a number": odl.MultiplyOperator(v, domain=X.field),
            "PowerOperator": odl.PowerOperator(X, 3),
            "InnerProductOperator": odl.InnerProductOperator(v),
            "NormOperator": odl.NormOperator(X),
            "DistOperator": odl.DistOperator(v),
            "MatrixOperator": odl.MatrixOperator(A, domain=X, range=odl.rn(3)),
            "MatrixOperator into a weighted space": odl.MatrixOperator(
                A, domain=X, range=odl.rn(3, weighting=1.5)
            ),
            "sum": square + odl.IdentityOperator(X),
            "composition": square * odl.PowerOperator(X, 2),
            "left vector multiplication": v * square,
            "right vector multiplication": square * v,
            "translated": square - v,
            "BroadcastOperator": odl.BroadcastOperator(square, 2 * square),
            "ReductionOperator": odl.ReductionOperator(square, 2 * square),
            "DiagonalOperator": odl.DiagonalOperator(square, 2 * square),
            "ProductSpaceOperator": odl.ProductSpaceOperator(
                [[square, None], [2 * square, square]]
            ),
            "ComponentProjection": odl.ComponentProjection(odl.ProductSpace(X, 2), 1),
            "SamplingOperator": odl.SamplingOperator(X, [[0, 2, 2]]),
            "SamplingOperator integrating": odl.SamplingOperator(
                X, [[0, 2, 2]], variant="integrate"
            ),
            "WeightedSumSamplingOperator": odl.WeightedSumSamplingOperator(X, [[0, 2, 2]]),
            "WeightedSumSamplingOperator dirac": odl.WeightedSumSamplingOperator(
                X, [[0, 2, 2]], variant="dirac"
            ),
        }
        for kind, operator in listed.items():
            yield _operator(f"{kind}, {name}", operator)
        yield from _functionals(name, X, v, square)
    yield from _grids(random)


def _functionals(name: str, X: Any, v: Any, square: Any) -> Iterator[Derivative]:
    from odl import functionals as f

    positive = np.array([0.4, 0.9, 1.6, 2.3])
    prior = X.element(np.array([0.7, 1.2, 0.5, 1.9]))
    l2 = f.L2NormSquared(X)
    listed = {
        "L1Norm": f.L1Norm(X),
        "L2Norm": f.L2Norm(X),
        "L2NormSquared": l2,
        "Huber": f.Huber(X, 0.6),
        "KullbackLeibler": f.KullbackLeibler(X, prior),
        "KullbackLeiblerCrossEntropy": f.KullbackLeiblerCrossEntropy(X, prior),
        "QuadraticForm": f.QuadraticForm(square, v, 0.7),
        "translated": l2.translated(v),
        "scaled": 2.5 * l2,
        "right scalar": l2 * 2.5,
        "sum": l2 + f.L1Norm(X),
        "product": f.FunctionalProduct(l2, f.L2Norm(X)),
        "quotient": f.FunctionalQuotient(l2, f.L2Norm(X)),
        "composition": l2 * square,
        "quadratic perturbation": f.FunctionalQuadraticPerturb(l2, 0.4, v, 0.3),
        "BregmanDistance": f.BregmanDistance(l2, v, l2.gradient(v)),
        "RosenbrockFunctional": f.RosenbrockFunctional(X, 3.0),
        "convex conjugate of Kullback-Leibler": f.KullbackLeibler(X, prior).convex_conj,
        "convex conjugate of L2NormSquared": l2.convex_conj,
        "SeparableSum": f.SeparableSum(l2, f.L1Norm(X)),
    }
    if name == "rn weighted":
        del listed["Huber"]  # Raises: its weights do not fit the elements that it selects.
    for kind, functional in listed.items():
        at = positive.copy()
        if kind.startswith("convex conjugate of K"):
            at = positive / 4
        if kind == "SeparableSum":
            at = np.concatenate([positive, -positive])
        yield _operator(f"functional {kind}, {name}", functional, at)


def _grids(random: np.random.Generator) -> Iterator[Derivative]:
    import odl

    X = odl.uniform_discr([0, 0], [1, 2], (4, 5))
    for method in ("forward", "backward", "central"):
        for pad in ("constant", "symmetric", "periodic", "order0", "order1", "order2"):
            yield _operator(
                f"Gradient {method} {pad}", odl.Gradient(X, method=method, pad_mode=pad)
            )
            yield _operator(
                f"PartialDerivative {method} {pad}",
                odl.PartialDerivative(X, axis=1, method=method, pad_mode=pad),
            )
            yield _operator(
                f"Divergence {method} {pad}",
                odl.Divergence(range=X, method=method, pad_mode=pad),
            )
    for pad in ("constant", "symmetric", "periodic"):
        yield _operator(f"Laplacian {pad}", odl.Laplacian(X, pad_mode=pad))
    field = odl.ProductSpace(X, 2)
    vectors = field.element([random.normal(size=(4, 5)) for _ in range(2)])
    yield _operator("PointwiseInner", odl.PointwiseInner(field, vectors))
    yield _operator("PointwiseSum", odl.PointwiseSum(field))
    for exponent in (1.5, 2, 3):
        yield _operator(f"PointwiseNorm {exponent}", odl.PointwiseNorm(field, exponent))
    yield _operator("PointwiseInner weighted", odl.PointwiseInner(field, vectors, weighting=[1, 3]))
    yield _operator("PointwiseNorm weighted", odl.PointwiseNorm(field, 2, weighting=[1, 3]))
    yield _operator("FlatteningOperator", odl.FlatteningOperator(X))
    for pad in ("constant", "symmetric", "periodic", "order0", "order1"):
        yield _operator(
            f"ResizingOperator {pad}", odl.ResizingOperator(X, ran_shp=(6, 7), pad_mode=pad)
        )
