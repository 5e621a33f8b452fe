"""Make the pictures of the README: real runs, in the real viewer.

    python examples/pictures/make.py

Trains the digits network twice with every element of its gradient checked, once as it is and once
with a planted bug, starts TensorBoard on both, and takes pictures of what a browser shows.  It
needs Debian's ``chromium`` and ``chromium-driver``, and the extra ``test``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

# A checkout works without installing.
sys.path.extend(str(folder) for folder in Path(__file__).resolve().parents[:3])

import digits_mlp
import digits_network
import viewer

from gradhook import GradCheckCallback, Report, schedules
from gradhook.sinks import TensorBoard

__all__ = ["BUG", "train"]

HERE = Path(__file__).resolve().parent

BUG = "last_row_missing"
"""The bug that is planted: a loop over the pixels that stops one short."""

PAGES = {
    "custom_scalars": ("all blocks", "W1", "W2"),
    "text": ("FAIL", "since step"),
    "images": ("gradcheck_where/W1",),
    "histograms": ("gradcheck_elements/W1",),
}
"""Page of TensorBoard, and words that it shows once it is complete."""


def train(logdir: str | Path, name: str, *, bug: str | None = None) -> list[Report]:
    """Train the digits network, made small, and check every element at steps 0, 10 and 20.

    Args:
        logdir: Folder of runs for TensorBoard.
        name: Name of the run.
        bug: A key of ``digits_network.BUGS``.

    Returns:
        The reports.
    """
    network = digits_network.plant_bug(bug) if bug else digits_network.loss_and_gradients
    loss_and_gradients = partial(network, masks=np.random.default_rng(1), dropout=0.0)
    parameters = digits_network.initial_parameters(np.random.default_rng(0), sizes=(64, 6, 6, 10))
    X, _, y, _ = digits_mlp.digits()
    with GradCheckCallback(
        loss_and_gradients,
        parameters,
        schedule=schedules.every(10),
        batch=(X, y),
        effort="exhaustive",
        points=("generic",),
        sinks=[TensorBoard(logdir, run_name=name)],
        on_fail="record",
        enabled=True,
    ) as check:
        check.on_train_begin()
        for step in range(1, 21):
            _, gradients = loss_and_gradients(parameters, X, y)
            for block, parameter in parameters.items():
                parameter -= 0.1 * gradients[block]
            check.on_step_end(step, parameters=parameters)
    return check.history


def take(logdir: str | Path, folder: Path, prefix: str, pages: Sequence[str]) -> None:
    """Take a picture of each page of TensorBoard on the runs in a folder."""
    server = viewer.Server(logdir)
    try:
        server.wait_for("plugin/text/tags", lambda tags: any(tags.values()))
        with viewer.open_browser() as browser:
            for page in pages:
                browser.open(f"{server.address}/?darkMode=false#{page}", width=1280, height=730)
                expected = (
                    set(PAGES[page]) if prefix == "wrong" else set(PAGES[page][:1]) - {"FAIL"}
                )
                browser.wait_until(
                    lambda expected=expected: expected <= set(browser.words().splitlines())
                )
                path = folder / f"{prefix}_{page}.png"
                browser.picture(path)
                print(f"{path.name}: {path.stat().st_size} bytes")
    finally:
        server.stop()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program with the command line's arguments, or with these."""
    parser = argparse.ArgumentParser(description="Make the pictures of the README.")
    parser.add_argument("--folder", default=str(HERE), help="where to (default: %(default)s)")
    folder = Path(parser.parse_args(arguments).folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for name, bug in (("right", None), ("wrong", BUG)):
            logdir = Path(scratch, name)
            print(train(logdir, name, bug=bug)[-1])
            take(logdir, folder, name, list(PAGES) if bug else ["custom_scalars"])


if __name__ == "__main__":
    main()
