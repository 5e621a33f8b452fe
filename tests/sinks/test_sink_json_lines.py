import json
import os
from pathlib import Path

import pytest

from gradhook.errors import OptionError
from gradhook.report import Report
from gradhook.sinks import JsonLines
from gradhook.sinks import files as _files


def reports_in(path):
    text = Path(path).read_text(encoding="ascii")
    assert text.endswith("\n")
    return [Report.from_dict(json.loads(line)) for line in text.splitlines()]


def test_reports_are_read_back_one_from_each_line(tmp_path, make_report, make_block):
    reports = [make_report([make_block("W"), make_block("b")], step=step) for step in (1, 2)]
    path = tmp_path / "deep" / "down" / "checks.jsonl"
    sink = JsonLines(path)
    for report in reports:
        sink.write(report)
    assert reports_in(path) == reports
    assert sink.file == str(path)


def test_a_file_that_exists_is_added_to(tmp_path, make_report):
    path = tmp_path / "checks.jsonl"
    for step in (1, 2):
        sink = JsonLines(str(path))
        sink.write(make_report(step=step))
        sink.close()
    assert [report.step for report in reports_in(path)] == [1, 2]


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_gets_a_fresh_file_for_each_sink(tmp_path, make_report, monkeypatch, exists):
    monkeypatch.setattr(_files.time, "strftime", lambda form: "gradcheck 02-29 23.59.59")
    folder = tmp_path / "runs"
    if exists:
        folder.mkdir()
    first, second = [JsonLines(str(folder) if exists else f"{folder}{os.sep}") for _ in range(2)]
    for sink in (first, second, first):
        sink.write(make_report())
    assert first.file == str(folder / "gradcheck 02-29 23.59.59.jsonl")
    assert second.file == str(folder / "gradcheck 02-29 23.59.59-2.jsonl")
    assert (len(reports_in(first.file)), len(reports_in(second.file))) == (2, 1)


def test_a_relative_path_stays_where_it_was_when_the_program_changes_folder(
    tmp_path, make_report, monkeypatch
):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    sink = JsonLines("checks.jsonl")
    monkeypatch.chdir("elsewhere")
    sink.write(make_report())
    assert (tmp_path / "checks.jsonl").is_file()


SHARED = """
import os, sys
from gradhook._types import Verdict
from gradhook.report import Report
from gradhook.sinks import JsonLines
sink = JsonLines(sys.argv[1])
child = os.fork()
name = "c" if child == 0 else "p"
for step in range(100):
    # Longer than any buffer that a library or a pipe would put in between.
    sink.write(Report(Verdict.PASS, True, {}, step=step, call=name * 100_000))
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_lines_of_two_processes_do_not_interleave(tmp_path, run_python):
    path = tmp_path / "checks.jsonl"
    # Python 3.12 warns of a fork where a library has started threads.
    done = run_python("import warnings; warnings.simplefilter('ignore')\n" + SHARED, path)
    assert done.returncode == 0, done.stderr
    reports = reports_in(path)
    for name in ("c", "p"):
        assert [r.step for r in reports if r.call == name * 100_000] == list(range(100))
    assert len(reports) == 200


@pytest.mark.parametrize(
    ("path", "said"),
    [("", "the path of a file"), ("a\0b", "the path of a file"), (None, "a path, got None")],
)
def test_what_is_no_path_is_refused(path, said):
    with pytest.raises(OptionError, match=f"path must be {said}"):
        JsonLines(path)
