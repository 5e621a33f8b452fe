"""The programs that a check lives in: threads, forks, copies, signals, full disks, the end."""

import copy
import gc
import json
import os
import signal
import textwrap
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import gradhook
from gradhook import GradCheckCallback, Objective, check_gradients
from gradhook.errors import NestedCheckError
from gradhook.sinks import JsonLines, Memory, TensorBoard

HERE = Path(__file__).parent


class Model:
    """A model with dropout from a generator of its own, which may hold its callback."""

    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)
        self.params = {"W": self.rng.normal(size=(3, 2)), "b": np.zeros(2)}
        self.check = None

    def loss(self, X):
        mask = (self.rng.random((len(X), 2)) < 0.8) / 0.8
        out = (X @ self.params["W"] + self.params["b"]) * mask
        return 0.5 * float(np.sum(out**2)), {"W": X.T @ (out * mask), "b": (out * mask).sum(0)}

    def left(self):
        state = self.rng.bit_generator.state["state"]["state"]
        return state, {name: array.tobytes() for name, array in self.params.items()}


def runs_below(logdir):
    """The runs of a folder; the lines of the limits are runs of nobody's."""
    return [run for run in logdir.iterdir() if run.name.startswith("gradcheck ")]


def train(model, check, steps=20, *, first=1):
    data = np.random.default_rng(9).normal(size=(8, 3))
    check.on_train_begin(batch=data)
    for step in range(first, first + steps):
        for name, gradient in model.loss(data)[1].items():
            model.params[name] -= 0.01 * gradient
        check.on_step_end(step, batch=data)
    check.on_train_end()
    return model.left()


def attached(model, **keywords):
    model.check = GradCheckCallback(model, schedule=10, on_fail="record", enabled=True, **keywords)
    return model.check


@pytest.fixture
def python(run_python):
    """Run code that may import this file, in an interpreter of its own."""

    def run(code, *, check=True, **environment):
        return run_python(textwrap.dedent(code), path=[HERE], check=check, **environment)

    return run


def test_two_threads_check_two_models_with_generators_of_their_own():
    expected = [
        train(Model(seed), GradCheckCallback(Model(seed), enabled=False)) for seed in (1, 2)
    ]
    found, errors = {}, []

    def run(seed):
        try:
            model = Model(seed)
            found[seed] = train(model, attached(model))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert [found[1], found[2]] == expected


def test_one_function_may_be_checked_by_two_threads_at_once():
    inside = threading.Barrier(2, timeout=30)
    met, errors = threading.local(), []

    def loss_and_gradients(p):
        if not getattr(met, "other", False):
            met.other = True
            inside.wait()
        return float(p["w"] @ p["w"]), {"w": 2 * p["w"]}

    def run():
        try:
            assert check_gradients(loss_and_gradients, {"w": np.ones(2)})
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_a_check_inside_a_check_of_the_same_model_is_refused():
    parameters = {"w": np.ones(2)}

    class Recursive:
        params = parameters

        def loss(self):
            check_gradients(model)
            return 0.0, parameters

    model = Recursive()
    with pytest.raises(NestedCheckError, match="another check is moving the same parameters"):
        check_gradients(model)
    assert parameters["w"].tolist() == [1, 1]


def test_a_check_that_moves_the_arrays_of_another_is_refused():
    array = np.ones(3)

    def inner():
        return float(array @ array), 2 * array

    def outer():
        check_gradients(Objective(parameters=array[:2], loss_and_gradients=inner, form="in_place"))
        return inner()

    with pytest.raises(NestedCheckError, match="another check is moving the same parameters"):
        check_gradients(Objective(parameters=array, loss_and_gradients=outer, form="in_place"))
    assert array.tolist() == [1, 1, 1]
    assert check_gradients(Objective(parameters=array, loss_and_gradients=inner, form="in_place"))


def test_a_model_is_checked_by_one_thread_at_a_time():
    model = Model()
    before = model.left()
    inside, ended = threading.Event(), threading.Event()

    class Slow(Model):
        def loss(self, X):
            inside.set()
            ended.wait(30)
            return super().loss(X)

    model.__class__ = Slow
    first = threading.Thread(target=lambda: check_gradients(model, batch=np.ones((4, 3))))
    first.start()
    inside.wait(30)
    with pytest.raises(NestedCheckError, match="check a model from one thread at a time"):
        check_gradients(model, batch=np.ones((4, 3)))
    ended.set()
    first.join()
    assert model.left() == before


def test_a_check_of_something_else_inside_a_check_is_fine():
    def inner(p):
        return float(p @ p), 2 * p

    def outer(p):
        assert check_gradients(inner, np.ones(2), effort="quick")
        return float(p["w"] @ p["w"]), {"w": 2 * p["w"]}

    assert check_gradients(outer, {"w": np.ones(2)})


def test_a_model_that_holds_its_callback_can_be_copied(tmp_path):
    model = Model()
    path = tmp_path / "checks.jsonl"
    train(model, attached(model, sinks=[JsonLines(path)], logdir=tmp_path / "runs"), steps=10)
    twin = copy.deepcopy(model)
    before = model.left()
    assert twin.left() == before
    train(twin, twin.check, steps=10, first=11)
    assert twin.left() != before
    assert model.left() == before, "the copy's callback reached into the original"
    assert len(twin.check.history) > len(model.check.history)
    # Only the original writes to its run.
    assert len(path.read_text().splitlines()) == len(model.check.history)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_workers_neither_hang_nor_write_twice(tmp_path, python):
    code = """
        import os, sys, warnings, multiprocessing
        from test_hosts import Model, attached, train
        from gradhook.sinks import JsonLines

        def work(index):
            return index + len(model.check.history)

        folder = sys.argv[1] if len(sys.argv) > 1 else os.environ["FOLDER"]
        model = Model()
        check = attached(model, logdir=folder + "/runs", sinks=[JsonLines(folder + "/checks")])
        train(model, check, steps=10)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside threads
            with multiprocessing.get_context("fork").Pool(2) as pool:
                assert pool.map(work, range(4)) == [2, 3, 4, 5]
            child = os.fork()
        if child == 0:
            check.on_step_end(20, batch=__import__("numpy").ones((4, 3)))
            check.on_train_end()
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        check.on_step_end(30, batch=__import__("numpy").ones((4, 3)))
        check.on_train_end()
    """
    python(code, FOLDER=str(tmp_path))
    steps = [json.loads(line)["step"] for line in (tmp_path / "checks").read_text().splitlines()]
    assert steps == [0, 10, 20, 30]
    found = []
    for run in runs_below(tmp_path / "runs"):
        accumulator = EventAccumulator(str(run)).Reload()
        found += [event.step for event in accumulator.Scalars("gradcheck/ratio")]
    assert sorted(found) == [0, 10, 20, 30]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX signals")
def test_a_storm_of_interrupts_leaves_no_trace(python):
    """Another thread sends pairs of SIGINT at random moments, most while a check runs."""
    code = """
        import os, random, signal, threading, time
        import numpy as np
        from test_hosts import Model, check_gradients

        model, X = Model(), np.ones((4, 3))
        before = model.left()
        armed, done = [False], [False]

        def handler(number, frame):
            if armed[0]:
                raise KeyboardInterrupt

        signal.signal(signal.SIGINT, handler)

        def send():
            rng = random.Random(4)
            while not done[0]:
                time.sleep(rng.random() * 0.01)
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(rng.random() * 0.0005)
                os.kill(os.getpid(), signal.SIGINT)

        sender = threading.Thread(target=send)
        sender.start()
        interrupted, ended = 0, time.monotonic() + 3
        while time.monotonic() < ended:
            try:
                armed[0] = True
                check_gradients(model, batch=X)
            except KeyboardInterrupt:
                interrupted += 1
            while armed[0]:
                try:
                    armed[0] = False
                except KeyboardInterrupt:
                    pass
            assert model.left() == before
            assert signal.getsignal(signal.SIGINT) is handler
        done[0] = True
        sender.join()
        assert interrupted > 20, interrupted
    """
    python(code)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX signals")
def test_an_interrupt_at_any_line_of_gradhook_leaves_no_trace(python):
    """A trace function raises a real SIGINT at lines drawn at random, anywhere in the package."""
    code = """
        import random, signal, sys
        import numpy as np
        import gradhook
        from test_hosts import Model, check_gradients

        signal.signal(signal.SIGINT, signal.default_int_handler)
        model, X = Model(), np.ones((4, 3))
        before, folder = model.left(), gradhook.__path__[0]

        def run(stop_at):
            count = 0

            def trace(frame, event, argument):
                nonlocal count
                if not frame.f_code.co_filename.startswith(folder):
                    return None
                count += event == "line"
                if count in (stop_at, stop_at + 40):  # the second one falls into the unwinding
                    signal.raise_signal(signal.SIGINT)
                return trace

            sys.settrace(trace)
            try:
                check_gradients(model, batch=X, effort="quick")
            finally:
                sys.settrace(None)
            return count

        total = run(-99)
        rng, interrupted = random.Random(5), 0
        for _ in range(60):
            try:
                run(rng.randrange(1, total // 2))  # what is cached makes a later run shorter
            except KeyboardInterrupt:
                interrupted += 1
            assert model.left() == before
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert interrupted == 60, interrupted
    """
    python(code)


def test_every_finished_check_is_on_disk_when_the_process_is_killed(tmp_path, python):
    code = """
        import os, signal
        import numpy as np
        from test_hosts import Model, attached, JsonLines

        folder = os.environ["FOLDER"]
        model = Model()
        check = attached(model, logdir=folder + "/runs", sinks=[JsonLines(folder + "/checks")])
        check.on_train_begin(batch=np.ones((4, 3)))
        check.on_step_end(10, batch=np.ones((4, 3)))
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert python(code, check=False, FOLDER=str(tmp_path)).returncode == -signal.SIGKILL
    lines = (tmp_path / "checks").read_text().splitlines()
    assert [gradhook.Report.from_json(line).step for line in lines] == [0, 10]
    (run,) = runs_below(tmp_path / "runs")
    events = EventAccumulator(str(run)).Reload().Scalars("gradcheck/ratio")
    assert [event.step for event in events] == [0, 10]


def test_the_interpreter_ends_quietly_with_a_callback_still_open(tmp_path, python):
    code = """
        import atexit, os
        import numpy as np
        from test_hosts import Model, attached, TensorBoard

        model = Model()
        check = attached(model, logdir=os.environ["FOLDER"], progress=True)
        check.on_train_begin(batch=np.ones((4, 3)))
        atexit.register(lambda: check.on_step_end(10, batch=np.ones((4, 3))))
    """
    (said,) = python(code, FOLDER=str(tmp_path)).stderr.splitlines()
    assert said == "gradhook checks the gradients of this run: PASS at step 0, next at step 10"
    (run,) = runs_below(tmp_path)
    assert len(EventAccumulator(str(run)).Reload().Scalars("gradcheck/ratio")) == 2


def sinks_that_fail(tmp_path):
    """Real places that cannot be written to."""
    file = tmp_path / "file"
    file.write_text("here first")
    gone = tmp_path / "gone"
    gone.mkdir()
    yield "a file where the folder should be", TensorBoard(file)
    yield "a file where a parent should be", JsonLines(file / "checks.jsonl")
    if Path("/dev/full").exists():
        yield "no space left", JsonLines("/dev/full")
    if Path("/proc/self").exists():
        yield "a place that takes no folders", TensorBoard("/proc/self/runs")
    yield "a writer that fails", TensorBoard(writer=BrokenWriter())


class BrokenWriter:
    def add_scalar(self, tag, value, step):
        raise ValueError("I/O operation on closed file")


def test_a_sink_that_cannot_write_is_dropped_and_training_is_the_same(tmp_path):
    expected = train(Model(), GradCheckCallback(Model(), enabled=False))
    for name, sink in sinks_that_fail(tmp_path):
        model = Model()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            left = train(model, attached(model, sinks=[sink, others := Memory()]))
        assert left == expected, name
        assert len(others.reports) == 3
        assert len(caught) == 1, name
        assert "is dropped" in str(caught[0].message)
        assert len(model.check.history) == 3
    assert (tmp_path / "file").read_text() == "here first"


def test_several_runs_into_one_folder_and_several_callbacks_on_one_loop(tmp_path):
    model = Model()
    expected = train(Model(), GradCheckCallback(Model(), enabled=False))
    checks = [
        GradCheckCallback(model, schedule=n, logdir=tmp_path, on_fail="record", enabled=True)
        for n in (5, 10)
    ]

    class Both:
        def __getattr__(self, name):
            return lambda *a, **k: [getattr(check, name)(*a, **k) for check in checks]

    assert train(model, Both()) == expected
    found = sorted(
        [e.step for e in EventAccumulator(str(run)).Reload().Scalars("gradcheck/ratio")]
        for run in runs_below(tmp_path)
    )
    assert found == [[0, 5, 10, 15, 20], [0, 10, 20]]


def test_a_model_and_its_callback_are_freed_together():
    import weakref

    model = Model()
    attached(model).on_train_begin(batch=np.ones((4, 3)))
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None


def test_a_check_keeps_no_threads_and_no_handlers():
    before = threading.active_count(), signal.getsignal(signal.SIGINT)
    assert check_gradients(Model(), batch=np.ones((4, 3)))
    assert (threading.active_count(), signal.getsignal(signal.SIGINT)) == before
