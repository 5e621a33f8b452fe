"""The example that plants every mistake of the digits network, and what it says of each."""

import importlib
import re
import sys

import pytest

from gradhook.report import CAUSE_FAMILIES
from tests.end_to_end.programs import EXAMPLES, run

sys.path.append(str(EXAMPLES))
hunt_the_bug = importlib.import_module("hunt_the_bug")
digits_network = importlib.import_module("digits_network")

BUGS = tuple(digits_network.BUGS)

EVERYTHING = {"W1", "b1", "W2", "b2", "W3", "b3"}
WEIGHTS, BIASES = {"W1", "W2", "W3"}, {"b1", "b2", "b3"}

PLACED = {
    "ce_forgot_minus1": (EVERYTHING, "the fault is at the loss"),
    "softmax_diag_only": (EVERYTHING, "the fault is at the loss"),
    "hinge_no_correct": (EVERYTHING, "the fault is at the loss"),
    "hinge_count1": (EVERYTHING, "the fault is at the loss"),
    "wrong_cached_input": ({"W3"}, "the input that it is multiplied by"),
    "clipped": ({"W3"}, ""),
    "relu_mask_on_grad": ({"W1", "b1", "W2", "b2"}, "between W3 and b2"),
    "act_deriv_missing": ({"W1", "b1"}, "between W2 and b1"),
    "wrong_layer_act": ({"W1", "b1"}, "between W2 and b1"),
}
"""Bugs that no signature decides: the wrong blocks, and what stands in the sentence."""

NAMED = {
    "no_1_over_N": EVERYTHING,
    "extra_1_over_N": EVERYTHING,
    "factor_two": {"W2"},
    "sign_one": {"W2"},
    "dW_transposed": {"W2"},
    "rolled_rows": {"W1"},
    "last_row_missing": {"W1"},
    "loop_overwrite": {"W1"},
    "bias_first_sample": {"b2"},
    "disconnected": {"b2"},
    "bias_mean": {"b1"},
    "bias_oversum": {"b1"},
    "W_not_transposed": {"W1", "b1"},
    "dropout_mask_missing": {"W1", "b1"},
    "dropout_scale_missing": {"W1", "b1"},
    "dropout_new_mask": {"W1", "b1", "W2", "b2"},
    "reg_on_bias": BIASES,
    "reg_missing": WEIGHTS,
    "reg_half": WEIGHTS,
    "reg_double": WEIGHTS,
    "reg_over_N": WEIGHTS,
    "reg_sign": WEIGHTS,
    "reg_l1_form": WEIGHTS,
}
"""Bugs with a cause of their own kind: the blocks that are wrong."""

FAMILY_ONLY = {"dropout_new_mask"}


@pytest.fixture(scope="module")
def reports():
    X, _, y, _ = hunt_the_bug.digits_mlp.digits()
    # A tenth of the rows, which takes a tenth of the time: the batch has the last word.
    return {bug: hunt_the_bug.hunt(bug, X[:150], y[:150]) for bug in ("", *BUGS)}


def test_every_bug_is_expected_to_be_named_or_placed():
    assert NAMED.keys() | PLACED.keys() == set(BUGS)
    assert not NAMED.keys() & PLACED.keys()


def test_the_right_code_passes_without_a_cause(reports):
    assert reports[""].verdict == "PASS"
    assert (reports[""].causes, reports[""].boundary) == ((), "")


@pytest.mark.parametrize("bug", BUGS)
def test_exactly_the_wrong_blocks_fail(reports, bug):
    expected = NAMED.get(bug) or PLACED[bug][0]
    assert set(reports[bug].failing) == expected


@pytest.mark.parametrize("bug", NAMED)
def test_a_bug_with_a_signature_is_named(reports, bug):
    causes = reports[bug].causes
    assert {name for cause in causes for name in cause.blocks} == NAMED[bug]
    if bug in FAMILY_ONLY:
        assert {CAUSE_FAMILIES[cause.family] for cause in causes} == {"wiring, layout, mask"}
    else:
        assert {cause.kind for cause in causes} == {bug}
    assert reports[bug].boundary == ""


@pytest.mark.parametrize("bug", PLACED)
def test_a_bug_without_one_is_placed(reports, bug):
    assert reports[bug].causes == ()
    assert PLACED[bug][1] in reports[bug].boundary


def test_of_a_row_of_zeros_that_one_is_named_which_is_wrong_and_no_black_pixel(reports):
    assert reports["last_row_missing"].blocks["W1"].where == "W1[63, :]"
    # The row is not zero: its penalty was added.
    (cause,) = reports["last_row_missing"].causes
    assert cause.sentence.endswith("row 63 is a multiple of the weights, as a penalty alone makes")


def test_the_table_has_a_line_for_each_bug_and_a_sum(capsys):
    hunt_the_bug.main(["bias_mean", "relu_mask_on_grad"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["bug", "verdict", "located", "cause", "cost"]
    assert re.fullmatch(r"bias_mean +FAIL +b1 +bias_mean +\d+ loss", lines[1])
    assert lines[2] == (
        "    db1 is 0.142857 = 1/7 of the numerical gradient: averaged over the batch instead of"
    )
    assert "(enters between W3 and b2)" in lines[4]
    assert lines[-1] == ("2 bugs: 2 FAIL, 1 with a cause, 1 with a place; cost in loss evaluations")


def test_the_program_runs_from_any_folder(tmp_path):
    program = str(EXAMPLES / "hunt_the_bug.py")
    finished = run("-W", "error", program, "disconnected", folder=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert "db2 is zero, and the loss depends on the block" in finished.stdout
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_bug_is_refused_with_the_known_ones(capsys):
    with pytest.raises(SystemExit):
        hunt_the_bug.main(["typo"])
    assert re.search(r"no such bug: typo; known are .*reg_missing", capsys.readouterr().err)
