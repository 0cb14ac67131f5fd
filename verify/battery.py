"""A standard statistical battery for the streams: dieharder (R. G. Brown), fed with the draws that worlds use.

    apt-get install dieharder
    uv run python verify/battery.py [--order worlds] [--quick] [--write docs/generator.md]
    uv run python verify/battery.py --order worlds control --test 16 --seeds 101 170      (one test, many seeds)

One stream at a time would say little: simulations use a few draws of each of very many streams, whose keys differ
in a bit or two. So the words are taken across streams, in the orders in which worlds could come to use them:

    mixed    four draws of every clock of every world, one after the other: world by world, as simulations use them
    clocks   the first draw of every clock of a world, then of the next world
    worlds   the first draw of one clock in a million worlds, then of the next clock
    seeds    the first draw of one clock and world under seed 0, 1, 2, ...
    draws    one stream, draw after draw
    low      as `mixed`, from the 32 lowest of 52 bits of each draw instead of its 32 highest
    control  NumPy's PCG64, to see what the battery says of a generator that nobody doubts

Tests that their author calls suspect or not to be used are left out. A test whose result is weak (p below 0.005 or
above 0.995, as one in a hundred is by chance) is continued with more data until it passes or fails (`-Y 1`). The
command ends with exit code 1 if a test fails, that of the control excepted. A whole run takes about an hour on two
cores, `--quick` ten minutes.
"""

# ruff: noqa: T201  (a command prints)

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numba as nb
import numpy as np

from tocsin.kernels.streams import combine, uniform
from tocsin.program.parameters import cause_key, unit_keys

ORDERS = ("mixed", "clocks", "worlds", "seeds", "draws", "low", "control")
# Tests by number, each with the tuples or lags that it is run for (None: its own).
SHORT: dict[int, tuple[int | None, ...]] = {
    **dict.fromkeys((0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 15, 16, 100, 101, 102), (None,)),
    202: (5,),
    **dict.fromkeys((204, 205, 206, 207, 208, 209), (None,)),
}
LONG: dict[int, tuple[int | None, ...]] = {
    13: (None,),
    17: (None,),
    200: (3, 6),
    201: (2, 5),
    203: (0, 5, 15),
}
DRAWS, WORLDS, BLOCK = 4, 1_000_000, 1 << 20
SEED = 1917
Result = tuple[str, str, float, str]  # name, tuple, p and verdict of a statistic

FINDINGS = """## What it has found

- The lowest of the 53 bits of a draw, which `low` once took too, is not random, and failed ten tests: a draw is
  (k + 1/2) / 2^53, and from k = 2^52 on the half is lost to rounding, so that the bit is zero there. The word behind it
  is sound. It moves a threshold in its sixteenth digit; only the largest word gives a draw of exactly 1.
- `rgb_kstest_test` on `worlds` has p = 0.00001 under seed 1917 and then passes when continued. Under seeds 11 to 30
  its p-values lie between 0.03 and 0.85. The test is itself uneven: of eight seeds with five times the data
  (`--test 204 --samples 5000`), PCG64 had p = 0.0001 and 0.000007; the streams' lowest was 0.006.
- `diehard_craps` was high in three orders (0.996, 0.997, 0.999), and in 24 further seeds of `worlds` 8 of its 48
  p-values exceeded 0.98 (PCG64: 2). Seeds 101 to 170, drawn afterwards to settle it, had 6 of 140 (PCG64: 5; expected
  2.8) with a mean of 0.57 (PCG64: 0.52): the test leans high for both, and the rest is within what chance gives.
- Most of the other weak values are of `sts_serial`, whose thirty statistics are not independent of each other.
"""


def clock_keys() -> np.ndarray:
    """Return the keys of the clocks of 82 units and twelve causes, as a program makes them of names."""
    units = unit_keys([f"unit {number}" for number in range(82)])
    moves = ("regime: old > soviet", "regime: soviet > old", "army: loyal > mutinous")
    causes = [
        cause_key(move, cause) for move in moves for cause in ("baseline", "land_border", "language", "front")
    ]
    return np.array([combine(unit, np.uint64(cause)) for cause in causes for unit in units], dtype=np.uint64)


@nb.njit
def fill(words: np.ndarray, start: int, clocks: np.ndarray, order: int, first_seed: int) -> None:
    """Put the words start, start + 1, ... of an order into an array."""
    for place in range(words.size):
        number = start + place
        seed, world, clock, draw = first_seed, 0, 0, 0
        if order == 0 or order == 5:
            draw = number % DRAWS
            clock = (number // DRAWS) % clocks.size
            world = number // (DRAWS * clocks.size)
        elif order == 1:
            clock, world = number % clocks.size, number // clocks.size
        elif order == 2:
            world, clock = number % WORLDS, (number // WORLDS) % clocks.size
            draw = number // (WORLDS * clocks.size)
        elif order == 3:
            seed = first_seed - SEED + number
        else:
            draw = number
        drawn = uniform(combine(np.uint64(seed), np.uint64(world)), clocks[clock], draw)
        if order == 5:
            words[place] = np.uint64(drawn * 4503599627370496.0) & np.uint64(0xFFFFFFFF)
        else:
            words[place] = np.uint64(drawn * 4294967296.0)


def run(order: str, test: int, parameter: int | None) -> list[tuple[Result, str]]:
    """Run one test on the words of an order; return its statistics, each with its verdict in the end."""
    first = once(order, test, parameter, "0")
    if all(verdict == "PASSED" for *_, verdict in first):
        return [(result, "PASSED") for result in first]
    # Continued from the same words; the last round has the last say.
    last = once(order, test, parameter, "1")[-len(first) :]
    return [(result, verdict) for result, (*_, verdict) in zip(first, last, strict=True)]


def once(
    order: str, test: int, parameter: int | None, resolve: str, seed: int = SEED, samples: int | None = None
) -> list[Result]:
    """Feed dieharder with the words of an order and return what it says of them."""
    command = ["dieharder", "-g", "200", "-d", str(test), "-Y", resolve, "-D", "test_name", "-D", "ntuple"]
    command += ["-D", "pvalues", "-D", "assessment", "-c", "|"]
    if parameter is not None:
        command += ["-n", str(parameter)]
    if samples is not None:
        command += ["-p", str(samples)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdin is not None and process.stdout is not None
    words, clocks, start = np.empty(BLOCK, dtype=np.uint32), clock_keys(), 0
    control = np.random.Generator(np.random.PCG64(seed))
    try:
        while process.poll() is None:
            if order == "control":
                words = control.integers(0, 2**32, BLOCK, dtype=np.uint32)
            else:
                fill(words, start, clocks, ORDERS.index(order), seed)
            process.stdin.write(words.data)
            start += BLOCK
    except BrokenPipeError:  # the test has had enough
        pass
    found: list[Result] = []
    for line in process.stdout.read().decode().splitlines():
        fields = [field.strip() for field in line.split("|")]
        if len(fields) >= 4 and fields[3] in ("PASSED", "WEAK", "FAILED"):
            found.append((fields[0], fields[1], float(fields[2]), fields[3]))
    process.stdout.close()
    process.wait()
    if not found:
        raise SystemExit(f"dieharder said nothing about test {test}")
    return found


def main() -> int:
    """Run the battery and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--order", nargs="+", choices=ORDERS, default=list(ORDERS))
    parser.add_argument("--quick", action="store_true", help="without the five longest tests")
    parser.add_argument("--write", type=Path, metavar="FILE", help="also write the result as Markdown")
    parser.add_argument("--test", type=int, help="one test alone, by its number (dieharder -l)")
    parser.add_argument("--seeds", type=int, nargs=2, default=(SEED, SEED), metavar=("FIRST", "LAST"))
    parser.add_argument("--samples", type=int, help="how many p-values a test combines (dieharder -p)")
    chosen = parser.parse_args()
    if shutil.which("dieharder") is None:
        print("dieharder is not installed: apt-get install dieharder", file=sys.stderr)
        return 2
    if chosen.test is not None:
        for order in chosen.order:
            for seed in range(chosen.seeds[0], chosen.seeds[1] + 1):
                values = [p for _, _, p, _ in once(order, chosen.test, None, "0", seed, chosen.samples)]
                print(f"{order:8} seed {seed:5}  {'  '.join(f'{p:.6f}' for p in values)}", flush=True)
        return 0
    begin = time.monotonic()
    tests = SHORT if chosen.quick else {**SHORT, **LONG}
    rows: dict[tuple[str, str], dict[str, str]] = {}
    verdicts: list[str] = []
    found: list[float] = []
    for order in chosen.order:
        for test, asked in ((test, each) for test, wanted in tests.items() for each in wanted):
            for (name, parameter, p, verdict), last in run(order, test, asked):
                if order != "control":
                    verdicts.append(last)
                    found.append(p)
                mark = "" if verdict == "PASSED" else f" ({verdict.lower()}, then {last.lower()})"
                row = rows.setdefault((name, parameter), {})
                row[order] = f"{row[order]}, {p:.3g}{mark}" if order in row else f"{p:.3g}{mark}"
                print(f"{order:8}{name:24}{parameter:>4}  {p:.6f}  {verdict} {last}", flush=True)
    failed = verdicts.count("FAILED")
    extreme = sum(p < 0.005 or p > 0.995 for p in found)
    summary = (
        f"{len(verdicts)} p-values of the streams, {extreme} of them below 0.005 or above 0.995 "
        f"({0.01 * len(verdicts):.1f} expected); {failed} failed in the end"
    )
    lines = [
        "# The generator under dieharder\n",
        f"`python verify/battery.py {' '.join(sys.argv[1:])}` on {time.strftime('%Y-%m-%d')}: {summary}. "
        f"It took {time.monotonic() - begin:.0f} s on {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"numba {version('numba')}.\n",
        "The columns are orders in which the words of many streams are taken, and a control (PCG64); "
        "`verify/battery.py` says how. A test with several statistics has several p-values.\n",
        FINDINGS,
        "## Every p-value\n",
        "| test | tuple | " + " | ".join(chosen.order) + " |",
        "| --- | ---: |" + " ---: |" * len(chosen.order),
        *(
            f"| {name} | {parameter} | " + " | ".join(row.get(order, "") for order in chosen.order) + " |"
            for (name, parameter), row in rows.items()
        ),
    ]
    print(f"\n{summary}")
    if chosen.write is not None:
        chosen.write.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
