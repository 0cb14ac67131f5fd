"""How quickly the explorer answers a what-if of 2,000 worlds, and how many frames a second scrubbing has.

    uv run --all-extras --group browser python benchmarks/explorer.py [--questions N] [--history 1917]

A real server and a real browser on this machine. Each what-if is new to the server: its answer is what the page
asks for, the counts of every unit and day and the table of differences, over HTTP, one after the other. Parts are
timed inside the same process. Frames are those in which the cursor moved by a week in a browser of 1440 x 900,
drawn by the processor alone.
"""

# ruff: noqa: T201  (a command prints)

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np

from tocsin.explorer import answers
from tocsin.explorer.app import application
from tocsin.explorer.questions import Limits, Question, Scenario
from tocsin.explorer.run import Laboratory, open_laboratory
from tocsin.explorer.serve import config_of

SCRUB = """() => new Promise((done) => {
    const { state, calendar } = window.tocsinPage;
    state.set({ i: 0 });
    const [begun, gaps] = [performance.now(), []];
    let last = begun;
    const frame = (now) => {
        gaps.push(now - last);
        last = now;
        const i = state.get("i") + 7;
        if (i >= calendar.count || now - begun > 8000) {
            done(gaps.slice(2));
            return;
        }
        state.set({ i });
        requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
})"""


def sentences(laboratory: Laboratory) -> Iterator[str]:
    """Yield what-ifs of every kind, each different from all before it."""
    history = laboratory.history
    wave = laboratory.wave
    layers = [f"remove layer {name}" for name in history.layers]
    prevented = [f"prevent {unit} {wave}" for unit in history.numbers.units]
    scaled = (
        f"scale {name} by {0.2 + 0.05 * n:.2f}"
        for n in itertools.count()
        for name in history.numbers.covariates
        if n != 16
    )
    weaker = (f"scale layer {name} by {0.2 + 0.05 * n:.2f}" for n in range(16) for name in history.layers)
    for four in zip(itertools.cycle(prevented), scaled, weaker, strict=False):
        if layers:
            yield layers.pop()
        yield from four


def served(laboratory: Laboratory) -> tuple[Any, str]:
    """Serve a laboratory on a free port; return the server and its address."""
    import uvicorn

    config = config_of(application(laboratory))
    config.port = 0
    server = uvicorn.Server(config)
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.05)
    return server, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"


def answered(address: str, sentence: str) -> float | None:
    """Return the seconds until both answers about a new what-if are there; None where it is refused."""
    start = time.perf_counter()
    with httpx.Client(timeout=60) as client:
        for name in ("worlds", "difference"):
            answer = client.get(f"{address}api/{name}", params={"do": sentence, "seed": 1917})
            if answer.status_code == 422:
                return None
            answer.raise_for_status()
    return time.perf_counter() - start


def parts(laboratory: Laboratory) -> dict[str, float]:
    """Return the median milliseconds of each part of an answer."""
    from tocsin.ensemble.simulate import recipe_of

    plain = laboratory.standard
    do = laboratory.reader.sentences(["scale food_crisis by 0.7"], "do")
    scenario = Scenario(do, plain.worlds, plain.seed)
    question = Question(scenario, plain, laboratory.wave)
    part = laboratory.part(laboratory.wave)
    laboratory.worlds(scenario, laboratory.wave)
    steps: dict[str, Callable[[], Any]] = {
        "change the program": lambda: recipe_of(part.program, part.vector, plain.seed, do),
        "draw the worlds (with the change)": lambda: laboratory._draw(scenario, part),
        "counts and curve": lambda: answers.worlds_scene(laboratory, scenario, laboratory.wave),
        "table of differences": lambda: answers.difference_scene(laboratory, question),
    }
    found = {}
    for name, act in steps.items():
        times = []
        for _ in range(5):
            start = time.perf_counter()
            act()
            times.append(time.perf_counter() - start)
        found[name] = 1000 * statistics.median(times)
    return found


def frames(address: str) -> dict[str, tuple[float, float]]:
    """Return for some views the median frames a second, and those of the slowest twentieth."""
    from playwright.sync_api import sync_playwright

    views = {
        "what happened": "?map=record",
        "the worlds": "?map=worlds",
        "side by side": "?map=sides&do=remove+layer+comintern&unit=hungary",
        "difference": "?map=change&do=remove+layer+comintern",
        "the world, with ties": "?view=world&map=worlds&ties=comintern,land_border",
    }
    found = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        for name, query in views.items():
            page.goto(address + query)
            page.wait_for_selector("body[data-ready]:not(.busy)", timeout=60_000)
            page.wait_for_timeout(500)
            gaps = np.array(page.evaluate(SCRUB))
            found[name] = (1000 / float(np.median(gaps)), 1000 / float(np.quantile(gaps, 0.95)))
        browser.close()
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=60)
    parser.add_argument("--history", default="1917")
    given = parser.parse_args()
    start = time.perf_counter()
    laboratory = open_laboratory(given.history, limits=Limits(burst=1e9))
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    print(f"ready after {time.perf_counter() - start:.1f} s (fit, {laboratory.limits.worlds:,} worlds)")
    _, address = served(laboratory)
    busy = time.process_time()
    times = [
        seconds
        for sentence in itertools.islice(sentences(laboratory), given.questions)
        if (seconds := answered(address, sentence)) is not None
    ]
    print(f"{len(times)} what-ifs of {laboratory.limits.worlds:,} worlds, each asked for the first time:")
    for name, level in (("median", 0.5), ("95th percentile", 0.95), ("slowest", 1.0)):
        print(f"  {name}: {1000 * float(np.quantile(times, level)):.0f} ms")
    busy = (time.process_time() - busy) / len(times)
    print(f"  processor time of one, server and client: {1000 * busy:.0f} ms")
    for name, milliseconds in parts(laboratory).items():
        print(f"  of which {name}: {milliseconds:.0f} ms")
    print("frames a second while scrubbing, median and slowest twentieth:")
    for name, (median, slow) in frames(address).items():
        print(f"  {name}: {median:.0f}, {slow:.0f}")


if __name__ == "__main__":
    main()
