"""Makes a bare checkout import ``gradhook.integrations``.

The adapters lie in the folder ``integrations/`` beside the core and ship as
``gradhook.integrations``.  A wheel holds them under that name, and an editable install brings
setuptools' own mapping of one to the other; a checkout that is merely on ``sys.path`` has neither.
Adding the checkout to ``gradhook.__path__`` would do, but it would also make ``gradhook.tests`` and
``gradhook.gradhook`` importable, the latter a second copy of every class.  So one name is mapped to
one folder, by a finder.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

__all__ = ["map_integrations"]

NAME = "gradhook.integrations"


def map_integrations() -> None:
    """Map ``gradhook.integrations`` to the folder beside this package, unless the package holds it.

    Example:
        >>> from gradhook._bare_checkout import map_integrations
        >>> map_integrations()
        >>> import gradhook.integrations
    """
    package = os.path.dirname(os.path.abspath(__file__))
    finder = _IntegrationsFinder(os.path.dirname(package))
    installed = os.path.isdir(os.path.join(package, "integrations"))
    if not installed and finder not in sys.meta_path:
        # First, so that core and adapters come from one tree even where another is installed.
        sys.meta_path.insert(0, finder)


@dataclass(frozen=True, slots=True)
class _IntegrationsFinder:
    """Finds ``gradhook.integrations`` in one checkout, and nothing else.

    Args:
        checkout: Folder that holds ``integrations/``.
    """

    checkout: str

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where the module is; ``None`` for any other name, and where there is none."""
        return PathFinder.find_spec(fullname, [self.checkout]) if fullname == NAME else None
