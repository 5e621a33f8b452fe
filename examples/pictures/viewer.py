"""TensorBoard in a server of its own, and a browser without a window that looks at it.

Shared by ``make.py`` and by the tests.  It needs Debian's ``chromium`` and ``chromium-driver`` and
Python's ``selenium``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["PATIENCE", "Browser", "Curve", "Server", "open_browser"]

PATIENCE = 60.0
"""Seconds after which what does not answer counts as broken."""


ARGUMENTS = (
    "headless=new",
    "no-sandbox",
    "disable-gpu",
    "disable-quic",
    "disable-dev-shm-usage",
    "hide-scrollbars",
    # Nothing but the page is asked for.
    "no-first-run",
    "disable-background-networking",
    "disable-component-update",
    "disable-sync",
    # Charts are then drawn as SVG, which a test can read.
    "disable-3d-apis",
)
"""How Chromium is started; its profile is a fresh one each time, which is Selenium's default."""


class Server:
    """TensorBoard on a port of its own choice; read ``address``, and ``stop`` it in the end.

    Args:
        logdir: The folder to show.
    """

    def __init__(self, logdir: str | Path) -> None:
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logdir)]
        self._process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", "0", "--reload_interval", "1"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        # A server that never says its address would block the loop below for ever.
        watch = threading.Timer(PATIENCE, self._process.kill)
        watch.start()
        said = []
        self.address = ""
        for line in self._process.stderr:
            said.append(line)
            if match := re.search(r"http://127\.0\.0\.1:\d+", line):
                self.address = match[0]
                break
        watch.cancel()
        if not self.address:
            self.stop()
            raise RuntimeError(f"TensorBoard did not start: {''.join(said)}")
        # A full pipe would stop the server.
        threading.Thread(target=self._process.stderr.read, daemon=True).start()

    def fetch(self, route: str) -> bytes:
        """Return what the server answers on one of its data routes."""
        with urllib.request.urlopen(f"{self.address}/data/{route}", timeout=PATIENCE) as response:
            answer: bytes = response.read()
        return answer

    def get(self, route: str, **query: Any) -> Any:
        """Return an answer that is JSON."""
        return json.loads(self.fetch(f"{route}?{urllib.parse.urlencode(query)}"))

    def wait_for(self, route: str, ready: Callable[[Any], bool]) -> Any:
        """Ask until the answer is complete: the server reads its files in the background."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            answer = self.get(route)
            if ready(answer):
                return answer
            time.sleep(0.1)
        raise TimeoutError(f"{route} still answers {answer}")

    def stop(self) -> None:
        """End the server."""
        self._process.terminate()
        self._process.wait(PATIENCE)
        if self._process.stderr is not None:
            self._process.stderr.close()


@contextlib.contextmanager
def open_browser() -> Iterator[Browser]:
    """Start headless Chromium, and end it with the block."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    for argument in ARGUMENTS:
        options.add_argument(f"--{argument}")
    options.binary_location = str(shutil.which("chromium"))
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        yield Browser(driver)
    finally:
        driver.quit()


# Everything that a page shows, through all shadow trees.
EVERYTHING = """
const found = [];
const visit = (root) => {
  for (const element of root.querySelectorAll('*')) {
    found.push(element);
    if (element.shadowRoot) visit(element.shadowRoot);
  }
};
visit(document);
"""

WORDS = (
    EVERYTHING
    + """
const seen = found.filter(e => e.checkVisibility() && !['STYLE', 'SCRIPT'].includes(e.tagName));
const texts = seen.flatMap(e => [...e.childNodes].filter(n => n.nodeType === Node.TEXT_NODE));
return texts.map(n => n.textContent.trim()).filter(t => t).join('\\n');
"""
)

COUNT = (
    EVERYTHING
    + """
return found.filter(e => e.checkVisibility() && e.matches(arguments[0])).length;
"""
)

IMAGES = (
    EVERYTHING
    + """
return found.filter(e => e.tagName === 'IMG' && e.complete).map(e => e.naturalWidth);
"""
)

CARDS = (
    EVERYTHING
    + """
return found.filter(e => e.tagName === 'CARD-VIEW').map(card => ({
  title: card.innerText.split('\\n').slice(0, 2).join(''),
  runs: [...card.querySelectorAll('tb-data-table-content-row')].map(row => {
    const colour = row.querySelector('.row-circle span').style.backgroundColor;
    const paths = [...card.querySelectorAll('.series-view path')];
    return {
      cells: row.innerText.split('\\n').map(cell => cell.trim()).filter(cell => cell),
      paths: paths.filter(path => path.style.stroke === colour).map(p => p.getAttribute('d')),
    };
  }),
}));
"""
)


@dataclasses.dataclass(frozen=True)
class Curve:
    """One run in a card of the Time Series page.

    Args:
        value: Its last value, as it is written below the chart.
        points: Pixels of its line, rightwards and downwards.
    """

    value: str
    points: tuple[tuple[float, float], ...]


class Browser:
    """What the tests and the pictures need of a browser.

    Args:
        driver: Selenium's.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, address: str, *, width: int = 1280, height: int = 800) -> None:
        """Open a page in a window of a size."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        # A change of the fragment alone would not load the page anew.
        self.driver.get("about:blank")
        self.driver.get(address)

    def words(self) -> str:
        """Return every text on the page, a line for each."""
        said: str = self.driver.execute_script(WORDS)
        return said

    def count(self, selector: str) -> int:
        """Return how many elements on the page match a CSS selector."""
        number: int = self.driver.execute_script(COUNT, selector)
        return number

    def cards(self) -> dict[str, dict[str, Curve]]:
        """Return the cards of the Time Series page, and in each the curves by run."""
        cards = {}
        for card in self.driver.execute_script(CARDS):
            curves = {}
            for row in card["runs"]:
                pixels = re.findall(r"([\d.]+),([\d.]+)", " ".join(row["paths"]))
                # Run, smoothed value, value.
                run, _, value = row["cells"][:3]
                curves[run] = Curve(value, tuple((float(x), float(y)) for x, y in pixels))
            cards[card["title"]] = curves
        return cards

    def sizes_of_images(self) -> list[int]:
        """Return the width of every picture on the page that is loaded, 0 where it is broken."""
        sizes: list[int] = self.driver.execute_script(IMAGES)
        return sizes

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Wait until something is so.

        Raises:
            TimeoutError: It is never so; the message holds the words of the page.
        """
        end = time.monotonic() + PATIENCE
        while not ready():
            if time.monotonic() > end:
                raise TimeoutError(f"the page still shows:\n{self.words()}")
            time.sleep(0.1)

    def errors(self) -> list[str]:
        """Return what the console called an error since the last time."""
        log = self.driver.get_log("browser")
        return [entry["message"] for entry in log if entry["level"] == "SEVERE"]

    def picture(self, path: str | Path) -> None:
        """Save what is in the window as a PNG, once nothing moves any more."""
        before, now = b"", b"."
        end = time.monotonic() + PATIENCE
        while before != now and time.monotonic() < end:
            time.sleep(0.3)
            before, now = now, self.driver.get_screenshot_as_png()
        Path(path).write_bytes(now)
