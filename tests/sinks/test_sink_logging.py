import logging

import pytest

from gradhook._types import Verdict
from gradhook.errors import OptionError
from gradhook.sinks import Logging


@pytest.mark.parametrize(
    ("verdict", "level"),
    [
        (Verdict.PASS, logging.INFO),
        (Verdict.KINK, logging.INFO),
        (Verdict.UNTESTED, logging.INFO),
        (Verdict.WARN, logging.WARNING),
        (Verdict.INCONCLUSIVE, logging.WARNING),
        (Verdict.FAIL, logging.ERROR),
    ],
)
def test_the_level_follows_the_verdict(caplog, make_report, verdict, level):
    caplog.set_level(logging.DEBUG, "gradhook")
    Logging().write(make_report(verdict=verdict))
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("gradhook", level)


def test_a_check_that_judged_nothing_is_a_warning(caplog, make_report):
    Logging().write(make_report(verdict=Verdict.UNTESTED, passed=False))
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_check_that_passed_is_one_line(caplog, make_report, make_block):
    caplog.set_level(logging.INFO, "gradhook")
    Logging().write(make_report([make_block("W")], step=100))
    assert caplog.messages == ["gradcheck step 100: PASS, 1 block; ratio 3e-09"]


def test_any_other_check_is_the_whole_table(caplog, make_report, make_block):
    report = make_report([make_block("100%s", Verdict.FAIL)], Verdict.FAIL)
    Logging().write(report)
    assert caplog.messages == [str(report)]


def test_a_logger_that_is_given_is_used_and_left_as_it_was(caplog, make_report):
    logger = logging.getLogger("tests.sinks.mine")
    before = (list(logger.handlers), logger.level, logger.propagate, list(logger.filters))
    sink = Logging(logger)
    sink.write(make_report(verdict=Verdict.FAIL))
    sink.close()
    assert (list(logger.handlers), logger.level, logger.propagate, logger.filters) == before
    assert [record.name for record in caplog.records] == ["tests.sinks.mine"]


def test_a_logger_adapter_may_be_given(caplog, make_report):
    adapter = logging.LoggerAdapter(logging.getLogger("tests.sinks.adapted"), {"run": "mlp"})
    Logging(adapter).write(make_report(verdict=Verdict.FAIL))
    assert [(record.name, record.run) for record in caplog.records] == [
        ("tests.sinks.adapted", "mlp")
    ]


def test_a_level_that_is_off_logs_nothing(caplog, make_report):
    caplog.set_level(logging.ERROR, "gradhook")
    Logging().write(make_report(verdict=Verdict.WARN))
    assert caplog.records == []


def test_what_is_no_logger_is_refused():
    with pytest.raises(OptionError, match=r"logger must be a logging\.Logger or the name of one"):
        Logging(print)


def test_a_failure_told_before_is_one_line_until_the_run_ends(caplog, make_report, make_block):
    sink = Logging()
    for step in (0, 10):
        sink.write(make_report([make_block("W", Verdict.FAIL)], Verdict.FAIL, step=step))
    first, second = caplog.messages
    assert "verdict  block" in first
    assert "\n" not in second
    assert "as at step 0" in second
    sink.close()
    sink.write(make_report([make_block("W", Verdict.FAIL)], Verdict.FAIL, step=20))
    assert "verdict  block" in caplog.messages[-1]
