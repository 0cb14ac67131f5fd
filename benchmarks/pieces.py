"""W5: long designs, 1,373 units over 300 pieces of time: seconds and memory to compile, each in its own process.

uv run python benchmarks/pieces.py
"""

# ruff: noqa: T201  (a command prints)

from __future__ import annotations

import resource
import subprocess
import sys
import time

import numpy as np

import tocsin as tc

UNITS, PIECES, EVENTS, WIDTH = 1_373, 300, 3_000, 30.0

FORMULAS = ("1 + pieces(t, every=30)", "1 + x + pieces(t, every=30)")


def history(units: int, events: int) -> tc.History:
    """Return riots of units whose covariate differs."""
    rng, end = np.random.default_rng(1), WIDTH * PIECES
    names = [f"u{k}" for k in range(units)]
    riots = {
        "unit": rng.choice(names, events),
        "variable": ["riot"] * events,
        "state": ["yes"] * events,
        "time": rng.uniform(0.001, end, events),
    }
    riot = tc.StateVariable("riot", ["yes"], recurrent=True)
    table = {"unit": names, "x": rng.normal(size=units)}
    return tc.History(table, riots, variables=[riot], window=(0.0, end), clock="continuous")


def compiled(formula: str) -> None:
    """Compile once for a small history, so that nothing is imported later, and then for the long one."""
    cause = tc.Transition("riot", "yes", "yes", tc.baseline(formula))
    model = tc.Model([tc.StateVariable("riot", ["yes"], recurrent=True)], [cause])
    record = history(UNITS, EVENTS)
    model.compile(history(3, 10))
    assert record.numbers.enter.size == UNITS
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    model.compile(record)
    spent = time.process_time() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
    print(f"{formula}: {spent:.2f} s, {grown:.2f} GB", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        compiled(sys.argv[1])
    else:
        for each in FORMULAS:
            subprocess.run([sys.executable, __file__, each], check=True)
