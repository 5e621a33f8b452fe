"""Programs of ``examples/``, run as their users run them, and the charts that they leave."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(*arguments, folder):
    """Run Python in a folder, and with an environment, that do not help to find the checkout."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "GRADHOOK")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def charts(folder, run_name="*"):
    """Return the points of every scalar of the only run of this name below ``folder``."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    (events,) = folder.rglob(f"{run_name}/events.out.tfevents.*")
    reader = accumulator.EventAccumulator(str(events.parent)).Reload()
    return {tag: reader.Scalars(tag) for tag in reader.Tags()["scalars"]}
