"""Numerical derivatives of a function of one number, each with an estimate of its own error.

A check restricts the loss to a line, ``phi(t) = f(x + t * v)``; everything here is about ``phi``
alone, so nothing here knows a parameter, a model or an analytic gradient.  A *method* is an
immutable value that is called with a line:

>>> import math
>>> from gradhook.difference import Central
>>> estimate = Central()(math.sin, noise=1e-16)
>>> abs(estimate.value - 1.0) <= estimate.error <= 1e-9
True

``Central`` is the default: its error falls with ``h**2`` until ``noise / h`` takes over.
``Forward`` and ``Backward`` look at one side only, for the edge of a domain and for teaching.
``Ridders`` extrapolates central differences: a sharper estimate of a smooth line.
``ComplexStep`` has round-off only, on analytic lines that accept complex numbers.

``noise_level`` measures the noise that the methods ask for, ``grain`` is its floor.
"""

from gradhook.difference.base import Estimate, Line, Method
from gradhook.difference.methods import Backward, Central, ComplexStep, Forward, Ridders
from gradhook.difference.noise import NoiseEstimate, grain, noise_level

__all__ = [
    "Backward",
    "Central",
    "ComplexStep",
    "Estimate",
    "Forward",
    "Line",
    "Method",
    "NoiseEstimate",
    "Ridders",
    "grain",
    "noise_level",
]
