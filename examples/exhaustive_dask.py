"""Check every weight of the digits network on a cluster, here one of two processes on this machine.

    pip install "gradhook[examples,parallel]"
    python examples/exhaustive_dask.py
    python examples/exhaustive_dask.py --workers 4 --bug mask_missing_layer1

A ``dask.distributed`` client is a value of ``workers=``: the network, the rows and the masks'
generator travel once, each worker measures its share of the weights on a copy of its own, and the
report is the one that a single process gives, to the bit.
"""

from __future__ import annotations

import argparse
import functools
import sys
import time

import numpy as np
from digits_network import BUGS, initial_parameters, loss_and_gradients, plant_bug
from sklearn.datasets import load_digits

import gradhook


def main(arguments: list[str] | None = None) -> int:
    """Start a cluster, check, print, shut the cluster down; 0 if the gradients are right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--bug", choices=sorted(BUGS), help="plant a mistake")
    parser.add_argument("--compare", action="store_true", help="check in one process as well")
    options = parser.parse_args(arguments)
    from dask.distributed import Client, LocalCluster

    digits = load_digits()
    batch = digits.data / 16, digits.target
    function = plant_bug(options.bug) if options.bug else loss_and_gradients
    objective = functools.partial(function, masks=np.random.default_rng(1))
    parameters = initial_parameters(np.random.default_rng(0))
    check = functools.partial(
        gradhook.check_gradients,
        objective,
        parameters,
        batch=batch,
        effort="exhaustive",
        dropout="dropout",
        points=("generic",),
    )
    weights = sum(array.size for array in parameters.values())
    with (
        LocalCluster(
            n_workers=options.workers, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        started = time.perf_counter()
        report = check(workers=client)
        taken = time.perf_counter() - started
    print(report)
    print(
        f"\n{weights:,} weights, {report.evaluations:,} evaluations in {taken:.1f} s on "
        f"{options.workers} workers"
    )
    if options.compare:
        started = time.perf_counter()
        alone = check(workers=1)
        same = repr({**report.to_dict(), "seconds": 0}) == repr({**alone.to_dict(), "seconds": 0})
        print(
            f"one process: {time.perf_counter() - started:.1f} s, "
            f"{'the same report' if same else 'another report'}"
        )
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
