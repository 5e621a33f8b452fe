"""For test suites: ``assert_gradients``, and a pytest plugin with a fixture of the same.

The plugin is loaded at the start of every pytest run where gradhook is installed, so nothing is
imported here before it is named.

Example:
    >>> import numpy as np
    >>> from gradhook.testing import assert_gradients
    >>> report = assert_gradients(lambda x: (np.sin(x).sum(), np.cos(x)), np.array([0.3, 2.0]))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradhook.testing.assertions import assert_gradients as assert_gradients

__all__ = ["assert_gradients"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gradhook.testing.assertions import assert_gradients

    globals()[name] = assert_gradients
    return assert_gradients


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
