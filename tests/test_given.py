"""Worlds given what happened: the observed history itself, and what changes in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from drawn import Case, cases
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import tocsin as tc
from tocsin.program.interventions import intervene
from tocsin.reference_given import Change, go_on, simulate
from tocsin.reference_record import Move

CLOCKS = ("cause", "source", "fresh")
MOST = 150  # events of a world, so that the plain loops end soon
quick = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
KEYS = ("unit", "variable", "from", "to", "cause", "source")


def explained(program: tc.Program) -> list[tuple[Any, ...]]:
    """The observed events that the model explains: time, unit, variable, state entered."""
    units, model, joint = program.history.numbers.units, program.model, program.joint
    found = []
    for time, (unit, variable, _, after, transition) in zip(*program.trace, strict=True):
        if transition >= 0:
            code = (after // joint.strides[variable]) % joint.sizes[variable]
            states = model.variables[variable].states
            found.append((float(time), units[unit], joint.names[variable], states[code]))
    return found


def told(rows: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(row["time"], row["unit"], row["variable"], row["to"]) for row in rows]


def of_world(rows: list[dict[str, Any]], world: int) -> list[dict[str, Any]]:
    return [row for row in rows if row["world"] == world]


def changes(case: Case, seed: int) -> list[str]:
    """Between none and three interventions, drawn at random."""
    rng = np.random.default_rng(seed)
    history, found = case.history, []
    for _ in range(rng.integers(0, 4)):
        kind = rng.integers(0, 5)
        layer = str(rng.choice(list(history.layers)))
        variable = case.model.variables[rng.integers(0, len(case.model.variables))]
        unit = str(rng.choice(history.numbers.units))
        state = str(rng.choice(variable.states))
        if kind == 0:
            found.append(f"remove layer {layer}")
        elif kind == 1:
            found.append(f"scale layer {layer} by {rng.choice([0.5, 2.0])}")
        elif kind == 2 and "x" in history.numbers.covariates:
            found.append(f"scale x by {rng.choice([0.5, -1.0])}")
        elif kind == 3:
            place = history.numbers.unit_index[unit]
            enter, leave = history.numbers.enter[place], history.numbers.exit[place]
            time = float(np.floor(rng.uniform(enter + 1, leave)))
            if enter < time < leave:
                when = str(np.datetime64("1918-12-25") + int(time)) if history.dated else f"{time}"
                found.append(f"force {unit} {variable.name}={state} at {when}")
        else:
            found.append(f"prevent {unit} {variable.name}={state}")
    return found


def as_change(case: Case, program: tc.Program, sentences: list[str]) -> Change:
    """What the readable twin takes for interventions."""
    changed = intervene(program, np.zeros(len(program.parameter_names)), sentences)
    forced, barred = [], set()
    for sentence in sentences:
        words = sentence.split()
        if words[0] == "force":
            time = float(case.history.to_number(words[4]))
            forced.append(Move(time, words[1], *words[2].split("=")))
        if words[0] == "prevent":
            barred.add((words[1], *words[2].split("=")))
    return Change(changed.program.history, tuple(sorted(forced, key=lambda m: m.time)), frozenset(barred))


def compiled(case: Case, seed: int) -> tuple[tc.Program, dict[str, float]]:
    assume(case.whole)
    program = case.model.compile(case.history)
    params = case.params(program.parameter_names, seed)
    assume(np.isfinite(program.loglik(params)))
    return program, params


# --- VERIFY 12 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clocks", CLOCKS)
def test_without_a_change_every_world_is_the_observed_history(clocks: str) -> None:
    @quick
    @given(cases(), st.integers(0, 2**32 - 1))
    def check(case: Case, seed: int) -> None:
        try:
            program, params = compiled(case, seed)
        except tc.TocsinError:
            assume(False)
        rows = program.simulate(params, 4, seed, given="history", clocks=clocks).events.to_pylist()
        for world in range(4):
            assert told(of_world(rows, world)) == explained(program)

    check()


# --- the readable twin --------------------------------------------------------------------------------------


@pytest.mark.parametrize("clocks", [*CLOCKS, "until"])
def test_kernels_agree_with_the_twin(clocks: str) -> None:
    @quick
    @given(cases(), st.integers(0, 2**32 - 1))
    def compare(case: Case, seed: int) -> None:
        try:
            program, params = compiled(case, seed)
        except tc.TocsinError:
            assume(False)
        until = float(seed % 11)
        sentences = changes(case, seed)
        if clocks == "until":
            sentences = [each for each in sentences if not each.startswith("force")]
        change = as_change(case, program, sentences)
        text = str(np.datetime64("1918-12-25") + int(until)) if case.history.dated else str(until)
        asked = {"given": f"until {text}"} if clocks == "until" else {"given": "history", "clocks": clocks}
        mine = []
        for world in range(3):
            shared = (case.model, (case.history, change), params, seed, world)
            if clocks == "until":
                mine.append(go_on(*shared, until, MOST))
            else:
                mine.append(simulate(*shared, clocks, MOST))
        assume(all(len(events) <= MOST for events in mine))
        rows = program.simulate(params, 3, seed, sentences, **asked).events.to_pylist()
        for world in range(3):
            theirs = of_world(rows, world)
            assert [tuple(row[key] for key in KEYS) for row in theirs] == [
                (each.unit, each.variable, each.origin, each.state, each.cause, each.source)
                for each in mine[world]
            ], sentences
            assert [row["time"] for row in theirs] == pytest.approx(
                [each.time for each in mine[world]], abs=1e-6
            )

    compare()
