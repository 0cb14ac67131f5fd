"""Golden digests: what a dozen models and histories give, to the bit on one platform, to nine digits elsewhere.

    uv run python tests/helpers/golden.py            compare with tests/golden.json
    uv run python tests/helpers/golden.py --write    write it anew, and say in the commit what moved and why

Only public names are used, so that a change of where things stand cannot change what is asked.
"""

# ruff: noqa: T201, E501  (a command prints; tables of cases stand in long lines)

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import tocsin as tc
from helpers.drawn import Sizes, build

FILE = Path(__file__).parents[1] / "golden.json"
DIGITS = 1e-9
RANDOM = [(1, False), (4, True), (7, False), (11, True), (17, False), (23, True)]  # seed, dated


def here() -> str:
    """Return what the last bits depend on: processor, Python and the libraries that compile and sum."""
    names = ("numpy", "scipy", "numba", "llvmlite", "pandas", "pyarrow")
    return " ".join(
        [platform.machine(), _processor(), *(f"{name}-{version(name)}" for name in names)],
    )


def _processor() -> str:
    from llvmlite import binding

    return str(binding.get_host_cpu_name())


def _of(values: Any) -> dict[str, Any]:
    """Return the digest of an array's bits, and numbers that tell it apart on any platform."""
    array = np.ascontiguousarray(np.asarray(values, dtype=np.float64)).ravel()
    weight = np.cos(np.arange(array.size))  # so that the order counts
    finite = np.where(np.isfinite(array), array, 0.0)
    return {
        "bits": hashlib.sha256(array.tobytes()).hexdigest()[:20],
        "numbers": [int(array.size), int((~np.isfinite(array)).sum()), float(finite @ weight), float(np.abs(finite).sum())],
    }  # fmt: skip


def _texts(values: Any) -> dict[str, Any]:
    text = "\n".join("" if value is None else str(value) for value in values)
    return {"bits": hashlib.sha256(text.encode()).hexdigest()[:20], "numbers": [len(values)]}


def _ensemble(ensemble: Any) -> Iterator[tuple[str, Any]]:
    events = ensemble.events
    yield "time", _of(events["time"].to_numpy())
    yield "world", _of(events["world"].to_numpy())
    for name in ("unit", "variable", "to", "cause", "source"):
        yield name, _texts(events[name].to_pylist())


def _frame(frame: pd.DataFrame) -> Iterator[tuple[str, Any]]:
    for name, column in frame.items():
        if pd.api.types.is_numeric_dtype(column):
            yield str(name), _of(column.to_numpy(dtype=np.float64))


def _questions(parameterised: Any, history: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    yield f"{prefix}loglik", _of([parameterised.log_likelihood(history)])
    if history.clock not in ("month", "year"):
        for name, value in _frame(parameterised.residuals(history)):
            yield f"{prefix}residuals {name}", value
    for name, value in _frame(parameterised.attribute(history, draws=20).total()):
        yield f"{prefix}attribution {name}", value
    for name, value in _frame(parameterised.hazards_by_cause(history)):
        yield f"{prefix}hazards {name}", value


def random_case(seed: int, dated: bool) -> Iterator[tuple[str, Any]]:
    """A random model of many features at given parameters: likelihood, worlds, shares, gradient."""
    sizes = Sizes(units=6, variables=3, layers=3, moves=3, causes=2, terms=2, events=40, ties=12, rows=3)
    case = build(sizes, dated, seed)
    program = case.model.compile(case.history)
    values = case.params(program.parameter_names, seed)
    yield "loglik", _of([program.loglik(values)])
    yield "gradient", _of(program.gradient(values))
    if case.whole:
        program_worlds = program.simulate(values, worlds=50, seed=seed)
        for name, value in _ensemble(program_worlds):
            yield f"worlds {name}", value


def _wave(clock: str | None = None) -> tuple[Any, Any]:
    rng = np.random.default_rng(31)
    units = [f"u{number:02d}" for number in range(30)]
    pairs = [(a, b) for a in units for b in units if a != b and rng.random() < 0.2]
    state = tc.StateVariable("state", ["old", "new", "restored"])
    turned = rng.random(30) < 0.7
    rose = rng.integers(1, 20, 30)
    fell = rose + rng.integers(1, 12, 30)
    back = turned & (rng.random(30) < 0.5)
    rows = [(units[k], "new", int(rose[k])) for k in range(30) if turned[k]]
    rows += [(units[k], "restored", int(fell[k])) for k in range(30) if back[k]]

    def when(day: int) -> Any:
        if clock == "month":
            return f"{1918 + day // 12}-{day % 12 + 1:02d}"
        return 1900 + day if clock == "year" else day + rng.random() * 0.9

    history = tc.History(
        units={"unit": units, "wealth": rng.normal(size=30).round(3), "kind": [("town", "land")[k % 2] for k in range(30)]},
        events={"unit": [row[0] for row in rows], "variable": ["state"] * len(rows), "state": [row[1] for row in rows],
                "time": [when(row[2]) for row in rows]},
        ties={"layer": ["road"] * len(pairs), "source": [a for a, _ in pairs], "target": [b for _, b in pairs],
              "weight": rng.lognormal(size=len(pairs)).round(3)},
        variables=[state],
        window={"month": ("1918-01", "1921-06"), "year": (1900, 1935), None: (0.0, 35.0)}[clock],
        **({"clock": clock} if clock else {}),
    )  # fmt: skip
    model = tc.Model(
        [state],
        [
            tc.Transition("state", "old", "new", tc.baseline("1 + wealth"),
                          tc.contagion("road", when="state=new", half_life=None if clock else "estimate")),
            tc.Transition("state", "new", "restored", tc.baseline("1 + kind")),
        ],
    )  # fmt: skip
    return history, model


def fitted(clock: str | None) -> Iterator[tuple[str, Any]]:
    """A small wave, fitted: estimates, errors, summary, draws, attribution, worlds, what-ifs."""
    history, model = _wave(clock)
    fit = model.fit(history)
    yield "params", _of(fit.params)
    yield "vcov", _of(fit.vcov)
    yield "draws", _of(fit.draws(50, seed=3))
    yield from _questions(fit, history, "fit ")
    program = model.compile(history)
    for name, value in _ensemble(program.simulate(fit.params, worlds=100, seed=5)):
        yield f"worlds {name}", value
    penalised = model.fit(history, prior=tc.weak_prior())
    yield "penalised", _of(penalised.params)


def conditional(clocks: str) -> Iterator[tuple[str, Any]]:
    """Worlds given what happened."""
    history, model = _wave()
    fit = model.fit(history)
    asked = model.with_params(fit.values, learned=fit.learned)
    changed = ["scale layer road by 0.2"]
    for given in ("until 10", "history"):
        worlds = asked.simulate(history, worlds=60, seed=9, interventions=changed, given=given,
                                **({"clocks": clocks} if given == "history" else {}))  # fmt: skip
        for name, value in _ensemble(worlds):
            yield f"{given} {name}", value


def packaged() -> Iterator[tuple[str, Any]]:
    """The packaged wave of 1917-1923: estimates, worlds, shares, and what a run writes."""
    from typer.testing import CliRunner

    from tocsin.cli.main import app

    history = tc.load_history("1917")
    yield "history", _texts([history.digest])
    model = tc.Model.from_toml(history.model_path)
    fit = model.fit(history)
    yield "params", _of(fit.params)
    yield "vcov", _of(fit.vcov)
    yield "loglik", _of([fit.loglik])
    for name, value in _frame(fit.attribute(history, draws=0).total()):
        yield f"attribution {name}", value
    asked = model.with_params(fit.values, learned=fit.learned)
    for given in ("nothing", "until 1918-11-01", "history"):
        worlds = asked.simulate(
            history, worlds=40, seed=2, interventions=["remove layer comintern"], given=given
        )
        for name, value in _ensemble(worlds):
            yield f"{given} {name}", value
    with tempfile.TemporaryDirectory() as folder:
        command = ["replay", "1917", "--worlds", "200", "--seed", "7", "--out", folder]
        done = CliRunner().invoke(app, command)
        if done.exit_code:
            raise RuntimeError(done.output)
        for name, value in _frame(pd.read_csv(Path(folder) / "summary.csv", comment="#")):
            yield f"summary.csv {name}", value


CASES: dict[str, Callable[[], Iterator[tuple[str, Any]]]] = {
    **{f"random {seed}{' dated' if dated else ''}": (lambda s=seed, d=dated: random_case(s, d)) for seed, dated in RANDOM},
    "fitted": lambda: fitted(None),
    "fitted by month": lambda: fitted("month"),
    "fitted by year": lambda: fitted("year"),
    **{f"given, {clocks} clocks": (lambda c=clocks: conditional(c)) for clocks in ("cause", "source", "fresh")},
    "1917": packaged,
}  # fmt: skip


def compute(name: str) -> dict[str, Any]:
    """Return all digests of one case."""
    return dict(CASES[name]())


def compare(name: str, kept: dict[str, Any], found: dict[str, Any], same_platform: bool) -> list[str]:
    """Return what differs, in words: bits on the platform that wrote the file, nine digits elsewhere."""
    faults = [f"{name}: {key} is {'missing' if key in kept else 'new'}" for key in kept.keys() ^ found.keys()]
    for key in kept.keys() & found.keys():
        a, b = kept[key], found[key]
        if same_platform and a["bits"] != b["bits"]:
            faults.append(f"{name}: {key} differs in its bits: {a['numbers']} before, {b['numbers']} now")
        elif not np.allclose(a["numbers"], b["numbers"], rtol=DIGITS, atol=DIGITS):
            faults.append(f"{name}: {key} differs: {a['numbers']} before, {b['numbers']} now")
    return sorted(faults)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    found = {}
    for name in CASES:
        found[name] = compute(name)
        print(f"{name}: {len(found[name])} digests", flush=True)
    if asked.write:
        FILE.write_text(json.dumps({"platform": here(), "cases": found}, indent=1) + "\n", encoding="utf-8")
        return 0
    kept = json.loads(FILE.read_text(encoding="utf-8"))
    faults = [
        fault
        for name in kept["cases"].keys() | found.keys()
        for fault in compare(
            name, kept["cases"].get(name, {}), found.get(name, {}), kept["platform"] == here()
        )
    ]
    print("\n".join(faults) or "the same")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
