"""The digits example, run as its users run it, and with every mistake that it can plant."""

import importlib
import re
import sys
from pathlib import Path

import pytest

from gradhook import GradCheckWarning, GradientMismatchError
from tests import catalogue
from tests.end_to_end.programs import EXAMPLES, charts, run

PROGRAM = str(EXAMPLES / "digits_mlp.py")

sys.path.append(str(EXAMPLES))
digits_mlp = importlib.import_module("digits_mlp")
digits_network = importlib.import_module("digits_network")


def accuracy(output):
    return float(re.search(r"test accuracy ([\d.]+)%", output)[1]) / 100


def weights(output):
    return re.search(r"final weights (\w+)", output)[1]


def points(logdir):
    return charts(logdir, "gradcheck *")["gradcheck/ratio"]


@pytest.fixture(scope="module")
def off(tmp_path_factory):
    """The default run; its last line lists the imported packages that only a check needs."""
    folder = tmp_path_factory.mktemp("off")
    # The interpreter puts a script's folder on the path, runpy.run_path does not.
    program = f"""
import runpy, sys
sys.path.insert(0, {str(EXAMPLES)!r})
sys.argv[0] = {PROGRAM!r}
runpy.run_path(sys.argv[0], run_name="__main__")
print("imported", *sorted({{"tensorboard", "tensorflow", "tqdm"}} & set(sys.modules)))
"""
    return run("-c", program, folder=folder), folder


@pytest.fixture(scope="module")
def on(tmp_path_factory):
    folder = tmp_path_factory.mktemp("on")
    return run(PROGRAM, "--grad-check", "--logdir", "runs", folder=folder), folder / "runs"


def test_default_run_classifies_at_least_95_per_cent(off):
    finished, _ = off
    assert finished.returncode == 0, finished.stderr
    assert accuracy(finished.stdout) >= 0.95


def test_without_the_flag_nothing_is_imported_or_written_for_the_check(off):
    finished, folder = off
    assert finished.stdout.splitlines()[-1] == "imported"
    assert list(folder.iterdir()) == []


def test_checked_run_classifies_at_least_95_per_cent_and_passes_twice(on):
    finished, _ = on
    assert finished.returncode == 0, finished.stderr
    assert accuracy(finished.stdout) >= 0.95
    assert "FAIL" not in finished.stdout
    assert "GradCheckWarning" not in finished.stderr


def test_final_weights_are_the_same_to_the_bit_with_the_check_and_without(off, on):
    assert weights(off[0].stdout) == weights(on[0].stdout)


def test_tensorboard_holds_a_point_for_each_check(on):
    finished, runs = on
    ratios = points(runs)
    assert [point.step for point in ratios] == [0, 100]
    # The tag holds log10 of the ratio: below gradhook's warn threshold of 1e-6.
    assert all(point.value < -6 for point in ratios)
    assert "tensorboard --logdir runs" in finished.stdout


@pytest.fixture
def here(tmp_path, monkeypatch, capsys):
    """Run the program in this process and a folder of its own, and return what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GRADHOOK", raising=False)

    def run_here(*arguments):
        digits_mlp.main(arguments)
        return capsys.readouterr().out

    return run_here


def test_hinge_loss_classifies_at_least_95_per_cent_with_its_gradient_checked(here, tmp_path):
    assert accuracy(here("--svm", "--grad-check")) >= 0.95
    assert len(points(tmp_path / "runs" / "digits_mlp")) == 2


def test_environment_variable_is_the_flag(here, on, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADHOOK", "1")
    assert weights(here("--logdir", "name")) == weights(on[0].stdout)
    by_flag, by_name = points(on[1]), points(tmp_path / "name")
    assert [(p.step, p.value) for p in by_name] == [(p.step, p.value) for p in by_flag]


def test_environment_variable_zero_leaves_the_check_off(here, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADHOOK", "0")
    here("--steps", "1")
    assert list(tmp_path.iterdir()) == []


def test_planted_bug_is_reported_and_the_training_goes_on(here):
    with pytest.warns(GradCheckWarning, match="W2"):
        said = here("--steps", "100", "--grad-check", "--plant-bug", "dW_transposed")
    assert "right: dW2 = H1.T @ dZ2" in said
    assert "W2" in said.split("FAIL", 1)[1]
    assert "final weights" in said


def test_on_fail_raise_ends_the_program_at_the_first_failing_check(here):
    with pytest.raises(GradientMismatchError, match="W2"):
        here("--grad-check", "--plant-bug", "sign_one", "--on-fail", "raise")


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [(["hinge_count1"], "add --svm"), (["ce_forgot_minus1", "--svm"], "drop --svm")],
)
def test_bug_in_the_loss_not_used_is_refused(arguments, advice, capsys):
    with pytest.raises(SystemExit):
        digits_mlp.main(["--plant-bug", *arguments])
    assert advice in capsys.readouterr().err


@pytest.mark.parametrize("name", digits_network.BUGS)
def test_planted_bug_is_one_line_of_the_source_and_an_operator_of_the_catalogue(name):
    network = Path(digits_network.__file__).read_text(encoding="utf-8")
    code, _ = network.split("MISTAKES: dict")
    assert code.count(digits_network.BUGS[name].right) == 1
    assert name in {operator.name for operator in catalogue.operators()}
