"""PyLops: adjoints of its operators, real and complex."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ._harness import Derivative, Fault, Library

LIBRARY = Library(
    "PyLops",
    "pylops",
    "pylops",
    conventions=(
        (
            "`Real`, `Imag` and `Conj` are linear over the reals only: their adjoints hold for "
            "the real part of the inner product, which is what is checked."
        ),
    ),
    left_out="operators that need devito, numba, astra, mkl or a GPU; solvers.",
)

FAULTS: tuple[Fault, ...] = ()


def derivatives() -> Iterator[Derivative]:
    random = np.random.default_rng(0)
    for name, operator in [*_basic(random), *_signal(random), *_waves(random)]:
        x = random.normal(size=operator.shape[1])
        complex_input = np.issubdtype(np.dtype(operator.dtype), np.complexfloating)
        if complex_input and "real=True" not in name:
            x = x + 1j * random.normal(size=operator.shape[1])

        def adjoint(x: Any, c: Any, operator: Any = operator) -> Any:
            return np.asarray(operator.rmatvec(np.array(c)))

        yield Derivative(name, lambda x, o=operator: np.asarray(o.matvec(np.array(x))), adjoint, x)


def _basic(random: np.random.Generator) -> Iterator[tuple[str, Any]]:
    import pylops as p

    A, B = random.normal(size=(4, 6)), random.normal(size=(6, 6))
    Z = A + 1j * random.normal(size=(4, 6))
    a, b, z = p.MatrixMult(A), p.MatrixMult(B), p.MatrixMult(Z, dtype="complex128")
    yield "MatrixMult", a
    yield "MatrixMult complex", z
    yield "MatrixMult of several", p.MatrixMult(A, otherdims=(3,))
    yield "Diagonal", p.Diagonal(random.normal(size=6))
    yield "Diagonal complex", p.Diagonal(Z[0].copy(), dtype="complex128")
    yield "Diagonal along an axis", p.Diagonal(random.normal(size=4), dims=(3, 4), axis=1)
    yield "Identity wide", p.Identity(4, 6)
    yield "Identity tall", p.Identity(6, 4)
    yield "Zero", p.Zero(3, 5) + p.MatrixMult(A[:3, :5].copy())
    yield "sum", a + 2 * a
    yield "product", a @ b
    yield "adjoint", a.H
    yield "transpose complex", z.T
    yield "conj complex", z.conj()
    yield "scaled complex", (1 + 2j) * z
    yield "power", b**3
    yield "VStack", p.VStack([a, 2 * a])
    yield "HStack", p.HStack([a, 3 * a])
    yield "Block", p.Block([[a, a], [2 * a, 3 * a]])
    yield "BlockDiag", p.BlockDiag([a, b])
    yield "Kronecker", p.Kronecker(p.MatrixMult(A[:2, :3].copy()), p.MatrixMult(A[2:, :2].copy()))
    yield "Restriction", p.Restriction(8, np.array([1, 4, 6]))
    yield "Restriction along an axis", p.Restriction((4, 5), [0, 3], axis=1)
    yield "Roll", p.Roll((4, 5), axis=1, shift=-2)
    yield "Flip", p.Flip((4, 5), axis=0)
    yield "Symmetrize", p.Symmetrize((4, 5), axis=1)
    yield "Transpose", p.Transpose((2, 3, 4), axes=(2, 0, 1))
    yield "Sum", p.Sum((4, 5), axis=0)
    yield "Pad", p.Pad((4, 5), ((1, 2), (0, 3)))
    yield "Conj", p.Conj(5, dtype="complex128")
    yield "Real", p.Real(5, dtype="complex128")
    yield "Imag", p.Imag(5, dtype="complex128")
    yield "Regression", p.Regression(np.arange(6.0), order=3)
    yield "LinearRegression", p.LinearRegression(np.arange(6.0))
    for kind in ("full", "half", "trapezoidal"):
        yield f"CausalIntegration {kind}", p.CausalIntegration((6, 5), axis=0, kind=kind)
        yield (
            f"CausalIntegration {kind} without the first",
            p.CausalIntegration((6, 5), axis=1, kind=kind, removefirst=True, sampling=0.7),
        )
    for kind in ("forward", "backward", "centered"):
        for edge in (False, True):
            yield (
                f"FirstDerivative {kind} edge={edge}",
                p.FirstDerivative((7, 6), axis=1, kind=kind, edge=edge, sampling=0.7),
            )
            yield (
                f"SecondDerivative {kind} edge={edge}",
                p.SecondDerivative((7, 6), axis=0, kind=kind, edge=edge, sampling=0.7),
            )
        yield f"Gradient {kind}", p.Gradient((5, 6), kind=kind, edge=True)
        yield f"Laplacian {kind}", p.Laplacian((6, 7), kind=kind, weights=(1.0, 0.6))
    for edge in (False, True):
        yield (
            f"FirstDerivative order 5 edge={edge}",
            p.FirstDerivative((9, 6), kind="centered", order=5, edge=edge),
        )
    yield "FirstDirectionalDerivative", p.FirstDirectionalDerivative((5, 6), np.array([0.6, 0.8]))
    yield "SecondDirectionalDerivative", p.SecondDirectionalDerivative((5, 6), np.array([0.6, 0.8]))
    yield "Smoothing1D", p.Smoothing1D(3, (6, 5), axis=0)
    yield "Smoothing2D", p.Smoothing2D((3, 3), (6, 5))


def _signal(random: np.random.Generator) -> Iterator[tuple[str, Any]]:
    import pylops as p
    from pylops import signalprocessing as s

    for norm in ("ortho", "none", "1/n"):
        for real in (False, True):
            kind = "float64" if real else "complex128"
            yield f"FFT norm={norm} real={real}", s.FFT(8, norm=norm, real=real, dtype=kind)
            yield (
                f"FFT padded norm={norm} real={real}",
                s.FFT((4, 7), axis=1, nfft=10, norm=norm, real=real, dtype=kind),
            )
            yield (
                f"FFT2D norm={norm} real={real}",
                s.FFT2D((4, 6), norm=norm, real=real, dtype=kind),
            )
            yield (
                f"FFTND norm={norm} real={real}",
                s.FFTND((3, 4, 4), axes=(0, 1, 2), norm=norm, real=real, dtype=kind),
            )
    yield "FFT shifted", s.FFT(9, ifftshift_before=True, fftshift_after=True, dtype="complex128")
    yield "FFT truncated", s.FFT(9, nfft=6, dtype="complex128")
    for shift in (0.7, -1.3):
        yield f"Shift {shift}", s.Shift(9, shift)
    h = random.normal(size=3)
    for offset in (0, 1, 2):
        yield f"Convolve1D offset={offset}", s.Convolve1D(9, h, offset=offset)
        yield (
            f"Convolve1D along an axis offset={offset}",
            s.Convolve1D((9, 4), h, offset=offset, axis=0),
        )
    yield "Convolve1D long filter", s.Convolve1D(4, random.normal(size=7), offset=3)
    for method in ("direct", "fft"):
        yield f"Convolve1D {method}", s.Convolve1D(9, h, offset=1, method=method)
    for offset in ((0, 0), (1, 1), (1, 2)):
        yield (
            f"Convolve2D {offset}",
            s.Convolve2D((6, 7), random.normal(size=(3, 4)), offset=offset),
        )
    yield "ConvolveND", s.ConvolveND((4, 5, 4), random.normal(size=(3, 2, 3)), offset=(1, 0, 1))
    hs = random.normal(size=(3, 5))
    yield "NonStationaryConvolve1D", s.NonStationaryConvolve1D(12, hs, ih=(1, 5, 9))
    for kind in ("nearest", "linear", "sinc", "cubic_spline"):
        try:
            yield f"Interp {kind}", s.Interp(9, np.array([0.4, 2.7, 5.1]), kind=kind)[0]
        except (NotImplementedError, ValueError):
            continue
    yield "Bilinear", s.Bilinear(np.array([[0.4, 2.7], [1.1, 3.3]]), (5, 6))
    for kind in (1, 2, 3, 4):
        yield f"DCT {kind}", s.DCT((8,), type=kind)
    yield "Sliding1D apart", s.Sliding1D(p.Identity(4), 12, 12, 4, 0)
    for taper in (None, "hanning"):
        yield (
            f"Sliding1D taper={taper}",
            s.Sliding1D(p.MatrixMult(random.normal(size=(4, 3))), 9, 8, 4, 2, tapertype=taper),
        )
    time, offsets, slowness = np.arange(12) * 0.1, np.arange(5.0), np.linspace(-0.2, 0.2, 4)
    for kind in ("linear", "parabolic"):
        for centred in (False, True):
            yield (
                f"Radon2D {kind} centred={centred}",
                s.Radon2D(time, offsets, slowness, kind=kind, centeredh=centred, engine="numpy"),
            )
    yield "ChirpRadon2D", s.ChirpRadon2D(time, offsets, 0.2)
    yield "FourierRadon2D", s.FourierRadon2D(time, offsets, slowness, 16, engine="numpy")
    yield "Seislet", s.Seislet(0.1 * random.normal(size=(8, 6)), sampling=(1.0, 0.1), kind="haar")


def _waves(random: np.random.Generator) -> Iterator[tuple[str, Any]]:
    from pylops import avo

    theta = np.linspace(5, 30, 4)
    for name in ("akirich", "fatti", "ps"):
        yield (
            f"AVOLinearModelling {name}",
            avo.avo.AVOLinearModelling(theta, vsvp=0.5, nt0=6, linearization=name),
        )
    wavelet = np.array([0.2, 0.9, 0.2])
    for kind in ("centered", "forward"):
        yield (
            f"PoststackLinearModelling {kind}",
            avo.poststack.PoststackLinearModelling(wavelet, nt0=9, kind=kind),
        )
        yield (
            f"PrestackLinearModelling {kind}",
            avo.prestack.PrestackLinearModelling(wavelet, theta, nt0=7, vsvp=0.5, kind=kind),
        )
