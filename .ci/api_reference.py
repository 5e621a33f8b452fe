"""Write the API reference from the docstrings, with every warning an error.

Usage: ``python .ci/api_reference.py FOLDER``
"""

import pkgutil
import sys
import warnings
from pathlib import Path

import pdoc
import pdoc.render

import gradhook
from gradhook import integrations, sinks

warnings.simplefilter("error")

# They are loaded when they are first named, and pdoc looks only at what is there.
for name in sinks.__all__:
    getattr(sinks, name)

adapters = [
    f"gradhook.integrations.{module.name}"
    for module in pkgutil.iter_modules(integrations.__path__)
    if not module.name.startswith("_")
]
pdoc.render.configure(docformat="google")
pdoc.pdoc(
    "gradhook",
    "gradhook.report",
    "gradhook.integrations",
    *adapters,
    output_directory=Path(sys.argv[1]),
)
pages = sorted(path.relative_to(sys.argv[1]) for path in Path(sys.argv[1]).rglob("*.html"))
sys.stdout.write(f"{len(pages)} pages of {Path(str(gradhook.__file__)).parent}\n")
