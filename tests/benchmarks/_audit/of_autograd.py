"""autograd: its vector-Jacobian products, written by hand: a guard against false alarms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ._harness import Derivative, Fault, Library

LIBRARY = Library(
    "autograd",
    "autograd",
    "autograd",
    conventions=(
        (
            "For complex input autograd returns the conjugate of the gradient that gradhook uses; "
            "complex functions are checked along real input."
        ),
        "`eigh` and `cholesky` read one triangle; they are checked on symmetrised input.",
    ),
    left_out="functions without a vjp; derivatives that autograd declares as zero.",
    seen=(
        (
            "The vjps of `numpy.outer` with a matrix, `numpy.broadcast_to` with new leading axes "
            "and `numpy.diagonal` with an offset raise."
        ),
    ),
)

FAULTS: tuple[Fault, ...] = ()


def derivatives() -> Iterator[Derivative]:
    from autograd.core import make_vjp

    for name, function, at in _functions():

        def pullback(x: Any, c: Any, function: Callable[[Any], Any] = function) -> Any:
            return make_vjp(function, x)[0](c)

        yield Derivative(name, function, pullback, at)


def _functions() -> Iterator[tuple[str, Callable[[Any], Any], Any]]:
    yield from _elementwise()
    yield from _shapes_and_sums()
    yield from _algebra()
    yield from _scipy()


def _elementwise() -> Iterator[tuple[str, Callable[[Any], Any], Any]]:
    import autograd.numpy as anp

    real = np.array([-2.3, -1.1, -0.4, 0.3, 0.9, 1.7])
    positive, inside = np.array([0.3, 0.8, 1.4, 2.6]), np.array([-0.8, -0.3, 0.2, 0.7])
    for names, at in (
        (("negative abs fabs absolute reciprocal exp exp2 expm1 sin cos tan sinh cosh tanh arctan "
         "arcsinh rad2deg deg2rad degrees radians square sinc real real_if_close conj"), real),
        ("log log2 log10 log1p sqrt", positive),
        ("arcsin arccos arctanh", inside),
        ("arccosh", 1 + positive),
    ):  # fmt: skip
        for name in names.split():
            yield f"numpy.{name}", getattr(anp, name), at
    other = np.array([1.4, -0.6, 2.2, -1.9, 0.5, 0.8])
    for name in (
        "add", "subtract", "multiply", "divide", "true_divide", "maximum", "minimum", "fmax",
        "fmin", "logaddexp", "logaddexp2", "arctan2", "hypot", "mod", "remainder",
    ):  # fmt: skip
        f = getattr(anp, name, None)
        if f is None:
            continue
        yield f"numpy.{name} in the first", lambda x, f=f: f(x, other), real
        if name not in ("mod", "remainder"):
            yield f"numpy.{name} in the second", lambda x, f=f: f(other, x), real
        yield f"numpy.{name} broadcast", lambda x, f=f: f(x[:, None], other), real
    base = np.abs(real) + 0.2
    yield "numpy.power in the base", lambda x: anp.power(x, other), base
    yield "numpy.power in the exponent", lambda x: anp.power(base, x), other
    yield "numpy.where", lambda x: anp.where(other > 0, x, x**2), real
    yield "numpy.clip", lambda x: anp.clip(x, -1.0, 1.2), real
    yield "numpy.nan_to_num", anp.nan_to_num, real
    yield "numpy.imag of a product", lambda x: anp.imag((1 + 2j) * anp.sin(1j * x)), real
    yield "numpy.abs of a complex number", lambda x: anp.abs(x + 1j * other), real
    yield "numpy.angle of a complex number", lambda x: anp.angle(x + 1j * other), real
    yield "numpy.exp of a complex number", lambda x: anp.real(anp.exp((1 + 2j) * x)), real


def _shapes_and_sums() -> Iterator[tuple[str, Callable[[Any], Any], Any]]:
    import autograd.numpy as anp

    random = np.random.default_rng(0)
    M, T = random.normal(size=(3, 4)), random.normal(size=(2, 3, 4))
    v, S = random.normal(size=7), random.normal(size=(4, 4))
    for axis in (None, 0, 1):
        for keep in (False, True):
            for name in ("sum", "mean", "prod", "var", "std", "max", "min"):
                f = getattr(anp, name)
                yield (
                    f"numpy.{name} axis={axis} keepdims={keep}",
                    lambda x, f=f, a=axis, k=keep: f(x, axis=a, keepdims=k),
                    M,
                )
    for axis in (None, 0, 1):
        yield f"numpy.cumsum axis={axis}", lambda x, a=axis: anp.cumsum(x, axis=a), M
        yield f"numpy.repeat axis={axis}", lambda x, a=axis: anp.repeat(x, 3, axis=a), M
        yield f"numpy.roll axis={axis}", lambda x, a=axis: anp.roll(x, 2, axis=a), M
    for ddof in (0, 1):
        yield f"numpy.var ddof={ddof}", lambda x, d=ddof: anp.var(x, axis=0, ddof=d), M
        yield f"numpy.std ddof={ddof}", lambda x, d=ddof: anp.std(x, axis=0, ddof=d), M
    for n in (1, 2):
        for axis in (0, 1):
            yield f"numpy.diff n={n} axis={axis}", lambda x, n=n, a=axis: anp.diff(x, n, a), M
    yield "numpy.gradient", anp.gradient, v
    yield "numpy.sort", anp.sort, v
    yield "numpy.partition", lambda x: anp.partition(x, 3), v
    yield "numpy.reshape", lambda x: anp.reshape(x, (4, 3)), M
    yield "numpy.reshape Fortran", lambda x: anp.reshape(x, (4, 3), order="F"), M
    yield "numpy.ravel Fortran", lambda x: anp.ravel(x, order="F"), M
    yield "numpy.transpose", lambda x: anp.transpose(x, (2, 0, 1)), T
    yield "numpy.swapaxes", lambda x: anp.swapaxes(x, 0, 2), T
    yield "numpy.moveaxis", lambda x: anp.moveaxis(x, 0, -1), T
    yield "numpy.rollaxis", lambda x: anp.rollaxis(x, 2), T
    yield "numpy.squeeze", lambda x: anp.squeeze(x[:, None]), v
    yield "numpy.expand_dims", lambda x: anp.expand_dims(x, 1), M
    yield "numpy.tile", lambda x: anp.tile(x, (2, 3)), M
    yield "numpy.kron", lambda x: anp.kron(x, S), M
    yield "numpy.concatenate", lambda x: anp.concatenate([x, x**2], axis=1), M
    yield "numpy.stack", lambda x: anp.stack([x, x**3], axis=1), M
    yield "numpy.hstack", lambda x: anp.hstack([x, 2 * x]), M
    yield "numpy.vstack", lambda x: anp.vstack([x, 2 * x]), M
    yield "numpy.append", lambda x: anp.append(x, x**2), v
    yield "numpy.split", lambda x: anp.split(x, [2, 5])[1], v
    yield "numpy.flipud", anp.flipud, M
    yield "numpy.fliplr", anp.fliplr, M
    yield "numpy.rot90", anp.rot90, M
    yield "numpy.diag of a vector", anp.diag, v
    yield "numpy.diag of a matrix", anp.diag, S
    yield "numpy.diagonal", lambda x: anp.diagonal(x, axis1=-1, axis2=-2), S
    yield "numpy.trace", anp.trace, S
    yield "numpy.triu", lambda x: anp.triu(x, 1), S
    yield "numpy.tril", lambda x: anp.tril(x, -1), S
    yield "numpy.pad", lambda x: anp.pad(x, ((1, 2), (0, 3)), "constant"), M
    yield "indexing", lambda x: x[np.array([0, 2, 0]), np.array([1, 1, 3])], M
    yield "slicing", lambda x: x[::2, 1:], M
    yield "masking", lambda x: x[x > 0], M
    yield "numpy.select", lambda x: anp.select([x > 1, x < 0], [x**2, x**3], 2 * x), v
    yield "numpy.linspace", lambda x: anp.linspace(x[0], x[1], 5), v
    yield "numpy.atleast_2d", anp.atleast_2d, v
    yield "numpy.average", lambda x: anp.mean(x * S[0]), v[:4].copy()
    yield "numpy.cross", lambda x: anp.cross(x, S[:, :3]), S[:, 1:].copy()


def _algebra() -> Iterator[tuple[str, Callable[[Any], Any], Any]]:
    import autograd.numpy as anp

    random = np.random.default_rng(1)
    A, B = random.normal(size=(3, 4)), random.normal(size=(4, 2))
    S, v = random.normal(size=(4, 4)), random.normal(size=4)
    T, U = random.normal(size=(2, 3, 4)), random.normal(size=(2, 4, 5))
    for name in ("dot", "matmul"):
        f = getattr(anp, name)
        yield f"numpy.{name} in the first", lambda x, f=f: f(x, B), A
        yield f"numpy.{name} in the second", lambda x, f=f: f(A, x), B
        yield f"numpy.{name} with a vector", lambda x, f=f: f(A, x), v
    yield "numpy.matmul of stacks, first", lambda x: anp.matmul(x, U), T
    yield "numpy.matmul of stacks, second", lambda x: anp.matmul(T, x), U
    yield "numpy.matmul broadcast", lambda x: anp.matmul(x, U), A
    yield "numpy.inner", lambda x: anp.inner(x, A), S
    yield "numpy.outer", lambda x: anp.outer(x, A[0]), v
    for axes in (1, ([1], [0]), ([2, 0], [1, 0])):
        yield (
            f"numpy.tensordot {axes}",
            lambda x, a=axes: anp.tensordot(x, U, a),
            (T if axes == ([2, 0], [1, 0]) else random.normal(size=(3, 2))),
        )
    for form in ("ij,jk->ik", "ij,jk->", "ij,jk->kij", "ij,jk"):
        yield f"numpy.einsum {form} first", lambda x, f=form: anp.einsum(f, x, B), A
        yield f"numpy.einsum {form} second", lambda x, f=form: anp.einsum(f, A, x), B
    yield "numpy.einsum with an ellipsis", lambda x: anp.einsum("...ij,...jk->...ik", x, U), T

    def spd(x: Any) -> Any:
        return anp.dot(x, x.T) + 3 * anp.eye(4)

    yield "linalg.det", anp.linalg.det, S
    yield "linalg.slogdet", lambda x: anp.linalg.slogdet(x)[1], S
    yield "linalg.inv", anp.linalg.inv, S + 3 * np.eye(4)
    yield "linalg.pinv", anp.linalg.pinv, A
    yield "linalg.solve in the matrix", lambda x: anp.linalg.solve(x, B), S + 3 * np.eye(4)
    yield "linalg.solve in the right side", lambda x: anp.linalg.solve(S, x), B
    yield "linalg.cholesky", lambda x: anp.linalg.cholesky(spd(x)), S
    yield "linalg.eigh values", lambda x: anp.linalg.eigh(spd(x))[0], S
    yield "linalg.eigh vectors", lambda x: anp.linalg.eigh(spd(x))[1] ** 2, S
    yield "linalg.svd values", lambda x: anp.linalg.svd(x, compute_uv=False), A
    yield "linalg.svd factors", lambda x: anp.linalg.svd(x, full_matrices=False)[0] ** 2, A
    for order in (None, "fro", "nuc"):
        yield f"linalg.norm {order}", lambda x, o=order: anp.linalg.norm(x, o), A
    for order in (2, 3, 1.7):
        yield f"linalg.norm {order} of a vector", lambda x, o=order: anp.linalg.norm(x, o), v
        yield f"linalg.norm {order} axis=1", lambda x, o=order: anp.linalg.norm(x, o, axis=1), A
    z = random.normal(size=8)
    P = random.normal(size=(4, 6))
    for name in ("fft", "ifft", "rfft", "fft2", "ifft2", "fftn", "ifftn", "rfft2", "rfftn"):
        f, at = getattr(anp.fft, name), z if name in ("fft", "ifft", "rfft") else P
        yield f"fft.{name}", lambda x, f=f: anp.real(f(x)) + 2 * anp.imag(f(x)), at
    yield "fft.irfft", lambda x: anp.fft.irfft(x * (1 + 0.5j)), z[:5].copy()
    for name in ("fftshift", "ifftshift"):
        yield f"fft.{name}", getattr(anp.fft, name), z


def _scipy() -> Iterator[tuple[str, Callable[[Any], Any], Any]]:
    import autograd.numpy as anp
    import autograd.scipy.linalg as al
    import autograd.scipy.signal as asig
    import autograd.scipy.special as sp
    from autograd.scipy import stats

    random = np.random.default_rng(2)
    x, share = np.array([0.3, 0.8, 1.4, 2.6, 4.1]), np.array([0.1, 0.3, 0.6, 0.85])
    signed = np.array([-1.6, -0.7, 0.4, 1.3])
    for name in (
        "gamma",
        "gammaln",
        "rgamma",
        "psi",
        "digamma",
        "j0",
        "y0",
        "j1",
        "y1",
        "i0",
        "i1",
    ):
        yield f"special.{name}", getattr(sp, name), x
    for name in ("jn", "yn", "iv", "ive"):
        for n in (0, 2):
            f = getattr(sp, name)
            yield f"special.{name}({n}, x)", lambda x, f=f, n=n: f(n, x), x
    for name in ("erf", "erfc", "expit"):
        yield f"special.{name}", getattr(sp, name), signed
    yield "special.erfinv", sp.erfinv, np.array([-0.7, 0.2, 0.8])
    yield "special.erfcinv", sp.erfcinv, np.array([0.3, 0.9, 1.6])
    yield "special.logit", sp.logit, share
    yield "special.polygamma", lambda x: sp.polygamma(2, x), x
    yield "special.multigammaln", lambda x: sp.multigammaln(x, 3), x + 2
    yield "special.gammainc", lambda x: sp.gammainc(1.7, x), x
    yield "special.gammaincc", lambda x: sp.gammaincc(1.7, x), x
    yield "special.beta first", lambda x: sp.beta(x, 1.7), x
    yield "special.beta second", lambda x: sp.beta(1.7, x), x
    yield "special.betaln first", lambda x: sp.betaln(x, 1.7), x
    yield "special.betainc", lambda x: sp.betainc(1.7, 0.8, x), share
    M, S = random.normal(size=(3, 4)), random.normal(size=(4, 4))
    for axis in (None, 0, 1):
        yield f"special.logsumexp axis={axis}", lambda x, a=axis: sp.logsumexp(x, axis=a), M
    yield "special.logsumexp with weights", lambda x: sp.logsumexp(x, b=np.abs(M)), M
    spd = np.eye(4) * 4 + S @ S.T / 4
    yield "linalg.sqrtm", lambda x: anp.real(al.sqrtm(anp.dot(x, x.T) + 2 * anp.eye(4))), S
    for trans in (0, 1):
        yield (
            f"linalg.solve_triangular trans={trans}",
            lambda x, t=trans: al.solve_triangular(anp.tril(x) + 3 * np.eye(4), S, t, lower=True),
            S,
        )
    yield "linalg.solve_sylvester", lambda x: al.solve_sylvester(x, spd, S), spd + S / 5
    kernel, image = random.normal(size=(2, 3)), random.normal(size=(5, 6))
    for mode in ("full", "valid"):
        yield (
            f"signal.convolve {mode} first",
            lambda x, m=mode: asig.convolve(x, kernel, mode=m),
            image,
        )
        yield (
            f"signal.convolve {mode} second",
            lambda x, m=mode: asig.convolve(image, x, mode=m),
            kernel,
        )
    mean, scale, at = np.array([0.3, -0.4, 0.9, 0.1]), np.array([0.7, 1.2, 0.9, 1.6]), signed
    for name in ("pdf", "cdf", "sf", "logpdf", "logcdf", "logsf"):
        f = getattr(stats.norm, name)
        yield f"norm.{name} x", lambda x, f=f: f(x, mean, scale), at
        yield f"norm.{name} loc", lambda m, f=f: f(at, m, scale), mean
        yield f"norm.{name} scale", lambda s, f=f: f(at, mean, s), scale
    for name in ("pdf", "cdf", "logpdf", "logcdf"):
        f = getattr(stats.t, name)
        yield f"t.{name} x", lambda x, f=f: f(x, 3.4, mean, scale), at
        yield f"t.{name} loc", lambda m, f=f: f(at, 3.4, m, scale), mean
        if name.endswith("pdf"):
            yield f"t.{name} scale", lambda s, f=f: f(at, 3.4, mean, s), scale
            yield f"t.{name} df", lambda d, f=f: f(at, d, mean, scale), scale + 2
    a, b = np.array([1.4, 2.3, 0.8, 3.1]), np.array([2.1, 1.2, 1.7, 0.9])
    simplex = np.array([0.2, 0.3, 0.5])
    for name in ("pdf", "logpdf"):
        f = getattr(stats.beta, name)
        yield f"beta.{name} x", lambda x, f=f: f(x, a, b), share
        yield f"beta.{name} a", lambda v, f=f: f(share, v, b), a
        yield f"beta.{name} b", lambda v, f=f: f(share, a, v), b
        g = getattr(stats.gamma, name)
        yield f"gamma.{name} x", lambda x, g=g: g(x, a), x[:4].copy()
        yield f"gamma.{name} a", lambda v, g=g: g(x[:4], v), a
        h, d = getattr(stats.chi2, name), getattr(stats.dirichlet, name)
        yield f"chi2.{name} x", lambda x, h=h: h(x, 3.0), x
        yield f"dirichlet.{name} alpha", lambda v, d=d: d(simplex, v), np.array([1.4, 2.3, 0.8])
    yield "beta.cdf x", lambda x: stats.beta.cdf(x, a, b), share
    yield "gamma.cdf x", lambda x: stats.gamma.cdf(x, a), x[:4].copy()
    yield "chi2.cdf x", lambda x: stats.chi2.cdf(x, 3.0), x
    k = np.array([0.0, 1, 2, 4, 6])
    for name in ("pmf", "logpmf", "cdf"):
        f = getattr(stats.poisson, name)
        yield f"poisson.{name} mu", lambda m, f=f: f(k, m), x
    point, centre = random.normal(size=(5, 4)), random.normal(size=4)
    for name in ("pdf", "logpdf"):
        f = getattr(stats.multivariate_normal, name)
        yield f"multivariate_normal.{name} x", lambda x, f=f: f(x, centre, spd), point
        yield f"multivariate_normal.{name} mean", lambda m, f=f: f(point, m, spd), centre
        yield (
            f"multivariate_normal.{name} cov",
            lambda c, f=f: f(point, centre, (c + c.T) / 2),
            spd + np.triu(S, 1) / 9,
        )
    yield (
        "multivariate_normal.entropy",
        lambda c: stats.multivariate_normal.entropy(centre, (c + c.T) / 2),
        spd,
    )
