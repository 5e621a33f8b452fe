"""Make the pictures of TensorBoard: real runs, in the real viewer.

    python examples/pictures/make.py

Trains the digits network as it is, once more with a planted bug, and five times side by side, one
of them wrong; starts TensorBoard on each and takes pictures of what a browser shows, light and
dark.  It needs Debian's ``chromium`` and ``chromium-driver``, and the extra ``test``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

# A checkout works without installing.
sys.path.extend(str(folder) for folder in Path(__file__).resolve().parents[:3])

import digits_mlp
import digits_network
import viewer

from gradhook import GradCheckCallback, Report, schedules
from gradhook.sinks import TensorBoard

__all__ = ["BUG", "RUNS", "train"]

HERE = Path(__file__).resolve().parent

BUG = "last_row_missing"
"""The bug that is planted: a loop over the pixels that stops one short."""

DAY = "gradcheck 11-29"

RUNS: dict[str, dict[str, str | None]] = {
    "right": {f"{DAY} 20.46.07": None},
    "wrong": {f"{DAY} 20.46.07": BUG},
    "five": {
        f"{DAY} 20.46.07": None,
        f"{DAY} 20.51.33": None,
        f"{DAY} 20.58.10": BUG,
        f"{DAY} 21.07.52": None,
        f"{DAY} 21.15.29": None,
    },
}
"""Bugs by the names of the runs that are shown together; ``None`` for none."""

PAGES = {
    "timeseries": ("/0 wrong blocks", "/W1"),
    "text": ("gradcheck_report/text",),
    "images": ("gradcheck_where/W1",),
}
"""Page of TensorBoard, and words that it shows once it is complete."""

LAST = 50
"""The last step; a check is made at every tenth."""


def train(
    logdir: str | Path, name: str, *, bug: str | None = None, seed: int = 0, **options: Any
) -> list[Report]:
    """Train the digits network, made small, and check its gradient at steps 0, 10, 20, ….

    Args:
        logdir: Folder of runs for TensorBoard.
        name: Name of the run.
        bug: A key of ``digits_network.BUGS``.
        seed: Seed of the initial weights.
        options: Further keywords of the callback, such as ``effort``.

    Returns:
        The reports.
    """
    network = digits_network.plant_bug(bug) if bug else digits_network.loss_and_gradients
    loss_and_gradients = partial(network, masks=np.random.default_rng(1), dropout=0.0)
    weights = np.random.default_rng(seed)
    parameters = digits_network.initial_parameters(weights, sizes=(64, 12, 8, 10))
    X, _, y, _ = digits_mlp.digits()
    with GradCheckCallback(
        loss_and_gradients,
        parameters,
        schedule=schedules.every(10),
        batch=(X, y),
        sinks=[TensorBoard(logdir, run_name=name)],
        on_fail="record",
        enabled=True,
        **options,
    ) as check:
        check.on_train_begin()
        for step in range(1, LAST + 1):
            _, gradients = loss_and_gradients(parameters, X, y)
            for block, parameter in parameters.items():
                parameter -= 0.1 * gradients[block]
            check.on_step_end(step, parameters=parameters)
    return check.history


def take(logdir: str | Path, folder: Path, prefix: str, pages: Sequence[str]) -> None:
    """Take a picture of each page of TensorBoard on the runs in a folder, light and dark."""
    server = viewer.Server(logdir)
    try:
        server.wait_for(
            "plugin/text/tags", lambda tags: {*RUNS[prefix]} <= {run for run in tags if tags[run]}
        )
        with viewer.open_browser() as browser:
            for page in pages:
                for theme in ("light", "dark"):
                    dark = "true" if theme == "dark" else "false"
                    browser.open(f"{server.address}/?darkMode={dark}#{page}", width=1280)
                    browser.wait_until(
                        lambda page=page: {*PAGES[page]} <= {*browser.words().splitlines()}
                    )
                    path = folder / f"{prefix}_{page}_{theme}.png"
                    browser.picture(path)
                    print(f"{path.name}: {path.stat().st_size} bytes")
    finally:
        server.stop()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program with the command line's arguments, or with these."""
    parser = argparse.ArgumentParser(description="Make the pictures of TensorBoard.")
    parser.add_argument("--folder", default=str(HERE), help="where to (default: %(default)s)")
    folder = Path(parser.parse_args(arguments).folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for prefix, runs in RUNS.items():
            logdir = Path(scratch, prefix)
            for seed, (name, bug) in enumerate(runs.items()):
                print(train(logdir, name, bug=bug, seed=seed)[-1])
            pages = [page for page in PAGES if page != "images" or any(runs.values())]
            take(logdir, folder, prefix, pages)


if __name__ == "__main__":
    main()
