"""Profile the kernels: nanoseconds an event, where they go, and how far they are from the floor.

    uv run --group benchmarks python benchmarks/kernels.py [--quick] [--plot benchmarks/growth.svg]

Runs on one core. An event's time is split into drawing it (the kernel) and keeping it (the Arrow table). The floors
are what memory and arithmetic alone cost on such machines: in W1 55 ns an event (rates of 50 units in three layers
changed); in W2 100 ns where reads overlap and 400 ns where each waits for the last. The named floor of W2 is the second
for worlds that outgrow the caches. Growth is the exponent g of time ~ units^g between two sizes; n log n gives 1.1.
"""

# ruff: noqa: T201, E402  (a command prints, and chooses its threads before Numba is imported)

from __future__ import annotations

import argparse
import itertools
import math
import os
import sys
from pathlib import Path
from typing import Any

for name in ("NUMBA", "OMP", "OPENBLAS"):
    os.environ.setdefault(f"{name}_NUM_THREADS", "1")

import measure
import numba as nb
import numpy as np
from ours import w1, w2
from run import machine, number, table

from tocsin.ensemble.simulate import recipe_of
from tocsin.kernels.streams import threshold, uniform

FLOORS = {"W1": 55.0, "small": 100.0, "large": 400.0}


def profile(program: Any, params: Any, worlds: int, repeats: int) -> dict[str, float]:
    """Return seconds to draw and to keep worlds, and their events."""
    recipe, _ = recipe_of(program, program.pack(params), 1)
    drawn = recipe.draw(0, worlds)
    return {
        "draw": measure.seconds(lambda _: recipe.draw(0, worlds), repeats),
        "keep": measure.seconds(lambda _: recipe.table([recipe.columns(drawn)]), repeats),
        "prepare": measure.seconds(lambda _: recipe_of(program, program.pack(params), 1), repeats),
        "events": float(drawn.counts.sum()),
    }


@nb.njit
def _draws(count: int) -> float:
    total = 0.0
    for k in range(count):
        total += uniform(np.uint64(7), np.uint64(k), 0)
    return total


@nb.njit
def _thresholds(count: int) -> float:
    total = 0.0
    for k in range(count):
        total += threshold(np.uint64(7), np.uint64(k), 0)
    return total


@nb.njit(error_model="numpy")
def _rows(count: int) -> float:
    row = np.empty(64)
    for k in range(count // 64):
        for i in range(64):
            row[i] = threshold(np.uint64(k), np.uint64(i), 0)
    return row[0]


def streams() -> str:
    """Return the table of what a draw costs."""
    count = 5_000_000
    rows = []
    for label, work in (
        ("uniform of a stream", _draws),
        ("threshold: its logarithm too", _thresholds),
        ("threshold, of a row of 64 at once", _rows),
    ):
        work(1)
        rows.append([label, number(1e9 * measure.seconds(lambda _, work=work: work(count), 3) / count)])
    return table(["", "ns a draw"], rows)


def row_of(label: str, told: dict[str, float], floor: float) -> list[str]:
    """Return a line of the table of events."""
    each = 1e9 / told["events"]
    draw = told["draw"] * each
    return [
        label,
        number(told["events"]),
        number(draw),
        number(told["keep"] * each),
        number(floor),
        f"{floor / draw:.0%}",
        number(told["prepare"]),
    ]


def exponent(sizes: list[int], seconds: list[float], low: int, high: int) -> float:
    """Return g of time ~ units^g between two sizes."""
    first, last = sizes.index(low), sizes.index(high)
    return math.log(seconds[last] / seconds[first]) / math.log(high / low)


def plot(path: Path, sizes: list[int], kinds: dict[str, list[float]]) -> None:
    """Draw seconds against units, with n log n through the smallest world of each, and say the exponents."""
    import altair as alt
    import pandas as pd

    rows = []
    low, high = (10_000, 1_000_000) if 1_000_000 in sizes else (sizes[0], sizes[-1])
    said = [f"units^{exponent(sizes, seconds, low, high):.2f} for {kind}" for kind, seconds in kinds.items()]
    for kind, seconds in kinds.items():
        base = seconds[0] / (sizes[0] * math.log(sizes[0]))
        for size, taken in zip(sizes, seconds, strict=True):
            rows += [
                {"units": size, "seconds": taken, "kind": kind, "what": "measured"},
                {"units": size, "seconds": base * size * math.log(size), "kind": kind, "what": "n log n"},
            ]
    title = alt.Title(
        "One large world: seconds to draw it, on one core",
        subtitle=f"From {low:,} to {high:,} units time grows as {' and '.join(said)}",
        anchor="start",
    )
    said_by = alt.Legend(title=None, symbolType="stroke", symbolStrokeWidth=2, symbolSize=300)
    chart = (
        alt.Chart(pd.DataFrame(rows), title=title, width=440, height=280)
        .mark_line(strokeWidth=2)
        .encode(
            alt.X("units", axis=alt.Axis(format="~s", tickCount=4))
            .scale(type="log")
            .title("units, ten ties each"),
            alt.Y("seconds", axis=alt.Axis(format="~g", tickCount=6))
            .scale(type="log")
            .title("seconds a world"),
            alt.Color("kind", legend=said_by).scale(domain=list(kinds), range=["#1f5a93", "#b5541c"]),
            alt.StrokeDash("what", legend=said_by).scale(
                domain=["measured", "n log n"], range=[[1, 0], [4, 4]]
            ),
        )
    )
    chart.save(str(path))


def main() -> None:
    """Profile and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="up to 100,000 units")
    parser.add_argument("--largest", type=int, default=1_000_000, help="units of the largest world")
    parser.add_argument("--plot", type=Path, help="where to draw growth, .svg or .png")
    chosen = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print("# Kernels\n\n" + machine())
    print("## Draws\n\n" + streams())
    program, params = w1()
    rows = [row_of("W1: 50 units, three dense layers", profile(program, params, 5000, 5), FLOORS["W1"])]
    largest = 100_000 if chosen.quick else chosen.largest
    sizes = [size for size in (1000, 10_000, 100_000, 1_000_000, 3_000_000) if size <= largest]
    kinds: dict[str, list[float]] = {"SIR": [], "SIS": []}
    for kind, seconds in kinds.items():
        for size in sizes:
            history, model, params = w2(kind, size)
            told = profile(
                model.compile(history), params, 1, 5 if size < 100_000 else 3 if size < 3_000_000 else 1
            )
            seconds.append(told["draw"])
            floor = FLOORS["small" if size <= 10_000 else "large"]
            rows.append(row_of(f"W2: {kind} of {size:,} units", told, floor))
            print(f"  {kind} {size}", file=sys.stderr, flush=True)
    head = [
        "",
        "events",
        "draw, ns an event",
        "keep, ns an event",
        "floor, ns",
        "share of floor",
        "prepare, s",
    ]
    print("## Events\n\n" + table(head, rows))
    growth = []
    for kind, seconds in kinds.items():
        steps = zip(sizes, sizes[1:], seconds, seconds[1:], strict=False)
        growth.append([kind, *(f"{math.log(d / c) / math.log(b / a):.2f}" for a, b, c, d in steps)])
    print("## Growth\n\n" + table(["", *(f"{a:,} to {b:,}" for a, b in itertools.pairwise(sizes))], growth))
    if chosen.plot is not None:
        plot(chosen.plot, sizes, kinds)


if __name__ == "__main__":
    main()
