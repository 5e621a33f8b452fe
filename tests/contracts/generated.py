"""Objectives, parameters, batches and options drawn at random, right and wrong, for Hypothesis.

``run`` makes one check of what was drawn and says how it ended.  Only three ends are allowed: a
``Report``, the user's own exception, or an error that gradhook documents; and neither a warning of
NumPy's nor a changed byte.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
import warnings
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gradhook import L1, L2, Objective, Report, Switch, Tolerance, check_gradients, difference
from gradhook.errors import GradCheckWarning, GradhookError, InternalError, RestoreError

NAMES = st.sampled_from(["W1", "b1", "W2", "gamma", "", "a/b", "<b>", "../x", "x" * 300, "dW1"])
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
FLOATS = st.sampled_from(["f8", "f8", "f4", "f2", "g"])
LAYOUTS = ("C", "C", "C", "F", "strided", "reversed", "unaligned", "swapped", "read_only", "memmap")


def laid_out(array: Any, layout: str) -> Any:
    """The same numbers, lying otherwise in memory."""
    if layout == "F":
        return np.asfortranarray(array)
    if layout == "strided" and array.ndim:
        return np.repeat(array, 2, axis=-1)[..., ::2]
    if layout == "reversed":
        return np.ascontiguousarray(array[..., ::-1])[..., ::-1] if array.ndim else array
    if layout == "unaligned":
        memory = np.zeros(array.nbytes + 1, np.uint8)[1:]
        memory[:] = np.frombuffer(array.tobytes(), np.uint8)
        return memory.view(array.dtype).reshape(array.shape)
    if layout == "swapped":
        return array.astype(array.dtype.newbyteorder())
    if layout == "read_only":
        array.flags.writeable = False
    if layout == "memmap" and array.size:
        with tempfile.TemporaryFile() as file:
            mapped = np.memmap(file, array.dtype, "w+", shape=array.shape)
        mapped[...] = array
        return mapped
    return array


def arrays(wild: bool) -> Any:
    """Arrays of reals in any layout, and where ``wild`` of anything that looks like one."""
    plain = FLOATS.flatmap(
        lambda dtype: hnp.arrays(
            dtype, SHAPES, elements=st.floats(-16, 16, width=16) if not wild else None
        )
    )
    real = st.builds(laid_out, plain, st.sampled_from(LAYOUTS))
    if not wild:
        return real
    other = st.sampled_from(["i8", "?", "c16", "O", "S3"]).flatmap(
        lambda dtype: (
            hnp.arrays(dtype, SHAPES, elements=st.just(b"1") if dtype == "S3" else None)
            if dtype != "O"
            else st.just(np.array([None, 1], dtype=object))
        )
    )
    odd = st.sampled_from(
        [
            *(1.0, 3, None, "W", [1.0, 2.0], (), np.float32(2), np.broadcast_to(2.0, 3)),
            np.ma.masked_array([1.0], [True]),
            np.ones((1, 2)).view(np.matrix),
        ]
    )
    return real | other | odd


@st.composite
def tied(draw: Any) -> Any:
    """Parameters that share memory: twice the same, transposed, or a whole and a part."""
    memory = draw(hnp.arrays(draw(FLOATS), 12, elements=st.floats(-16, 16, width=16)))
    square = memory[:9].reshape(3, 3)
    return draw(
        st.sampled_from(
            [
                {"a": memory, "b": memory},
                {"W1": square, "W2": square.T, "b1": memory[9:]},
                {"a": memory, "b": memory[4:]},
                {"a": memory[::2], "b": memory[::3]},
                {"a": memory[:3], "b": memory[3:]},
                [memory[::2], memory[1::2], memory[0, ...]],
                {"a": np.lib.stride_tricks.sliding_window_view(memory, 3, writeable=True)},
            ]
        )
    )


def containers(leaves: Any) -> Any:
    """One array, a mapping, a list, a tuple, nested ones."""
    return st.one_of(
        leaves,
        st.dictionaries(NAMES, leaves, max_size=4),
        st.lists(leaves, max_size=3),
        st.tuples(leaves, leaves),
        tied(),
        st.dictionaries(NAMES, st.dictionaries(NAMES, leaves, max_size=2), max_size=2),
    )


class UsersError(Exception):
    """What a drawn objective raises."""


METHODS = (difference.Central(), difference.Ridders())
LOSSES = ("square", "exp", "log", "abs", "constant", "huge", "tiny", "noisy", "reciprocal")
FAULTS = (
    *("none", "none", "none", "wrong", "zero", "missing", "renamed", "shape", "nan", "type"),
    *("raises", "raises_away", "writes", "rebinds", "resizes", "deletes", "writes_batch"),
    *("not_a_number", "no_pair", "random", "accumulates", "integer", "unread"),
)


class Network:
    """An objective of many faces.

    Args:
        loss: Which function of the parameters.
        fault: What is wrong with it.
        seed: Seed of the generator that a random one draws from.
    """

    def __init__(self, loss: str, fault: str, seed: int) -> None:
        self.kind = loss
        self.fault = fault
        self.rng = np.random.default_rng(seed)
        self.buffers: dict[str, Any] = {}
        self.first: Any = None

    def __call__(self, parameters: Any, *batch: Any) -> Any:
        leaves = list(_leaves(parameters))
        if self.first is None:
            self.first = [np.array(leaf, copy=True) for leaf in leaves]
        away = any(not np.array_equal(a, b) for a, b in zip(leaves, self.first, strict=False))
        if self.fault == "raises" or (self.fault == "raises_away" and away):
            raise UsersError("as drawn")
        if self.fault == "unread":
            leaves = self.first
        shift = sum(float(np.sum(np.asarray(b, dtype=float))) for b in batch if _is_real(b))
        values, gradients = [], []
        for leaf in leaves:
            value, gradient = self._one(np.asarray(leaf), shift)
            values.append(value)
            gradients.append(gradient)
        loss: Any = sum(values)
        if self.fault == "random":
            loss = loss + self.rng.normal() * 0.1
        loss, answer = self._spoiled(loss, _like(parameters, gradients), parameters, batch)
        return loss if self.fault == "no_pair" else (loss, answer)

    def _one(self, x: Any, shift: float) -> tuple[Any, Any]:
        scale = 1 + 1e-3 * np.tanh(shift)
        functions = {
            "square": lambda: (0.5 * scale * np.sum(x * x), scale * x),
            "exp": lambda: (np.sum(np.exp(x)), np.exp(x)),
            "log": lambda: (np.sum(np.log(x)), 1 / x),
            "abs": lambda: (np.sum(np.abs(x)), np.sign(x)),
            "constant": lambda: (np.float64(3.0), np.zeros(np.shape(x))),
            "huge": lambda: (1e300 * np.sum(x * x), 2e300 * x),
            "tiny": lambda: (1e-300 * np.sum(x * x), 2e-300 * x),
            "noisy": lambda: (np.sum(x) + 1e-4 * np.sum(np.sin(1e9 * x)), np.ones(np.shape(x))),
            "reciprocal": lambda: (np.sum(1 / x), -1 / (x * x)),
        }
        return functions[self.kind]()

    def _spoiled(self, loss: Any, answer: Any, parameters: Any, batch: Any) -> tuple[Any, Any]:
        fault, leaves = self.fault, list(_leaves(answer))
        if fault == "wrong":
            answer = _like(parameters, [1.5 * g for g in leaves])
        elif fault == "zero":
            answer = _like(parameters, [0 * g for g in leaves])
        elif fault == "nan":
            answer = _like(parameters, [g + np.nan for g in leaves])
        elif fault == "shape":
            answer = _like(parameters, [np.zeros((2, 7))] * len(leaves))
        elif fault == "type":
            answer = _like(parameters, ["gradient"] * len(leaves))
        elif fault == "integer":
            answer = _like(parameters, [np.zeros(np.shape(g), int) for g in leaves])
        elif fault == "missing" and isinstance(answer, dict) and answer:
            answer.popitem()
        elif fault == "renamed" and isinstance(answer, dict):
            answer = {f"d{name}": value for name, value in answer.items()}
        elif fault == "not_a_number":
            loss = random.Random(len(leaves)).choice([None, "1", [1, 2], 1j, np.ones(2), {}])
        elif fault == "accumulates":
            for index, gradient in enumerate(leaves):
                self.buffers[index] = self.buffers.get(index, 0) + gradient
            answer = _like(parameters, [self.buffers[i] for i in range(len(leaves))])
        elif fault == "writes":
            for leaf in _leaves(parameters):
                if isinstance(leaf, np.ndarray):
                    leaf += 1
        elif fault == "resizes":
            for leaf in _leaves(parameters):
                if isinstance(leaf, np.ndarray):
                    leaf.resize(11, refcheck=False)
        elif fault == "rebinds" and isinstance(parameters, dict):
            parameters.update(dict.fromkeys(parameters, 1.0))
        elif fault == "deletes" and isinstance(parameters, dict):
            parameters.clear()
        elif fault == "writes_batch":
            for item in batch:
                if isinstance(item, np.ndarray) and _is_real(item):
                    item += 1
        return loss, answer


def _is_real(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "f"


def _leaves(node: Any) -> Any:
    if isinstance(node, dict):
        for child in list(node.values()):
            yield from _leaves(child)
    elif isinstance(node, (list, tuple)):
        for child in node:
            yield from _leaves(child)
    else:
        yield node


def _like(node: Any, leaves: list[Any]) -> Any:
    queue = list(leaves)

    def build(inner: Any) -> Any:
        if isinstance(inner, dict):
            return {name: build(child) for name, child in inner.items()}
        if isinstance(inner, (list, tuple)):
            return [build(child) for child in inner]
        return queue.pop(0)

    return build(node)


def options(wild: bool) -> Any:
    """Keywords of ``check_gradients``, some of them senseless where ``wild``."""
    sane = {
        "samples": st.sampled_from([None, 1, 2, 7]),
        "effort": st.sampled_from(["quick", "standard", "standard", "exhaustive"]),
        "seed": st.integers(0, 2**32),
        "points": st.sampled_from([None, ("generic",), ("current",), ("generic", "current")]),
        "method": st.sampled_from([None, None, *METHODS]),
        "penalty": st.sampled_from([None, None, L2(0.1), L1(0.1, "W*"), lambda p, *batch: 0.0]),
        "tolerance": st.sampled_from([Tolerance(), Tolerance(fail=1e-2)]),
        "subset": st.sampled_from([None, lambda batch, rows: batch]),
        "evaluation_mode": st.sampled_from([None, contextlib.nullcontext]),
        "state": st.sampled_from([None, [np.zeros(3)]]),
        "workers": st.sampled_from([1, map]),
        "progress": st.sampled_from([None, False]),
    }
    if wild:
        sane |= {
            "sample_axis": st.sampled_from([0, 1, -1, 5, "rows"]),
            "fixed": st.sampled_from([(), ("W1",), "W1", 3]),
            "layers": st.sampled_from([None, ("W1",), 7]),
            "dropout": st.sampled_from([None, "keep_prob", "train", Switch("p", off=0), 3]),
            "gradient_name": st.sampled_from([None, "d{}", {}, lambda name: None, 3]),
            "state": st.sampled_from([None, [np.zeros(3)], iter([1])]),
            "evaluation_mode": st.sampled_from([None, 3, warnings.catch_warnings]),
            "tolerance": st.sampled_from([None, 1e-3]),
            "samples": st.sampled_from([0, -1, 2.5, "7", True, 3]),
            "effort": st.sampled_from(["standard", "fast", None]),
            "subset": st.sampled_from([3, lambda batch, rows: None, lambda batch: batch]),
            "workers": st.sampled_from([0, 1.5, "two"]),
            "progress": st.sampled_from([3, object()]),
            "nonsense": st.just(1),
        }
    return st.fixed_dictionaries({}, optional=sane)


@st.composite
def cases(draw: Any) -> dict[str, Any]:
    """Everything that one check takes."""
    wild = draw(st.booleans())
    leaves = arrays(wild and draw(st.booleans()))
    return {
        "objective": (
            draw(st.sampled_from(LOSSES)),
            draw(st.sampled_from(FAULTS)),
            draw(st.integers(0, 9)),
        ),
        "form": draw(st.sampled_from(["functional", "in_place", "objective"])),
        "parameters": draw(containers(leaves)),
        "batch": draw(st.sampled_from([(), ()]) | st.lists(arrays(wild), max_size=2).map(tuple)),
        "options": draw(options(wild and draw(st.booleans()))),
    }


def run(case: dict[str, Any]) -> str:
    """Make the check; returns how it ended.

    Raises:
        AssertionError: A byte differs afterwards.
        Exception: The check ended in a way that is not allowed.
    """
    parameters, batch = case["parameters"], case["batch"]
    network = Network(*case["objective"])
    objective: Any = network
    arguments = (parameters,)
    if case["form"] == "in_place":
        objective = Objective(
            parameters=parameters,
            loss_and_gradients=lambda *rows: network(parameters, *rows),
            form="in_place",
        )
        arguments = ()
    elif case["form"] == "objective":
        objective = Objective(
            parameters=parameters,
            loss=lambda p, *rows: network(p, *rows)[0],
            gradients=lambda p, *rows: network(p, *rows)[1],
            form="functional",
        )
        arguments = ()
    before = _photograph(parameters, batch, network)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", GradCheckWarning)
            report = check_gradients(objective, *arguments, batch=batch, **case["options"])
    except (InternalError, RestoreError):
        raise
    except GradhookError as error:
        end = type(error).__name__ if str(error) else "an error without a message"
    except UsersError:
        assert case["objective"][1] in ("raises", "raises_away")
        end = "the user's exception"
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        # Of the drawn objective's own, where it met what it was not made for; or of an option.
        end = f"{type(error).__name__} ({'user' if _is_users(error) else 'gradhook'})"
        if not _is_users(error) and not isinstance(error, (TypeError, ValueError)):
            raise
    else:
        assert isinstance(report, Report)
        assert Report.from_json(report.to_json()).verdict == report.verdict
        assert str(report)
        assert report._repr_html_()
        end = str(report.verdict)
    after = _photograph(parameters, batch, network)
    changed = [name for name in before if before[name] != after[name]]
    assert not changed, f"left changed: {', '.join(changed)}"
    return end


def _is_users(error: BaseException) -> bool:
    trace = error.__traceback__
    files = []
    while trace is not None:
        files.append(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    return files.count(__file__) > 1


def _photograph(parameters: Any, batch: Any, network: Network) -> dict[str, Any]:
    return {
        "the parameters": _shown(parameters),
        "the batch": _shown(batch),
        "the network's generator": network.rng.bit_generator.state,
        "its buffers": _shown(network.buffers),
        "NumPy's stream": repr(np.random.get_state(legacy=False)),
        "Python's stream": random.getstate(),
    }


def _shown(node: Any) -> Any:
    if isinstance(node, dict):
        return [(name, _shown(child)) for name, child in node.items()]
    if isinstance(node, (list, tuple)):
        return type(node).__name__, [_shown(child) for child in node]
    if isinstance(node, np.ndarray) and not node.dtype.hasobject:
        return id(node), node.dtype.str, node.shape, node.flags.writeable, _numbers(node)
    return id(node)


def _numbers(array: Any) -> Any:
    """The bytes of an array; of long doubles the digits, for their padding is no number."""
    return array.tobytes() if array.dtype.char not in "gG" else [repr(x) for x in array.flat]
