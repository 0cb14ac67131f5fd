"""A million worlds of the packaged 1917, kept as Parquet parts, and questions to them: time, memory and disk.

    uv run --group benchmarks python benchmarks/million.py --to FOLDER [--worlds 1000000]

Each line is measured in a process of its own, so that its peak of memory is its own. The folder is left behind.
"""

# ruff: noqa: T201  (a command prints)

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import tocsin as tc

SEED = 1917


def replay(folder: Path, worlds: int) -> None:
    """Simulate the worlds into the folder, and say how far it is."""
    history = tc.load_history("1917")
    fit = tc.Model.from_toml(history.model_path).fit(history)
    begin = time.perf_counter()

    def tell(done: int, total: int) -> None:
        left = (time.perf_counter() - begin) * (total - done) / max(done, 1)
        print(f"\r{done:,} of {total:,} worlds, {left:,.0f} s to go ", end="", file=sys.stderr, flush=True)

    fit.simulate(history, worlds=worlds, seed=SEED, folder=folder, progress=tell)
    print(file=sys.stderr)


QUESTIONS: dict[str, Callable[[tc.Ensemble], object]] = {
    "sql, entries by unit and state": lambda e: e.sql('SELECT unit, "to", count(*) FROM events GROUP BY ALL'),
    "counts": lambda e: e.counts("regime", "soviet"),
    "probability": lambda e: e.probability("regime", "soviet"),
    "curve": lambda e: e.curve("regime", "soviet"),
    "summary": lambda e: e.summary("regime", "soviet"),
}


def one(folder: Path, what: str, worlds: int) -> None:
    """Do one thing, and print what it took."""
    begin = time.perf_counter()
    if what == "worlds":
        replay(folder, worlds)
    else:
        ensemble = tc.Ensemble.read(folder, tc.load_history("1917"))
        begin = time.perf_counter()
        QUESTIONS[what](ensemble)
    taken = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"| {what} | {taken:.3g} | {peak:.2f} |", flush=True)


def main() -> None:
    """Measure each thing in a process of its own."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--to", type=Path, required=True, help="folder of the worlds")
    parser.add_argument("--worlds", type=int, default=1_000_000)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.only:
        one(chosen.to, chosen.only, chosen.worlds)
        return
    print("|  | s | peak, GB |\n| --- | ---: | ---: |", flush=True)
    for what in ("worlds", *QUESTIONS):
        asked = ["--to", str(chosen.to), "--worlds", str(chosen.worlds), "--only", what]
        subprocess.run([sys.executable, __file__, *asked], check=True)
    disk = sum(path.stat().st_size for path in chosen.to.rglob("*") if path.is_file()) / 1e9
    events = (
        tc.Ensemble.read(chosen.to, tc.load_history("1917")).sql("SELECT count(*) FROM events").iloc[0, 0]
    )
    print(f"\n{chosen.worlds:,} worlds, {events / 1e6:,.0f} million events, {disk:.1f} GB on disk.")


if __name__ == "__main__":
    main()
