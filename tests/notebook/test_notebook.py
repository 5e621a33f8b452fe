"""A notebook, executed by a real kernel, and what it shows."""

from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

ROOT = Path(__file__).resolve().parents[2]

CELLS = (
    """
import numpy as np
from gradhook import GradCheckCallback, check_gradients, schedules
from gradhook.sinks import Progress

def loss_and_gradients(p, X, y, factor=1.0):
    residual = X @ p["w"] + p["b"] - y
    return 0.5 * np.mean(residual**2), {
        "w": factor * X.T @ residual / len(y), "b": np.array([residual.mean()])
    }

X, y = np.random.default_rng(0).normal(size=(50, 3)), np.ones(50)
parameters = {"w": np.ones(3), "b": np.zeros(1)}
""",
    "check_gradients(loss_and_gradients, parameters, batch=(X, y))",
    """
def wrong(p, X, y):
    return loss_and_gradients(p, X, y, factor=2.0)
check_gradients(wrong, parameters, batch=(X, y))
""",
    """
import time
def slow(p, X, y):
    time.sleep(0.01)
    return loss_and_gradients(p, X, y)
check_gradients(slow, parameters, batch=(X, y), progress=Progress(delay=0.05)).passed
""",
    """
check = GradCheckCallback(
    loss_and_gradients, parameters, schedule=schedules.every(5), enabled=True
)
for step in range(1, 11):
    parameters["w"] *= 0.9
    check(step, batch=(X, y))
""",
    "check.history",
)


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """The cells of the notebook after it was run from top to bottom, warnings as errors."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source.strip()) for source in CELLS]
    )
    environment = {
        "PYTHONPATH": str(ROOT),
        "GRADHOOK": "0",
        "JUPYTER_PLATFORM_DIRS": "1",
        "IPYTHONDIR": str(tmp_path_factory.mktemp("ipython")),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        client = nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3")
        client.execute()
    return notebook.cells


def results(cell, kind):
    """Return what a cell shows in one of its forms."""
    return [
        output["data"][kind]
        for output in cell.outputs
        if output.output_type in ("execute_result", "display_data") and kind in output["data"]
    ]


def test_a_report_is_shown_as_html_and_as_text(cells):
    (page,), (text,) = results(cells[1], "text/html"), results(cells[1], "text/plain")
    assert ">PASS</span>" in page
    assert page.startswith('<div class="gradhook-report">')
    assert text.startswith("<Report gradcheck: PASS, 2 blocks; largest ratio ")


def test_a_wrong_gradient_is_seen_with_its_block(cells):
    (page,) = results(cells[2], "text/html")
    assert ">FAIL</span>" in page
    assert page.index(">w</td>") < page.index(">b</td>")


def test_a_long_check_has_a_bar_of_the_notebook_that_is_gone_in_the_end(cells):
    pytest.importorskip("ipywidgets")
    assert results(cells[3], "text/plain")[-1] == "True"
    assert results(cells[3], "application/vnd.jupyter.widget-view+json")
    streams = [output for output in cells[3].outputs if output.output_type == "stream"]
    assert not streams, "a bar of text tears the output"


def test_training_with_checks_says_once_that_it_is_checked(cells):
    assert {output.name for output in cells[4].outputs} == {"stderr"}
    said = "".join(output.text for output in cells[4].outputs)
    assert said == "gradhook checks the gradients of this run: PASS at step 1, next at step 5\n"
    (text,) = results(cells[5], "text/plain")
    assert text.count("<Report gradcheck step ") == 3
