"""Run the works W1-W3b with ours and with the rivals, in one go, and print tables with ratios.

    uv run --group benchmarks python benchmarks/run.py [--work W1 W2 W3 W3b] [--quick] [--write]

Every contender runs in a process, and every rival in an environment of its own, which uv makes; the first
time it downloads the rival. Times are medians of a few repeats; compiling is kept out of them and told beside
them. Ratios hold for one run; absolute figures depend on the machine and what else it does. `--write` keeps
the result in benchmarks/RESULTS.md. graph-tool takes part where the system's Python has it (Debian:
python3-graph-tool).
"""

# ruff: noqa: T201  (a command prints)

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SYSTEM = "/usr/bin/python3"
OURS = "tocsin"


@dataclass(frozen=True)
class Contender:
    """Who takes part: a name, the packages of its environment (None: that of Tocsin), and its script."""

    name: str
    script: str
    packages: tuple[str, ...] | None = None
    arguments: tuple[str, ...] = ()
    system: bool = False

    def command(self, *arguments: str) -> list[str]:
        """Return the command line that runs it."""
        script = [str(HERE / self.script), *arguments, *self.arguments]
        if self.system:
            return [SYSTEM, *script]
        if self.packages is None:
            return [sys.executable, *script]
        wanted = [part for package in self.packages for part in ("--with", package)]
        uv = ["uv", "run", "--quiet", "--isolated", "--no-project", "--python", platform.python_version()]
        return [*uv, *wanted, "python", "-W", "ignore", *script]


EON, EPIWORLD = ("EoN==2.0",), ("epiworldpy==0.17.0.post2",)
W1 = [
    Contender(OURS, "ours.py"),
    Contender("bespoke Numba loop", "rivals/bespoke_w1.py"),
    Contender("epiworldpy", "rivals/epiworld.py", EPIWORLD),
    Contender("fastgemf", "rivals/gemf.py", ("fastgemf==0.1.4",)),
    Contender("EoN fast_simple_contagion", "rivals/eon.py", EON, ("fast",)),
    Contender("Mesa", "rivals/mesa_w1.py", ("mesa==3.3.1",)),
    Contender("EoN Gillespie_complex_contagion", "rivals/eon.py", EON, ("complex",)),
]
THREADED = {OURS, "bespoke Numba loop", "epiworldpy"}
W2 = [
    Contender(OURS, "ours.py"),
    Contender("bespoke Numba, indexed heap", "rivals/bespoke_w2.py"),
    Contender("graph-tool, steps of 0.1", "rivals/graphtool_w2.py", system=True),
    Contender("epiworldpy, steps of 0.1", "rivals/epiworld.py", EPIWORLD),
    Contender("EoN fast_SIR, fast_SIS", "rivals/eon.py", EON),
    Contender("NDlib, steps of 0.1", "rivals/ndlib_w2.py", ("ndlib==6.0.1", "six")),
]
# The largest world of each in a quick run and in a whole one.
W2_LARGEST = {
    OURS: (1_000_000, 1_000_000),
    "bespoke Numba, indexed heap": (1_000_000, 1_000_000),
    "graph-tool, steps of 0.1": (100_000, 1_000_000),
    "epiworldpy, steps of 0.1": (100_000, 1_000_000),
    "EoN fast_SIR, fast_SIS": (10_000, 100_000),
    "NDlib, steps of 0.1": (10_000, 100_000),
}
W3 = [
    Contender(OURS, "ours.py"),
    Contender("tick", "rivals/tick_hawkes.py", ("tick==0.8.0.2", "six", "numpydoc")),
    Contender("lifelines CoxTimeVarying", "rivals/lifelines_cox.py", ("lifelines==0.30.3",)),
    Contender("statsmodels Poisson", "rivals/statsmodels_poisson.py", ("statsmodels==0.15.0",)),
]
W3B = [
    Contender(OURS, "ours.py"),
    Contender("intensify", "rivals/intensify_hawkes.py", ("intensify==0.3.3", "scipy")),
]


class Bench:
    """Runs contenders and keeps what they tell."""

    def __init__(self, quick: bool, cache: str | None) -> None:
        self.quick, self.cache = quick, cache
        self.limit = 100 if quick else 900
        self.told: dict[tuple[str, str, str], dict[str, Any]] = {}  # (name, case, cores) -> figures

    def run(self, contender: Contender, arguments: list[str], cores: str, cases: list[str]) -> None:
        """Run one contender on one core or on all; what fails or takes too long is told as such."""
        environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
        environment.pop("NUMBA_NUM_THREADS", None)
        if contender.system:
            environment.pop("PYTHONPATH", None)
        if self.cache is not None:
            environment["NUMBA_CACHE_DIR"] = self.cache
        command = contender.command(*arguments, *(["--quick"] if self.quick else []))
        if cores == "1":
            for name in ("NUMBA", "OMP", "OPENBLAS", "MKL"):
                environment[f"{name}_NUM_THREADS"] = "1"
            if shutil.which("taskset"):
                command = ["taskset", "-c", str(min(os.sched_getaffinity(0))), *command]
        print(f"  {contender.name} {' '.join(arguments)} on {cores}", file=sys.stderr, flush=True)
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, env=environment, timeout=self.limit, check=False
            )
            lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
            for line in lines:
                figures = json.loads(line)
                self.told[contender.name, figures["case"], cores] = figures
            failure = None if lines else (done.stderr.strip().splitlines() or ["said nothing"])[-1][:80]
        except subprocess.TimeoutExpired:
            failure = f"> {self.limit} s"
        except OSError as error:
            failure = str(error)[:80]
        if failure is not None:
            print(f"    {failure}", file=sys.stderr, flush=True)
            for case in cases:
                self.told[contender.name, case, cores] = {"failed": failure}

    def get(self, name: str, case: str, cores: str = "1") -> dict[str, Any]:
        """Return what a contender told of a case; empty where it took no part."""
        return self.told.get((name, case, cores), {})


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def number(value: float | None) -> str:
    """Return a number to three digits."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def times(value: float) -> str:
    """Return a ratio: 12x."""
    return f"{value:,.0f}x" if value >= 9.95 else f"{value:.2g}x"


def w1(bench: Bench) -> str:
    """Run W1 and return its table."""
    for contender in W1:
        for cores in ("1", "all") if contender.name in THREADED else ("1",):
            bench.run(contender, ["W1"], cores, ["worlds"])
    base = bench.get(OURS, "worlds").get("value")
    rows = []
    for contender in W1:
        one, every = bench.get(contender.name, "worlds"), bench.get(contender.name, "worlds", "all")
        ratio = times(base / one["value"]) if base and one.get("value") and contender.name != OURS else ""
        note = one.get("failed") or one.get("note", "")
        rows.append(
            [
                contender.name,
                number(one.get("value")),
                number(every.get("value")),
                ratio,
                number(one.get("events")),
                number(one.get("compile")),
                note,
            ]
        )
    head = ["", "worlds/s, 1 core", "all cores", "ours is faster by", "events a world", "first call, s", ""]
    return "## W1: many small worlds\n\n" + table(head, rows)


def w2(bench: Bench) -> str:
    """Run W2 and return its tables."""
    sizes = (10_000, 100_000, 1_000_000)
    taking = [c for c in W2 if not c.system or _has_graph_tool()]
    for contender in taking:
        largest = W2_LARGEST[contender.name][0 if bench.quick else 1]
        for kind in ("SIR", "SIS"):
            for units in sizes:
                small = 100_000 if bench.quick and kind == "SIS" else largest
                if units > min(small, largest) or (contender.name.startswith("NDlib") and kind == "SIS"):
                    continue
                case = f"{kind} {units}"
                bench.run(contender, ["W2", kind, str(units)], "1", [case])
    cases = [f"{kind} {units}" for kind in ("SIR", "SIS") for units in sizes]
    rows = []
    for contender in taking:
        row = [contender.name]
        for case in cases:
            told, base = bench.get(contender.name, case), bench.get(OURS, case).get("value")
            text = told.get("failed") or number(told.get("value"))
            if told.get("value") and base and contender.name != OURS:
                text += f" ({times(told['value'] / base)})"
            row.append(text)
        rows.append(row)
    head = [
        "s (times ours)",
        *(f"{case.split()[0]} {int(case.split()[1]):.0e}".replace("+0", "") for case in cases),
    ]
    parts = [
        "## W2: one large world, on one core\n",
        table(head, rows),
        "What ours takes beside the simulation:\n",
    ]
    details, keys = [], ("build", "program", "value", "compile", "peak", "events")
    for case in cases:
        told = bench.get(OURS, case)
        if told.get("value"):
            peak = {name: bench.get(name, case).get("peak") for name in (W2[1].name, W2[4].name)}
            nanoseconds = 1e9 * told["value"] / max(told["events"], 1)
            row = [case, *(number(told[key]) for key in keys), number(nanoseconds)]
            details.append([*row, *(number(value) for value in peak.values())])
    columns = [
        "history from arrays, s",
        "compile to a program, s",
        "simulate, s",
        "first call, s",
        "peak, GB",
    ]
    parts.append(
        table(["", *columns, "events", "ns an event", "bespoke: peak, GB", "EoN: peak, GB"], details)
    )
    return "\n".join(parts)


def _has_graph_tool() -> bool:
    if not Path(SYSTEM).exists():
        return False
    return (
        subprocess.run([SYSTEM, "-c", "import graph_tool"], capture_output=True, check=False).returncode == 0
    )


def w3(bench: Bench) -> str:
    """Run W3 and return its table."""
    for contender in W3:
        hawkes = ["Hawkes 10"] if bench.quick else ["Hawkes 10", "Hawkes 50"]
        cases = {OURS: [*hawkes, "event history"], "tick": hawkes}.get(contender.name, ["event history"])
        bench.run(contender, ["W3"], "1", cases)
    parts = ["## W3: fitting, on one core\n"]
    for case, key, column in (
        ("Hawkes 10", "loglik", "log-likelihood reached"),
        ("Hawkes 50", "loglik", "log-likelihood reached"),
        ("event history", "off", "largest error of a coefficient"),
    ):
        base = bench.get(OURS, case).get("value")
        rows = []
        for contender in W3:
            told = bench.get(contender.name, case)
            if told:
                value = told.get("value")
                ratio = times(value / base) if base and value and contender.name != OURS else ""
                text = told.get("failed") or number(value)
                rest = f"{told[key]:.2f}" if key in told else ""
                rows.append(
                    [
                        contender.name,
                        text,
                        ratio,
                        number(told.get("build")),
                        number(told.get("compile")),
                        rest,
                    ]
                )
        if rows:
            head = [f"{case}", "s", "times ours", "tables or history, s", "first fit, s", column]
            parts.append(table(head, rows))
    return "\n".join(parts)


def w3b(bench: Bench) -> str:
    """Run W3b and return its table: half-lives that are estimated."""
    cases = [f"half-lives {dimensions}" for dimensions in ((1, 5) if bench.quick else (1, 5, 10))]
    for contender in W3B:
        bench.run(contender, ["W3b"], "1", cases)
    rows = []
    for case in cases:
        base = bench.get(OURS, case)
        for contender in W3B:
            told = bench.get(contender.name, case)
            value, own = told.get("value"), base.get("value")
            given = told.get("given")
            rows.append(
                [
                    f"{case.split()[1]}, {base.get('events', '')} events: {contender.name}",
                    told.get("failed") or number(value),
                    times(value / own) if value and own and contender.name != OURS else "",
                    f"{value / given:.1f}" if value and given else "",
                    f"{told['loglik']:.2f}" if "loglik" in told else "",
                ]
            )
    head = ["dimensions", "s", "times ours", "times given half-lives", "log-likelihood reached"]
    return "\n".join(
        ["## W3b: half-lives that are estimated, one for each pair, on one core\n", table(head, rows)]
    )


def machine() -> str:
    """Return what the figures depend on: machine, versions, and how busy the machine was."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line
        ]
        model = names[0] if names else model
    load = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    listed = ("tocsin", "numpy", "numba", "llvmlite", "pandas", "pyarrow")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in listed)
    commit = subprocess.run(
        ["git", "-C", str(HERE), "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return (
        f"{time.strftime('%Y-%m-%d %H:%M')}; {model}, {os.cpu_count()} cores{load}; {platform.system()}, "
        f"Python {platform.python_version()}; {versions}; commit {commit or 'unknown'}. "
        f"Rivals: {', '.join(sorted({p for c in [*W1, *W2, *W3, *W3B] for p in c.packages or ()}))}.\n"
    )


WORKS = {"W1": w1, "W2": w2, "W3": w3, "W3b": w3b}


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", nargs="+", choices=list(WORKS), default=list(WORKS))
    parser.add_argument(
        "--quick", action="store_true", help="fewer worlds, fewer and smaller rivals: minutes"
    )
    parser.add_argument("--write", action="store_true", help="keep the result in benchmarks/RESULTS.md")
    chosen = parser.parse_args()
    begin = time.monotonic()
    head = machine()
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as cache:
        # A whole run compiles anew, so that the first call of the first work tells what compiling costs.
        bench = Bench(chosen.quick, None if chosen.quick else cache)
        parts = [WORKS[work](bench) for work in chosen.work]
    said = " ".join(["python benchmarks/run.py", *sys.argv[1:]])
    result = "\n".join(
        [
            "# Benchmarks\n",
            f"`{said}`, which took {time.monotonic() - begin:.0f} s. Medians; compiling is in no figure but "
            "`first call` (short where compiled kernels were cached). Ratios of one run are what counts.\n",
            head,
            *parts,
        ]
    )
    print(result)
    if chosen.write:
        (HERE / "RESULTS.md").write_text(result, encoding="utf-8")


if __name__ == "__main__":
    main()
