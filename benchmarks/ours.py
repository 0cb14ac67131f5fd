"""Tocsin at the works, through its public names only: `python benchmarks/ours.py W1 | W2 SIR 10000 | W3`."""

from __future__ import annotations

import math
import os
import sys
from functools import partial
from typing import Any

import numpy as np
import pandas  # noqa: F401  (PyArrow imports it when it is first handed an array, which is no work of ours)
import pyarrow as pa
from measure import QUICK, once, seconds, tell
from works import (
    COVARIATES,
    DECAY,
    END,
    FALL,
    FALL_HOME,
    FALL_SHARES,
    INFECTION,
    INTERVALS,
    RECOVERY,
    RISE,
    RISE_HOME,
    RISE_SHARES,
    SUBJECTS,
    UNITS,
    W2_END,
    W3B,
    w1_layers,
    w2_graph,
    w2_seeds,
    w3_hawkes,
    w3_loglik,
    w3_table,
)

import tocsin as tc

RIOT = tc.StateVariable("riot", ["yes"], recurrent=True)


def w1() -> tuple[Any, dict[str, float]]:
    """Return the program of W1 and its parameters."""
    layers = w1_layers()
    names = ("first", "second", "third")
    target, source = np.nonzero(layers[0])
    state = tc.StateVariable("s", ["old", "revolutionary", "fallen"])
    history = tc.History(
        units={"unit": [str(unit) for unit in range(UNITS)]},
        ties={
            "layer": np.repeat(names, target.size),
            "source": np.tile(source, 3).astype(str),
            "target": np.tile(target, 3).astype(str),
            "weight": layers[:, target, source].ravel(),
        },
        variables=[state],
        window=(0.0, END),
        layers=list(names),
    )
    moves = {
        "revolutionary": ("old", RISE_HOME, RISE, RISE_SHARES),
        "fallen": ("revolutionary", FALL_HOME, FALL, FALL_SHARES),
    }
    params, transitions = {}, []
    for to, (origin, home, strength, shares) in moves.items():
        causes = [tc.contagion(name, when=f"s={to}") for name in names]
        transitions.append(tc.Transition("s", origin, to, tc.baseline(), *causes))
        params[f"s: {origin} > {to} | baseline | propensity | 1"] = math.log(home)
        for name, share in zip(names, shares, strict=True):
            params[f"s: {origin} > {to} | {name} | susceptibility | 1"] = math.log(strength * share)
    return tc.Model([state], transitions).compile(history), params


def run_w1() -> None:
    """Simulate many small worlds, events kept as an Arrow table."""
    prepared, (program, params) = once(w1)
    first, _ = once(lambda: program.simulate(params, 20, 0))
    worlds = 10_000 if QUICK else 40_000
    taken = seconds(lambda seed: program.simulate(params, worlds, seed).events, 5)
    events = program.simulate(params, worlds, 1).events.num_rows
    tell("W1", "worlds", worlds / taken, "worlds/s", compile=first, events=events / worlds, prepared=prepared)


def w2(kind: str, units: int, drawn: Any = None) -> tuple[Any, Any, dict[str, float]]:
    """Return history, model and parameters of W2, from the arrays of its graph and seeds."""
    (source, target), seeds = (w2_graph(units), w2_seeds(units)) if drawn is None else drawn
    names = pa.array(np.arange(units)).cast(pa.string())
    entry = np.zeros(units, dtype=np.int32)
    entry[seeds] = 1
    states = ["S", "I", "R"] if kind == "SIR" else ["S", "I"]
    state = tc.StateVariable("s", states)

    def named(codes: np.ndarray) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), names)

    history = tc.History(
        units=pa.table({"unit": names, "s": pa.DictionaryArray.from_arrays(entry, pa.array(states[:2]))}),
        ties=pa.table(
            {
                "layer": pa.DictionaryArray.from_arrays(np.zeros(2 * source.size, np.int32), ["l"]),
                "source": named(np.concatenate([source, target])),
                "target": named(np.concatenate([target, source])),
            }
        ),
        variables=[state],
        window=(0.0, W2_END[kind]),
        layers=["l"],
    )
    after = states[-1] if kind == "SIR" else "S"
    model = tc.Model(
        [state],
        [
            tc.Transition("s", "S", "I", tc.contagion("l", when="s=I")),
            tc.Transition("s", "I", after, tc.baseline()),
        ],
    )
    params = {
        "s: S > I | l | susceptibility | 1": math.log(INFECTION[kind]),
        f"s: I > {after} | baseline | propensity | 1": math.log(RECOVERY),
    }
    return history, model, params


def run_w2(kind: str, units: int) -> None:
    """Simulate one large world."""
    history, model, params = w2(kind, 1000)
    first, _ = once(lambda: model.compile(history).simulate(params, 1, 1))
    drawn: Any = w2_graph(units), w2_seeds(units)
    build, (history, model, params) = once(lambda: w2(kind, units, drawn))
    drawn = None
    program_time, program = once(lambda: model.compile(history))
    taken = seconds(lambda seed: program.simulate(params, 1, seed), 5 if units < 1_000_000 else 3)
    events = program.simulate(params, 1, 1).events.num_rows
    more = {"build": build, "program": program_time, "compile": first, "events": events}
    tell("W2", f"{kind} {units}", taken, "s", **more)


def run_w3() -> None:
    """Fit Hawkes processes of ten and fifty dimensions, and an event history."""
    for dimensions in (10,) if QUICK else (10, 50):
        run_w3_hawkes(dimensions)
    run_w3_table()


def run_w3_hawkes(dimensions: int) -> None:
    """Fit a Hawkes process."""
    times, kinds, end = w3_hawkes(dimensions)
    names = [f"u{number:02d}" for number in range(dimensions)]
    build, history = once(lambda: _hawkes(times, kinds, end, names))
    model = _hawkes_model(names, susceptibility="1 + C(d)", half_life=math.log(2.0) / DECAY)
    first, _ = once(lambda: model.fit(history))  # loads what was compiled
    fits: list[Any] = []
    taken = seconds(lambda _: fits.append(model.fit(history)), 1 if QUICK else 3)
    fit = fits[-1]
    alpha = np.zeros((dimensions, dimensions))
    mu = _by_unit(fit.params, "riot: yes > yes | baseline | propensity", names)
    for column, name in enumerate(names):
        alpha[:, column] = (
            _by_unit(fit.params, f"riot: yes > yes | from_{name} | susceptibility", names) / DECAY
        )
    tell(
        "W3",
        f"Hawkes {dimensions}",
        taken,
        "s",
        build=build,
        compile=first,
        events=len(times),
        loglik=w3_loglik(mu, alpha),
    )


def run_w3b() -> None:
    """Fit Hawkes processes with given half-lives, and with one for each pair of dimensions."""
    for dimensions, events in W3B[: 2 if QUICK else 3]:
        times, kinds, end = w3_hawkes(dimensions, events)
        names = [f"u{number:02d}" for number in range(dimensions)]
        history = _hawkes(times, kinds, end, names)
        bent = "1 + C(d)" if dimensions > 1 else "1"
        by = {"by": "d"} if dimensions > 1 else {}
        given = _hawkes_model(names, susceptibility=bent, half_life=math.log(2.0) / DECAY)
        free = _hawkes_model(names, half_life="estimate", **by)
        figures = {}
        for key, model in (("given", given), ("free", free)):
            first, fit = once(partial(model.fit, history))
            again = partial(once, partial(model.fit, history))
            figures[key] = seconds(lambda _, again=again: again(), 1 if first > 10 else 3), fit.loglik
        tell(
            "W3b",
            f"half-lives {dimensions}",
            figures["free"][0],
            "s",
            given=figures["given"][0],
            events=len(times),
            loglik=figures["free"][1],
        )


def _hawkes(times: np.ndarray, kinds: np.ndarray, end: float, names: list[str]) -> tc.History:
    """Return a history of a Hawkes process, with one layer for each dimension that excites."""
    pairs = [(a, b) for a in names for b in names]
    # One layer for each pair of dimensions: its strength is one entry of the matrix.
    return tc.History(
        units={"unit": names, "d": names},
        events={
            "unit": np.array(names)[kinds],
            "variable": ["riot"] * len(times),
            "state": ["yes"] * len(times),
            "time": times,
        },
        ties={
            "layer": [f"from_{a}" for a, _ in pairs],
            "source": [a for a, _ in pairs],
            "target": [b for _, b in pairs],
        },
        variables=[RIOT],
        window=(0.0, end),
        layers=[f"from_{name}" for name in names],
    )


def _hawkes_model(names: list[str], **options: Any) -> tc.Model:
    """Return a model in which each dimension has its own rate, and hears every layer."""
    home = tc.baseline("1 + C(d)" if len(names) > 1 else "1")
    causes = [tc.contagion(f"from_{name}", when="riot=yes", **options) for name in names]
    return tc.Model([RIOT], [tc.Transition("riot", "yes", "yes", home, *causes)])


def _by_unit(params: Any, stem: str, names: list[str]) -> np.ndarray:
    value = {name: float(params[name]) for name in params.index if name.startswith(stem)}
    first = value[f"{stem} | 1"]
    others = [key for key in value if not key.endswith("| 1")]
    return np.exp([first] + [first + value[key] for key in others])


def run_w3_table() -> None:
    """Fit an event history of 200 subjects, 1,000 intervals and 10 covariates."""
    coefficients, x, subject, time = w3_table()
    names = np.array([f"u{number:03d}" for number in range(SUBJECTS)])
    state = tc.StateVariable("s", ["yes"], recurrent=True)
    start = np.tile(np.tile(np.arange(INTERVALS, dtype=float), SUBJECTS), COVARIATES)
    build, history = once(
        lambda: tc.History(
            units={"unit": names},
            events={
                "unit": names[subject],
                "variable": ["s"] * len(time),
                "state": ["yes"] * len(time),
                "time": time,
            },
            covariates=pa.table(
                {
                    "unit": pa.DictionaryArray.from_arrays(
                        np.tile(np.repeat(np.arange(SUBJECTS, dtype=np.int32), INTERVALS), COVARIATES), names
                    ),
                    "covariate": pa.DictionaryArray.from_arrays(
                        np.repeat(np.arange(COVARIATES, dtype=np.int32), SUBJECTS * INTERVALS),
                        [f"x{number}" for number in range(COVARIATES)],
                    ),
                    "value": np.moveaxis(x, 2, 0).ravel(),
                    "start": start,
                    "end": start + 1.0,
                }
            ),
            variables=[state],
            window=(0.0, float(INTERVALS)),
        )
    )
    formula = "1 + " + " + ".join(f"x{number}" for number in range(COVARIATES))
    model = tc.Model([state], [tc.Transition("s", "yes", "yes", tc.baseline(formula))])
    first, _ = once(lambda: model.fit(history))  # lays the covariates out, for all fits to this history
    fits: list[Any] = []
    taken = seconds(lambda _: fits.append(model.fit(history)), 1 if QUICK else 3)
    fit = fits[-1]
    found = np.array([fit.params[f"s: yes > yes | baseline | propensity | x{k}"] for k in range(COVARIATES)])
    tell(
        "W3",
        "event history",
        taken,
        "s",
        build=build,
        compile=first,
        events=len(time),
        off=float(np.abs(found - coefficients).max()),
    )


if __name__ == "__main__":
    if os.environ.get("NUMBA_NUM_THREADS") == "1" and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    arguments = [each for each in sys.argv[1:] if not each.startswith("--")]
    if arguments[0] == "W1":
        run_w1()
    elif arguments[0] == "W3b":
        run_w3b()
    elif arguments[0] == "W2":
        run_w2(arguments[1], int(arguments[2]))
    else:
        run_w3()
