"""A standard statistical battery for the streams: dieharder (R. G. Brown), fed with the draws that worlds use.

    apt-get install dieharder
    uv run python verify/battery.py [--order worlds] [--quick] [--write docs/generator.md]

One stream at a time would say little: simulations use a few draws of each of very many streams, whose keys differ
in a bit or two. So the words are taken across streams, in the orders in which worlds could come to use them:

    mixed    four draws of every clock of every world, one after the other: world by world, as simulations use them
    clocks   the first draw of every clock of a world, then of the next world
    worlds   the first draw of one clock in a million worlds, then of the next clock
    seeds    the first draw of one clock and world under seed 0, 1, 2, ...
    draws    one stream, draw after draw
    low      as `mixed`, from the low bits of each draw instead of its high ones

Each draw is `uniform`, of which 53 bits are used: its 32 high bits, or under `low` the 32 low ones, are one word.
Tests whose result is weak are repeated until they pass or fail (`-Y 1`), so that one test in two hundred that is weak
by chance says nothing. Tests that their author calls suspect or not to be used are left out. The command ends with
exit code 1 if any test fails. A whole run takes about an hour on two cores, `--quick` some minutes.
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
from tocsin.program.names import cause_key, unit_keys

ORDERS = ("mixed", "clocks", "worlds", "seeds", "draws", "low")
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


def clock_keys() -> np.ndarray:
    """Return the keys of the clocks of 82 units and twelve causes, as a program makes them of names."""
    units = unit_keys([f"unit {number}" for number in range(82)])
    moves = ("regime: old > soviet", "regime: soviet > old", "army: loyal > mutinous")
    causes = [
        cause_key(move, cause) for move in moves for cause in ("baseline", "land_border", "language", "front")
    ]
    return np.array([combine(unit, np.uint64(cause)) for cause in causes for unit in units], dtype=np.uint64)


@nb.njit
def fill(words: np.ndarray, start: int, clocks: np.ndarray, order: int) -> None:
    """Put the words start, start + 1, ... of an order into an array."""
    for place in range(words.size):
        number = start + place
        seed, world, clock, draw = 1917, 0, 0, 0
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
            seed = number
        else:
            draw = number
        drawn = uniform(combine(np.uint64(seed), np.uint64(world)), clocks[clock], draw)
        if order == 5:
            words[place] = np.uint64(drawn * 9007199254740992.0) & np.uint64(0xFFFFFFFF)
        else:
            words[place] = np.uint64(drawn * 4294967296.0)


def run(order: str, test: int, parameter: int | None) -> list[tuple[str, str, float, str]]:
    """Run one test on the words of an order; return name, parameter, p and verdict of each of its statistics."""
    command = ["dieharder", "-g", "200", "-d", str(test), "-Y", "1", "-D", "test_name", "-D", "ntuple"]
    command += ["-D", "pvalues", "-D", "assessment", "-c", "|"]
    if parameter is not None:
        command += ["-n", str(parameter)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    words, clocks, start = np.empty(BLOCK, dtype=np.uint32), clock_keys(), 0
    try:
        while process.poll() is None:
            fill(words, start, clocks, ORDERS.index(order))
            process.stdin.write(words.data)
            start += BLOCK
    except BrokenPipeError:  # the test has had enough
        pass
    found = []
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
    chosen = parser.parse_args()
    if shutil.which("dieharder") is None:
        print("dieharder is not installed: apt-get install dieharder", file=sys.stderr)
        return 2
    begin = time.monotonic()
    tests = SHORT if chosen.quick else {**SHORT, **LONG}
    rows: dict[tuple[str, str], dict[str, str]] = {}
    verdicts: list[str] = []
    for order in chosen.order:
        for test, asked in ((test, each) for test, wanted in tests.items() for each in wanted):
            for name, parameter, p, verdict in run(order, test, asked):
                verdicts.append(verdict)
                mark = "" if verdict == "PASSED" else f" {verdict}"
                row = rows.setdefault((name, parameter), {})
                row[order] = f"{row[order]}, {p:.3f}{mark}" if order in row else f"{p:.3f}{mark}"
                print(f"{order:8}{name:24}{parameter:>4}  {p:.6f}  {verdict}", flush=True)
    failed = verdicts.count("FAILED")
    lines = [
        "# The generator under dieharder\n",
        f"`python verify/battery.py {' '.join(sys.argv[1:])}` on {time.strftime('%Y-%m-%d')}: {len(verdicts)} "
        f"p-values, {failed} failed, {verdicts.count('WEAK')} weak; {time.monotonic() - begin:.0f} s on "
        f"{os.cpu_count()} cores, Python {platform.python_version()}, numba {version('numba')}. The columns are "
        "orders in which the words of many streams are taken (see `verify/battery.py`); a test with several "
        "statistics has several p-values.\n",
        "| test | tuple | " + " | ".join(chosen.order) + " |",
        "| --- | ---: |" + " ---: |" * len(chosen.order),
        *(
            f"| {name} | {parameter} | " + " | ".join(row.get(order, "") for order in chosen.order) + " |"
            for (name, parameter), row in rows.items()
        ),
    ]
    print(f"\n{len(verdicts)} p-values, {failed} failed, {verdicts.count('WEAK')} weak")
    if chosen.write is not None:
        chosen.write.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
