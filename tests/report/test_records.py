"""The records of a report: frozen, equal to what is read back from JSON."""

import copy
import dataclasses
import json
import math
import pickle
from collections.abc import Iterator
from importlib import resources

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gradhook._types import Tolerance, Verdict
from gradhook.errors import GradhookError
from gradhook.report import (
    CAUSE_FAMILIES,
    CAUSE_KINDS,
    BlockReport,
    Branch,
    Cause,
    Element,
    Finding,
    Report,
    ReportFormatError,
)
from tests.report.made import REPORTS

SCHEMA = json.loads(
    resources.files("gradhook.report").joinpath("report_schema.json").read_text(encoding="utf-8")
)


def sample() -> Report:
    """A report in which every field holds something."""
    finding = Finding("generic point", Verdict.FAIL, 0.33, 0.01, 1.0, 2.0, 1e-5, 3, 1, "a note")
    worst = Element((3, 5), analytic=0.12, numerical=0.34, error=1e-9)
    blocks = [
        BlockReport("W2", (20, 10), "float64", Verdict.FAIL, 0.33, 0.01, "why", worst, "W2[:, 7]",
                    (finding,), 0.32, (Branch("where", "/a/model.py", 23, "h = …", 3, 480),),
                    "generic point"),
        BlockReport("b2", (10,), "float32", Verdict.UNTESTED),
        BlockReport("b1", (), "float64", Verdict.PASS, ratio=math.inf, ratio_error=-math.inf),
    ]  # fmt: skip
    cause = Cause("R", "reg_missing", ("W2",), "L2 term missing", "W2", "k = 1", "λ = 0", "family")
    return Report(
        Verdict.FAIL, False, {b.name: b for b in blocks}, 0.33, 0.01, (cause,), "behind W2",
        ("b2",), ("note",), ("generic point",), 84, 6, 2.3, 7, "exhaustive",
        Tolerance(fail=1e-3), 100, (0, 4), 0.32, 0.1, "check_gradients(f, params, seed=7)", 200,
    )  # fmt: skip


@given(REPORTS, st.sampled_from([None, 2]))
@settings(max_examples=60)
def test_a_report_read_back_or_copied_equals_the_original(report, indent):
    written, text = report.to_dict(), report.to_json(indent)
    Draft202012Validator(SCHEMA).validate(written)
    assert Report.from_dict(written) == Report.from_json(text) == report
    assert Report.from_dict(written).to_dict() == written
    assert text.isascii()
    assert ("\n" in text) == (indent is not None)
    json.loads(text, parse_constant=pytest.fail)
    for twin in (copy.copy(report), copy.deepcopy(report), pickle.loads(pickle.dumps(report))):
        assert twin == report
        assert hash(twin) == hash(report)
        assert list(twin.blocks) == list(report.blocks)


def test_copies_are_as_frozen_as_the_original():
    block = BlockReport("w", (2,), "float64", Verdict.PASS, relative_errors=np.array([0.5, 1.0]))
    report = Report(Verdict.PASS, True, {"w": block})
    for twin in (copy.deepcopy(report), pickle.loads(pickle.dumps(report))):
        with pytest.raises(TypeError, match="does not support item assignment"):
            twin.blocks["w"] = block
        with pytest.raises(ValueError, match="read-only"):
            twin.blocks["w"].relative_errors[0] = 0
        with pytest.raises(dataclasses.FrozenInstanceError):
            twin.passed = False


def test_measured_elements_and_parts_are_copied_and_neither_compared_nor_written():
    errors, parts = np.array([0.5, 1.0]), [((slice(0, 1),), 0.5)]
    block = BlockReport(
        "w", (2,), "float64", Verdict.FAIL, relative_errors=errors, wrong_parts=parts
    )
    errors[0] = 7
    assert block.relative_errors is not None
    assert block.relative_errors.tolist() == [0.5, 1.0]
    assert block.wrong_parts == pickle.loads(pickle.dumps(block)).wrong_parts == tuple(parts)
    assert block == dataclasses.replace(block, relative_errors=None, wrong_parts=())
    report = Report(Verdict.FAIL, False, {"w": block})
    assert not {"relative_errors", "wrong_parts"} & {*report.to_dict()["blocks"]["w"]}
    assert Report.from_dict(report.to_dict()) == report


def test_one_unknown_number_equals_another_and_no_known_one():
    unknown = Element((0,), math.nan, float("nan"))
    assert unknown == Element((0,), np.float64("nan"), -math.nan)
    assert hash(unknown) == hash(Element((0,), np.float64("nan"), -math.nan))
    assert unknown != Element((0,), 0.0, math.nan)
    assert unknown != "something else"


def test_lists_become_tuples():
    block = BlockReport("w", [2, 3], "float64", Verdict.PASS, findings=[])
    report = Report(
        Verdict.PASS, True, {"w": block}, causes=[], coverage=["a"], notes=[], settings=[], rows=[1]
    )
    assert (block.shape, block.findings, report.coverage, report.rows) == ((2, 3), (), ("a",), (1,))
    assert (report.causes, report.notes, report.settings) == ((), (), ())
    assert Element([1, 2], 0.0, 0.0).index == (1, 2)
    assert Cause("S", "scale", ["w"], "s").blocks == ("w",)


def test_an_unknown_cause_is_refused_with_what_is_known():
    with pytest.raises(ValueError, match=r"unknown cause family 'Q'; known: S, R, B, D, G, W, A"):
        Cause("Q", "scale", (), "s")
    with pytest.raises(ValueError, match=r"'bias_men'; did you mean 'bias_mean'\?; see gradhook"):
        Cause("B", "bias_men", (), "s")


@pytest.mark.parametrize(
    ("analytic", "numerical", "error"),
    [(0.25, 0.5, 0.5), (-1.0, 1.0, 2.0), (0.0, 0.0, 0.0), (0.0, 3.0, 1.0)],
)
def test_relative_error_divides_by_the_larger_of_the_two(analytic, numerical, error):
    assert Element((), analytic, numerical).relative_error == error


def test_a_report_is_true_when_it_passed():
    report = sample()
    assert not report
    passed = dataclasses.replace(report, passed=np.bool_(True))
    assert bool(passed) is True


def test_unknown_and_infinite_numbers_are_written_as_json_has_them():
    record = sample().to_dict()
    assert record["format"] == 1
    assert record["verdict"] == "FAIL"
    assert type(record["verdict"]) is str
    assert record["blocks"]["b2"]["ratio"] is None
    assert (record["blocks"]["b1"]["ratio"], record["blocks"]["b1"]["ratio_error"]) == (
        "inf",
        "-inf",
    )
    assert record["blocks"]["W2"]["shape"] == [20, 10]


def test_numpy_scalars_are_written_as_plain_numbers():
    element = Element((np.int64(3),), np.float32(0.5), np.float64(2.0))
    block = BlockReport("w", (4,), "float32", Verdict.WARN, worst=element)
    report = Report(Verdict.WARN, np.bool_(False), {"w": block}, seed=np.int64(7))
    plain = report.to_dict()
    written = [plain["blocks"]["w"]["worst"][key] for key in ("index", "analytic", "numerical")]
    assert written == [[3], 0.5, 2.0]
    types = [written[0][0], *written[1:], plain["passed"], plain["seed"]]
    assert [type(value) for value in types] == [int, float, float, bool, int]


def test_the_schema_is_valid_and_names_every_field():
    Draft202012Validator.check_schema(SCHEMA)
    records = {"block": BlockReport, "finding": Finding, "element": Element, "cause": Cause}
    described = {cls: SCHEMA["$defs"][name] for name, cls in records.items()}
    described |= {Tolerance: SCHEMA["$defs"]["tolerance"]}
    for cls, schema in described.items():
        names = [field.name for field in dataclasses.fields(cls) if field.compare]
        assert list(schema["properties"]) == schema["required"] == names
    names = ["format", *(field.name for field in dataclasses.fields(Report))]
    assert list(SCHEMA["properties"]) == SCHEMA["required"] == names


def test_the_schema_knows_the_same_words():
    cause = SCHEMA["$defs"]["cause"]["properties"]
    assert cause["kind"]["enum"] == list(CAUSE_KINDS)
    assert cause["family"]["enum"] == list(CAUSE_FAMILIES)
    assert SCHEMA["$defs"]["verdict"]["enum"] == list(Verdict)


def broken() -> Iterator[tuple[str, object]]:
    """A report with one thing wrong, for every key and every value in it."""

    def places(record, path=()):
        items = record.items() if isinstance(record, dict) else enumerate(record)
        for key, value in items:
            yield (*path, key)
            if isinstance(value, (dict, list)):
                yield from places(value, (*path, key))

    good = sample().to_dict()
    for path in places(good):
        for edit in ("delete", "add", "replace"):
            record = copy.deepcopy(good)
            inside = record
            for key in path[:-1]:
                inside = inside[key]
            if edit == "replace":
                inside[path[-1]] = {"wrong": 1}
            elif path[:-1] == ("blocks",) or isinstance(inside, list):
                continue
            elif edit == "delete":
                del inside[path[-1]]
            else:
                inside["extra"] = 1
            yield f"{edit} {path}", record


def test_whatever_is_wrong_both_reader_and_schema_refuse_it():
    validator = Draft202012Validator(SCHEMA)
    Report.from_dict(sample().to_dict())
    for what, record in broken():
        assert not validator.is_valid(record), what
        with pytest.raises(ReportFormatError):
            Report.from_dict(record)


def edited(path: str, value: object) -> dict:
    record = sample().to_dict()
    inside = record
    *parents, last = path.split(".")
    for key in parents:
        inside = inside[int(key) if key.isdigit() else key]
    inside[last] = value
    return record


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("format", 2, "report.format: expected 1, got 2"),
        ("verdict", "MAYBE", "report.verdict: expected Verdict, got 'MAYBE'"),
        ("passed", 1, "report.passed: expected bool, got 1"),
        ("blocks", [], "report.blocks: expected Mapping, got []"),
        ("blocks.W2", None, "report.blocks['W2']: expected BlockReport, got None"),
        ("blocks.W2.shape", [2, 3.0], "report.blocks['W2'].shape[1]: expected int, got 3.0"),
        ("blocks.W2.where", 1, "report.blocks['W2'].where: expected str, got 1"),
        ("ratio", "nan", "report.ratio: expected float, got 'nan'"),
        ("ratio", True, "report.ratio: expected float, got True"),
        ("seed", True, "report.seed: expected int, got True"),
        ("rows", "all", "report.rows: expected tuple, got 'all'"),
        ("effort", "huge", "report.effort: expected ('quick', 'standard', 'exhaustive'), got"),
        ("ratioo", 1, "report: unknown key 'ratioo'"),
        ("blocks.W2.wrong_parts", [], "report.blocks['W2']: unknown key 'wrong_parts'"),
        ("causes.0.kind", "magic", "report.causes[0]: unknown cause kind 'magic'"),
        ("tolerance.fail", 1e-9, "report.tolerance: Tolerance.warn (1e-06) must not exceed"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_what_was_expected(path, value, message):
    with pytest.raises(ReportFormatError) as caught:
        Report.from_dict(edited(path, value))
    assert message in str(caught.value)


def test_a_missing_key_is_named():
    record = sample().to_dict()
    del record["blocks"]["W2"]["where"]
    with pytest.raises(ReportFormatError, match=r"report\.blocks\['W2'\]: missing key 'where'"):
        Report.from_dict(record)
    with pytest.raises(ReportFormatError, match=r"report\.format: expected 1, got None"):
        Report.from_dict({})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a report in JSON: Expecting property name"),
        ("[" * 100_000, "not a report in JSON"),
        ("[]", "report.format: expected 1, got None"),
    ],
)
def test_text_that_is_no_report_is_refused(text, message):
    with pytest.raises(ReportFormatError, match=message):
        Report.from_json(text)


def test_a_format_error_is_ours_and_a_value_error():
    assert issubclass(ReportFormatError, GradhookError)
    assert issubclass(ReportFormatError, ValueError)
