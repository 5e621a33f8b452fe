"""What counts as a sink."""

import pytest

from gradhook.sinks import JsonLines, Logging, Memory, Metrics, Terminal
from gradhook.sinks.base import Sink
from gradhook.sinks.tensorboard.sink import TensorBoard


class Whole:
    def write(self, report): ...

    def close(self): ...


class WithoutClose:
    def write(self, report): ...


@pytest.mark.parametrize(
    ("thing", "is_sink"),
    [(Whole(), True), (WithoutClose(), False), (print, False), (None, False)],
)
def test_a_sink_is_whatever_writes_and_closes(thing, is_sink):
    assert isinstance(thing, Sink) is is_sink


def test_ours_may_be_closed_at_any_time_and_more_than_once(tmp_path, make_report):
    ours = [
        *(JsonLines(tmp_path / "a.jsonl"), Logging(), Memory(), Terminal()),
        *(Metrics(lambda values, step: None), TensorBoard(tmp_path)),
    ]
    for sink in ours:
        assert isinstance(sink, Sink)
        sink.close()
    assert list(tmp_path.iterdir()) == []
    for sink in ours:
        sink.write(make_report())
        sink.close()
        sink.close()


def test_reports_are_kept_in_order_after_close(make_report):
    memory, reports = Memory(), [make_report(step=1), make_report(step=2)]
    for report in reports:
        memory.write(report)
    memory.close()
    assert memory.reports == reports
    assert memory.reports[0] is reports[0]
