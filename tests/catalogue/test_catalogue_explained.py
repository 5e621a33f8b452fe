"""The judge of explanations, by which ``benchmarks/causes.py`` tells right blocks from wrong."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

_spec = importlib.util.spec_from_file_location(
    "catalogue_explained", Path(__file__).with_name("explained.py")
)
explained = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = explained
_spec.loader.exec_module(explained)


def test_the_truth_depends_on_the_point_and_a_block_judged_wrongly_is_found(seed_zero):
    case = next(c for c in seed_zero if c.operator == "bias_mean")
    with explained.recorded() as points:
        report = explained.gradhook.check_gradients(
            case.objective, case.parameters, batch=case.batch, **case.check_options
        )
    assert len(points) >= 2
    assert explained.misjudged(case, report, points) == {}
    # The same report about the right code: what it calls wrong is not.
    twin = replace(case, operator=None)
    found = explained.misjudged(twin, report, points)
    assert set(found) == set(report.failing)
    assert all(ratio == 0 for ratio, _ in found.values())
