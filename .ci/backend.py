"""Build with setuptools, which here finds its list of files beside this file.

setuptools packs the package alone into a source distribution unless a ``MANIFEST.in`` at the top
level says more.  This project keeps such files out of the top level; all else is setuptools' own.
"""

from setuptools.build_meta import *  # noqa: F403  # The hooks of PEP 517 and 660.
from setuptools.command.egg_info import manifest_maker

manifest_maker.template = ".ci/MANIFEST.in"
