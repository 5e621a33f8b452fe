"""``python -m gradhook``: what it prints, and the exit status that a CI script reads."""

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gradhook import Report, Verdict
from gradhook import __main__ as _command_line
from gradhook.__main__ import main
from gradhook.report import BlockReport
from gradhook.sinks import JsonLines, TensorBoard

ROOT = Path(__file__).resolve().parents[1]


def report_of(verdict, step=None, name="W"):
    block = BlockReport(name, (3, 4), "float64", verdict, 0.5 if verdict == "FAIL" else 3e-9)
    return Report(verdict, verdict is Verdict.PASS, {name: block}, ratio=block.ratio, step=step)


@pytest.fixture
def run(tmp_path):
    """Write a file of reports and return its path."""

    def write(*reports, path="checks.jsonl"):
        sink = JsonLines(tmp_path / path)
        for report in reports:
            sink.write(report)
        return str(tmp_path / path)

    return write


def gradhook(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "gradhook", *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | options.pop("env", {}),
        capture_output=True,
        timeout=60,
        check=False,
        **options,
    )


def test_a_run_in_which_every_check_passed_has_a_line_for_each_and_status_0(run, capsys):
    path = run(report_of(Verdict.PASS, 0), report_of(Verdict.PASS, 100))
    assert main(["report", path]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{path}: 2 checks, all passed",
        "gradcheck step 0: PASS, 1 block; ratio 3e-09",
        "gradcheck step 100: PASS, 1 block; ratio 3e-09",
    ]


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.WARN, Verdict.INCONCLUSIVE])
def test_a_check_that_did_not_pass_is_shown_in_full_and_gives_status_1(run, capsys, verdict):
    wrong = report_of(verdict, 100)
    path = run(report_of(Verdict.PASS, 0), wrong)
    assert main(["report", path]) == 1
    said = capsys.readouterr().out
    assert said.startswith(f"{path}: 2 checks, 1 did not pass: {verdict} at step 100 (W)\n")
    assert str(wrong) in said


def test_passing_checks_are_shown_in_full_when_asked_for(run, capsys):
    right = report_of(Verdict.PASS, 0)
    main(["report", run(right), "--full"])
    assert str(right) in capsys.readouterr().out


def test_a_folder_stands_for_every_run_below_it(run, capsys, tmp_path):
    second, first = (
        run(report_of(Verdict.PASS, step), path=f"{name}/reports.jsonl")
        for step, name in ((2, "b"), (1, "a"))
    )
    (tmp_path / "notes.txt").write_text("not a report")
    assert main(["report", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines[::2]] == [first, second]


def test_the_folder_of_a_tensorboard_run_holds_its_reports(tmp_path, capsys):
    TensorBoard(tmp_path).write(report_of(Verdict.FAIL, 7))
    assert main(["report", str(tmp_path)]) == 1
    assert "gradcheck step 7: FAIL" in capsys.readouterr().out


def test_json_is_a_list_of_reports(run, capsys):
    reports = [report_of(Verdict.PASS, 0), report_of(Verdict.FAIL, 100)]
    assert main(["report", run(*reports), "--format", "json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert [Report.from_dict(record) for record in said] == reports


class Page(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.said = [], ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.said += data


def test_html_is_a_page_with_the_verdict_first_and_what_failed_before_what_passed(
    run, tmp_path, capsys
):
    reports = [report_of(Verdict.PASS, 0), report_of(Verdict.FAIL, 100, name="<script>")]
    target = tmp_path / "checks.html"
    assert main(["report", run(*reports), "--format", "html", "--output", str(target)]) == 1
    assert capsys.readouterr().out == (
        f"wrote {target}: 2 checks, 1 did not pass: FAIL at step 100 (<script>)\n"
    )
    page = Page(target.read_text(encoding="utf-8"))
    assert page.tags.count("section") == 1
    assert {"html", "title", "h1"} <= set(page.tags)
    assert "script" not in page.tags
    assert "<script>" in page.said
    verdict, failed, passed = (
        page.said.index(words)
        for words in ("Gradient checks: FAIL", "gradcheck step 100: FAIL", "gradcheck step 0: PASS")
    )
    assert verdict < failed < passed
    # Names in place of paths.
    assert f"{tmp_path.name}/checks" in page.said
    assert str(tmp_path) not in page.said


def test_html_without_a_file_named_goes_beside_the_run_and_says_where(run, tmp_path, capsys):
    path = run(report_of(Verdict.PASS, 0), path="mlp/reports.jsonl")
    for asked in (path, str(tmp_path / "mlp")):
        assert main(["report", asked, "--format", "html"]) == 0
        target = tmp_path / "mlp" / "gradcheck.html"
        assert capsys.readouterr().out == f"wrote {target}: 1 check, passed\n"
        assert "mlp" in Page(target.read_text(encoding="utf-8")).said
        target.unlink()
    assert main(["report", path, "--format", "html", "-o", "-"]) == 0
    assert capsys.readouterr().out.startswith("<!doctype html>")


def test_markdown_for_a_summary_page_has_what_failed_in_full_and_the_rest_folded(run, capsys):
    wrong = [report_of(Verdict.FAIL, step, name="``` # W") for step in (0, 10)]
    assert main(["report", run(*wrong, report_of(Verdict.PASS, 20)), "--format", "markdown"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("## Gradient checks: FAIL\n\n````text\n")
    assert f"````text\n{wrong[0]}\n````\n" in said
    assert "````text\ngradcheck step 10: FAIL, as at step 0 (" in said
    assert said.endswith(
        "<details><summary>1 passed</summary>\n\n```text\n"
        "gradcheck step 20: PASS, 1 block; ratio 3e-09\n```\n\n</details>\n"
    )


def test_the_same_failure_later_in_a_run_is_a_line_unless_all_is_asked_for(run, capsys):
    first, later = (report_of(Verdict.FAIL, step) for step in (0, 10))
    path = run(first, later)
    main(["report", path])
    said = capsys.readouterr().out
    assert str(first) in said
    assert "\ngradcheck step 10: FAIL, as at step 0 (" in said
    main(["report", path, "--full"])
    assert str(later) in capsys.readouterr().out


def test_verbose_shows_all_details(run, capsys):
    for report in (report_of(Verdict.PASS, 0), report_of(Verdict.FAIL, 0)):
        main(["report", run(report, path=f"{report.verdict}.jsonl"), "-v"])
        assert report.details() in capsys.readouterr().out


def test_colours_and_width_follow_the_terminal_and_never_reach_a_file(run, capsys, tmp_path):
    _path = run(report_of(Verdict.FAIL))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_command_line, "has_colour", lambda stream: True)
        main(["report", _path])
        assert "\x1b[1;31mFAIL" in capsys.readouterr().out
        main(["report", _path, "-o", str(tmp_path / "checks.txt")])
    assert "\x1b" not in (tmp_path / "checks.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("content", "asked", "said"),
    [
        (None, "/nothing", "there is no file or folder {}/nothing"),
        (None, "", "no file below {} ends with .jsonl"),
        ("\n", "/a.jsonl", "{}/a.jsonl holds no report"),
        (
            *('\n{"format": 99}\n{"loss": 0.5}\n', "/a.jsonl"),
            (
                "{0}/a.jsonl holds no report\n  {0}/a.jsonl, line 2: report.format: expected 1, "
                "got 99 (and 1 further line)"
            ),
        ),
    ],
)
def test_where_there_is_no_report_it_is_said_why(capsys, tmp_path, content, asked, said):
    if content:
        (tmp_path / "a.jsonl").write_text(content)
    assert main(["report", f"{tmp_path}{asked}"]) == 2
    assert capsys.readouterr() == ("", f"gradhook: {said.format(tmp_path)}\n")


@pytest.mark.parametrize(
    ("foreign", "said"),
    [
        (b'{"step": 1, "loss": 0.5}\n', "line 1: report.format: expected 1, got None"),
        (b"\x89PNG\r\n\x1a\n\xff", "line 1: 'utf-8' codec can't decode byte 0x89"),
        (b"[1, 2]\n", "line 1: report.format: expected 1, got None"),
    ],
)
def test_files_of_other_programs_in_a_folder_are_named_and_skipped(
    run, capsys, tmp_path, foreign, said
):
    path = run(report_of(Verdict.PASS))
    (tmp_path / "a.jsonl").write_bytes(foreign)
    (tmp_path / "z.jsonl").write_bytes(foreign)
    assert main(["report", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"{path}: 1 check, passed\n")
    assert "jsonl" not in captured.out.replace(path, "")
    for name in ("a", "z"):
        assert f"gradhook: skipped {tmp_path / name}.jsonl, {said}" in captured.err


@pytest.mark.parametrize("whole_folder", [False, True])
@pytest.mark.parametrize(("verdict", "status"), [(Verdict.PASS, 2), (Verdict.FAIL, 1)])
def test_a_last_line_that_is_torn_hides_nothing_and_is_no_success(
    run, capsys, tmp_path, whole_folder, verdict, status
):
    path = run(report_of(Verdict.PASS, 0), report_of(verdict, 100), report_of(Verdict.PASS, 200))
    torn = (tmp_path / "checks.jsonl").read_bytes()[:-40]
    (tmp_path / "checks.jsonl").write_bytes(torn)
    assert main(["report", str(tmp_path) if whole_folder else path]) == status
    captured = capsys.readouterr()
    outcome = "all passed" if verdict is Verdict.PASS else "1 did not pass: FAIL at step 100 (W)"
    assert captured.out.startswith(f"{path}: 2 checks, {outcome}; not all of it could be read\n")
    assert f"gradcheck step 100: {verdict}" in captured.out
    assert captured.err.startswith(f"gradhook: skipped {path}, line 3: not a report in JSON: ")


def test_a_run_whose_only_report_is_torn_is_no_foreign_file(run, capsys, tmp_path):
    run(report_of(Verdict.PASS), path="whole.jsonl")
    run(report_of(Verdict.PASS), path="torn.jsonl")
    (tmp_path / "torn.jsonl").write_bytes((tmp_path / "torn.jsonl").read_bytes()[:50])
    assert main(["report", str(tmp_path)]) == 2
    assert f"skipped {tmp_path / 'torn.jsonl'}, line 1" in capsys.readouterr().err


def test_the_mark_that_some_editors_put_first_is_no_part_of_a_report(run, capsys):
    path = Path(run(report_of(Verdict.PASS, 0)))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert main(["report", str(path)]) == 0
    assert "1 check, passed" in capsys.readouterr().out


def test_many_lines_that_are_no_reports_take_one_to_say(run, capsys):
    path = run(report_of(Verdict.PASS))
    with open(path, "a", encoding="utf-8") as file:
        file.write('{"loss": 0.5}\n' * 3)
    assert main(["report", path]) == 2
    assert capsys.readouterr().err == (
        f"gradhook: skipped {path}, line 2: report.format: expected 1, got None "
        "(and 2 further lines)\n"
    )


def test_a_file_that_may_not_be_read_is_no_success(run, capsys, tmp_path):
    run(report_of(Verdict.PASS))
    (tmp_path / "closed.jsonl").symlink_to(tmp_path / "nowhere")
    assert main(["report", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said == f"gradhook: skipped {tmp_path / 'closed.jsonl'}: No such file or directory\n"


def test_reports_are_read_from_the_standard_input(run):
    with open(run(report_of(Verdict.PASS)), "rb") as file:
        done = gradhook("report", "-", stdin=file)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"standard input: 1 check, passed\n")
    done = gradhook("report", "-", stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (2, b"gradhook: standard input holds no report\n")


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert re.fullmatch(r"gradhook (\d+\.\d+\.\d+\S*|\(not installed\))\n", capsys.readouterr().out)


def test_an_output_that_cannot_be_written_is_named(run, capsys, tmp_path):
    target = str(tmp_path / "no" / "file")
    assert main(["report", run(report_of(Verdict.PASS)), "-o", target]) == 2
    said = f"gradhook: cannot write {target}: No such file or directory\n"
    assert capsys.readouterr() == ("", said)


@pytest.mark.parametrize("arguments", [["--help"], ["report", "--help"]])
def test_help_has_examples_and_the_exit_status(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 0
    said = capsys.readouterr().out
    assert "python -m gradhook report runs/mlp" in said
    assert "exit status: 0 every check passed, 1 one did not, 2 one could not be read" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["reprot"], "invalid choice: 'reprot'"),
        (["report"], "the following arguments are required: RUN"),
        (["report", "x", "--format", "pdf"], "invalid choice: 'pdf'"),
    ],
)
def test_a_wrong_command_is_answered_with_the_usage(capsys, arguments, message):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("usage: python -m gradhook")
    assert message in said


def test_the_self_test_says_what_it_did(capsys, monkeypatch):
    assert main(["selftest"]) == 0
    assert capsys.readouterr().out.startswith("self-test passed")
    monkeypatch.setattr(_command_line, "selftest", lambda: ["a wrong gradient was judged PASS"])
    assert main(["selftest"]) == 1
    assert capsys.readouterr().out == "a wrong gradient was judged PASS\n"


def test_the_module_is_a_program_whose_status_scripts_can_read(run):
    done = gradhook("report", run(report_of(Verdict.FAIL)))
    assert (done.returncode, done.stderr) == (1, b"")
    assert b"1 check, did not pass" in done.stdout


def test_a_reader_that_leaves_early_is_no_traceback(run):
    path = run(*(report_of(Verdict.FAIL, step) for step in range(400)))
    command = [sys.executable, "-m", "gradhook", "report", path]
    with subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""


def test_a_sign_that_the_terminal_lacks_is_no_error(run):
    block = BlockReport("größe", (3,), "float64", Verdict.PASS, 3e-9, 1e-9)
    path = run(Report(Verdict.PASS, True, {"größe": block}))
    done = gradhook("report", path, "--full", env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"gr??e" in done.stdout
