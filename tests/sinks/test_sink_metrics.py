"""Trackers are functions of the signatures that wandb 0.31, trackio 0.43 and MLflow 3.17 have."""

import math
from typing import Any

import pytest

from gradhook._types import Verdict
from gradhook.errors import OptionError
from gradhook.sinks import Metrics, Sink


class Tracker:
    """Keeps what it is given; a method for each way of being called."""

    def __init__(self):
        self.rows = []

    def wandb_log(
        self, data: dict[str, Any], step: int | None = None, commit: bool | None = None
    ) -> None:
        assert all(isinstance(key, str) for key in data)
        # Rows of a step that has passed are dropped.
        assert step is not None
        assert not self.rows or step >= self.rows[-1][0]
        self.rows.append((step, data))

    def trackio_log(self, metrics: dict, step: int | None = None) -> None:
        self.rows.append((step, metrics))

    def mlflow_log_metrics(
        self,
        metrics: dict[str, float],
        step: int | None = None,
        synchronous: bool | None = None,
        run_id: str | None = None,
        timestamp: int | None = None,
        model_id: str | None = None,
        dataset: Any = None,
    ) -> None:
        assert all(type(value) is float for value in metrics.values())
        self.rows.append((step, metrics))

    def keywords_only(self, values, *, step):
        self.rows.append((step, values))


LOGS = ("wandb_log", "trackio_log", "mlflow_log_metrics", "keywords_only")


@pytest.mark.parametrize("log", LOGS)
def test_a_tracker_gets_one_row_of_plain_numbers_for_each_report(make_report, make_block, log):
    tracker = Tracker()
    sink = Metrics(getattr(tracker, log))
    assert isinstance(sink, Sink)
    for step, verdict in ((0, Verdict.PASS), (100, Verdict.FAIL)):
        blocks = [make_block("layer1/W", verdict, ratio=1e-3 if step else 1e-8), make_block("b")]
        sink.write(make_report(blocks, verdict, ratio=1e-8, step=step))
    sink.close()
    small = pytest.approx(math.log10(3e-9))
    names = ("gradcheck/0 wrong blocks", "gradcheck/ratio", "gradcheck/layer1/W", "gradcheck/b")
    assert tracker.rows == [
        (0, dict(zip(names, (0, -8, -8, small), strict=True))),
        (100, dict(zip(names, (1, -3, -3, small), strict=True))),  # that of the wrong block
    ]


def test_what_was_not_judged_is_left_out(make_report, make_block):
    tracker = Tracker()
    sink = Metrics(tracker.wandb_log)
    sink.write(make_report([make_block("W"), make_block("b", Verdict.UNTESTED)], ratio=1e-8))
    assert [*tracker.rows[0][1]] == ["gradcheck/0 wrong blocks", "gradcheck/ratio", "gradcheck/W"]
    sink.write(make_report([make_block("W", Verdict.INCONCLUSIVE)], Verdict.INCONCLUSIVE))
    assert len(tracker.rows) == 1


def test_a_report_without_a_step_follows_the_last_one(make_report):
    tracker = Tracker()
    sink = Metrics(tracker.wandb_log)
    for step in (None, 100, None):
        sink.write(make_report(step=step))
    assert [step for step, _ in tracker.rows] == [0, 100, 101]


@pytest.mark.parametrize("log", [print, lambda values: None, lambda step, *, values: None])
def test_a_function_that_takes_no_mapping_with_a_step_is_refused_at_once(log):
    with pytest.raises(
        OptionError,
        match=r"called as log\(mapping, step=100\), such as wandb\.log: .*argument.*; "
        r"wrap it: Metrics\(lambda values, step: \.\.\.\)",
    ):
        Metrics(log)


def test_what_cannot_be_called_is_refused():
    with pytest.raises(OptionError, match=r"such as wandb\.log: {} is not a callable object"):
        Metrics({})


def test_a_built_in_that_does_not_say_how_it_is_called_is_taken():
    assert isinstance(Metrics(dict.update), Sink)
