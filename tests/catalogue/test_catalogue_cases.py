"""Drawing cases: names, balance, determinism, and what a checker is handed."""

import inspect

import numpy as np
import pytest

from gradhook.report import CAUSE_FAMILIES, CAUSE_KINDS
from tests import catalogue
from tests.catalogue.alarms import ALARMS
from tests.catalogue.alarms.precision import Model
from tests.catalogue.networks.architectures import ARCHITECTURES

GENERAL = frozenset(
    (
        *("scale", "reg_coefficient", "last_column_missing", "blocks_swapped", "flipped"),
        *("writes_parameters", "writes_batch", "upstream_ignored", "term_missing"),
        "update_state",
    )
)
"""Kinds of causes that are no operator: general forms of several, and faults of calls."""


def test_operators_carry_the_letters_that_reports_use():
    assert {each.family for each in catalogue.operators()} <= set(CAUSE_FAMILIES)


def test_every_kind_of_cause_is_an_operator_of_that_name_or_a_general_form():
    assert set(CAUSE_KINDS) - {each.name for each in catalogue.operators()} == GENERAL


def test_every_operator_fits_an_architecture_and_every_need_is_offered():
    offered = set().union(*(each.offers for each in ARCHITECTURES.values()))
    for each in catalogue.operators():
        assert catalogue.architectures_for(each.name), each
        assert set(each.needs) <= offered


def test_one_seed_draws_every_operator_at_both_starts_and_every_false_alarm(drawn):
    for start in ("notebook", "generic"):
        met = {case.operator for case in drawn if case.start == start and case.wrong}
        assert met == {each.name for each in catalogue.operators()}
    assert {case.architecture for case in drawn if case.start == "special"} == set(ALARMS)


def test_there_are_as_many_right_cases_as_wrong_ones_of_each_kind(drawn):
    for kind in catalogue.kinds():
        sides = [case.wrong for case in drawn if case.kind == kind]
        assert sum(sides) == len(sides) / 2 > 0


def test_seeds_take_an_operator_through_all_its_architectures(monkeypatch):
    possible = catalogue.architectures_for("bias_mean")
    alone = {"bias_mean": catalogue.operator("bias_mean")}
    monkeypatch.setattr("tests.catalogue.table._OPERATORS", alone)
    seeds = range(len(possible))
    met = [case.architecture for case in catalogue.cases(seeds, starts=["generic"]) if case.wrong]
    assert sorted(met) == sorted(possible)


def test_a_case_follows_from_its_name_to_the_bit(drawn):
    assert len({case.name for case in drawn}) == len(drawn)
    for case in drawn[::7]:
        again = catalogue.case(case.name)
        assert (again.kind, again.operator, again.family) == (case.kind, case.operator, case.family)
        assert again.site == case.site
        for mine, other in zip(
            (*case.parameters.values(), *case.batch),
            (*again.parameters.values(), *again.batch),
            strict=True,
        ):
            np.testing.assert_array_equal(mine, other)


def test_twins_are_drawn_apart(drawn):
    by_name = {case.name: case for case in drawn}
    mutant = by_name["mlp/bias_mean/notebook/0"]
    twin = by_name["mlp/clean-bias_mean/notebook/0"]
    assert twin.clean
    assert not np.array_equal(mutant.batch[0][:4, :4], twin.batch[0][:4, :4])


def test_cases_are_small_and_run_on_any_seven_rows(drawn):
    for case in drawn:
        assert sum(value.size for value in case.parameters.values()) <= 2000
        assert len({len(rows) for rows in case.batch}) == 1
        rows = np.random.default_rng(0).permutation(len(case.batch[0]))[:7]
        subset = tuple(each[rows] for each in case.batch)
        loss, gradients = case.problem.build(case.operator or "")(case.parameters, *subset)
        assert np.isfinite(loss)
        assert list(gradients) == list(case.parameters)
        for name, value in case.parameters.items():
            assert np.shape(gradients[name]) == value.shape


def test_functions_write_neither_to_parameters_nor_to_the_batch(drawn):
    for case in drawn:
        arrays = (*case.parameters.values(), *case.batch)
        before = [array.tobytes() for array in arrays]
        case.problem.build(case.operator or "")(case.parameters, *case.batch)
        assert [array.tobytes() for array in arrays] == before, case.name


def test_a_function_takes_the_parameters_and_its_batch_and_nothing_fits_beside(drawn):
    for case in drawn:
        signature = inspect.signature(case.loss_and_gradients)
        signature.bind(case.parameters, *case.batch)
        with pytest.raises(TypeError):
            signature.bind(*case.batch)


def test_switches_are_keywords_of_the_function_whose_default_is_on(drawn):
    met = set()
    for case in drawn:
        for name in (case.dropout, case.penalty):
            if name is not None:
                met.add(name)
                keyword = inspect.signature(case.loss_and_gradients).parameters[name]
                assert keyword.default not in (0, inspect.Parameter.empty), case.name
    assert met == {"keep_prob", "dropout", "reg", "l2"}


def test_check_options_name_the_switches():
    case = catalogue.case("mlp/dropout_mask_missing/generic/0")
    assert case.check_options == {"dropout": case.dropout, "penalty": case.penalty}
    assert catalogue.case("ascent/clean/special/0").check_options == {}


def test_a_notebook_starts_small_and_with_zero_biases():
    case = catalogue.case("mlp/clean-bn_no_mean/notebook/0")
    assert np.abs(case.parameters["W1"]).max() < 0.1
    assert not case.parameters["b1"].any()
    assert (case.parameters["gamma1"] == 1).all()
    assert inspect.signature(case.loss_and_gradients).parameters[case.penalty].default == 1e-4


def test_a_generic_point_has_nothing_at_zero_and_a_penalty_that_counts(drawn):
    for case in drawn:
        if case.start == "generic":
            assert all((value != 0).all() for value in case.parameters.values())
            default = inspect.signature(case.loss_and_gradients).parameters[case.penalty].default
            assert 0.049 <= default <= 0.1


@pytest.mark.parametrize("operator", ["accumulated", "stale_cache"])
def test_a_bug_of_the_second_call_leaves_the_first_one_right(operator):
    case = catalogue.case(f"mlp/{operator}/generic/0")
    assert case.second_call
    arguments = (case.parameters, *case.batch)
    right = case.problem.build("")(*arguments)[1]
    first = case.loss_and_gradients(*arguments)[1]
    assert all(np.array_equal(first[name], right[name]) for name in right)
    assert max(case.wrong_blocks().values()) > 1e-3


def test_a_bug_of_one_block_spoils_that_block_alone():
    for operator in ("factor_two", "sign_one", "disconnected"):
        case = catalogue.case(f"cnn/{operator}/generic/0")
        wrong = [name for name, ratio in case.wrong_blocks().items() if ratio > 0]
        assert wrong == [case.site]


def test_right_code_has_no_wrong_blocks(drawn):
    for case in drawn:
        if case.clean:
            assert set(case.wrong_blocks().values()) == {0.0}


def test_what_happens_in_wrong_blocks_leaves_the_global_stream_alone():
    before = np.random.get_state()[1:]
    catalogue.case("dropout-global/bias_mean/special/0").wrong_blocks()
    after = np.random.get_state()[1:]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_an_in_place_model_reads_its_live_float32_arrays():
    case = catalogue.case("float32-mlp/clean/special/0")
    model = case.objective
    assert isinstance(model, Model)
    assert {value.dtype for value in model.params.values()} == {np.dtype(np.float32)}
    loss, _ = model.loss(*case.batch)
    model.params["W1"] += np.float32(0.1)
    assert model.loss(*case.batch)[0] != loss


@pytest.mark.parametrize(
    "name", ["mlp/mask_ignored/generic/", "truncated-loss/mask_ignored/special/"]
)
def test_seven_rows_show_a_bug_that_sits_in_some_samples_only(name):
    for seed in range(10):
        case = catalogue.case(f"{name}{seed}")
        rows = np.random.default_rng(seed).permutation(len(case.batch[0]))[:7]
        subset = tuple(each[rows] for each in case.batch)
        assert max(case.wrong_blocks(batch=subset).values()) > 1e-3
