"""Case 5: ensembles against the matrix exponential of the generator, for small models drawn at random.

With `while` memory, and ties and covariates that do not change, the joint state of all units is a Markov
chain. Its generator is written here by hand, apart from the kernels and apart from the readable twin.
"""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.stats import chi2, kstest

import tocsin as tc

WORLDS = 8_000
TIMES = (0.7, 2.0, 5.0)
END = 5.0


class Small:
    """A random model of 2-4 units and 1-2 variables with at most 81 joint states, and its generator."""

    def __init__(self, seed: int) -> None:
        rng = self.rng = np.random.default_rng(seed)
        many = rng.random() < 0.5
        sizes = [2, 2] if many else [int(rng.integers(2, 4))]
        self.units = "abcd"[: 3 if many else int(rng.integers(2, 5))]
        self.variables = [
            tc.StateVariable(name, ["low", "mid", "high"][:size])
            for name, size in zip("vw", sizes, strict=False)
        ]
        self.states = [variable.states for variable in self.variables]
        self.heat = {unit: float(rng.normal(0, 0.5)) for unit in self.units}
        self.ties = {
            (a, b): float(rng.choice([0.5, 1.0, 2.0]))
            for a, b in product(self.units, self.units)
            if a != b and rng.random() < 0.7
        }
        # (variable, origin, to) -> rates and options
        self.moves: dict[tuple[int, str, str], dict[str, Any]] = {}
        for v, states in enumerate(self.states):
            for origin, to in product(states, states):
                if origin != to and rng.random() < 0.8:
                    self.moves[v, origin, to] = {
                        "home": float(rng.normal(-1.5, 0.4)),
                        "heat": float(rng.normal(0, 0.4)),
                        "strength": float(rng.normal(-0.8, 0.4)),
                        "other": float(rng.normal(0, 0.5)),
                        "loud": float(rng.normal(0, 0.5)),
                        "alpha": float(rng.choice([0.0, rng.normal(0, 0.3)])),
                        "power": bool(rng.random() < 0.4),
                        "normalise": bool(rng.random() < 0.4),
                        "when": str(rng.choice(states)),
                        "requires": many and bool(rng.random() < 0.3),
                    }
        if not self.moves:
            self.__init__(seed + 10**6)  # type: ignore[misc]

    def model(self) -> tuple[tc.Model, dict[str, float]]:
        transitions, params = [], {}
        for (v, origin, to), move in self.moves.items():
            name = self.variables[v].name
            other = self.variables[1 - v].name if len(self.variables) > 1 else None
            transition = tc.Transition(
                name, origin, to,
                tc.baseline("1 + heat"),
                tc.contagion(
                    "l",
                    when=f"{name}={move['when']}",
                    susceptibility=f"1 + {other}" if other else "1",
                    infectiousness="heat",
                    normalise="target" if move["normalise"] else None,
                    response="power" if move["power"] else None,
                ),
                requires=f"{other}=mid" if move["requires"] else None,
            )  # fmt: skip
            transitions.append(transition)
            prefix = f"{name}: {origin} > {to}"
            params[f"{prefix} | baseline | propensity | 1"] = move["home"]
            params[f"{prefix} | baseline | propensity | heat"] = move["heat"]
            params[f"{prefix} | l | susceptibility | 1"] = move["strength"]
            if other:
                params[f"{prefix} | l | susceptibility | {other}[mid]"] = move["other"]
            params[f"{prefix} | l | infectiousness | heat"] = move["loud"]
            if move["power"]:
                params[f"{prefix} | l | response | alpha"] = move["alpha"]
        return tc.Model(self.variables, transitions), params

    def history(self) -> tc.History:
        ties = {
            "layer": ["l"] * len(self.ties),
            "source": [a for a, _ in self.ties],
            "target": [b for _, b in self.ties],
            "weight": list(self.ties.values()),
        }
        units = {"unit": list(self.units), "heat": [self.heat[unit] for unit in self.units]}
        return tc.History(
            units=units,
            ties=ties if self.ties else None,
            variables=self.variables,
            window=(0, END),
            layers=["l"],
        )

    def rate(self, state: tuple[tuple[str, ...], ...], i: int, v: int, move: dict[str, Any]) -> float:
        """The hazard of a move of unit i in a joint state, by the formulas of section 2."""
        other = len(self.variables) > 1 and state[i][1 - v] == "mid"
        if move["requires"] and not other:
            return 0.0
        exposure = total = 0.0
        for j, source in enumerate(self.units):
            weight = self.ties.get((source, self.units[i]), 0.0)
            total += weight
            if state[j][v] == move["when"]:
                exposure += weight * math.exp(move["loud"] * self.heat[source])
        if move["normalise"] and total > 0:
            exposure /= total
        alpha = math.exp(move["alpha"]) if move["power"] else 1.0
        strength = math.exp(move["strength"] + (move["other"] if other else 0.0))
        away = strength * exposure**alpha if exposure > 0 else 0.0
        return math.exp(move["home"] + move["heat"] * self.heat[self.units[i]]) + away

    def generator(self) -> tuple[np.ndarray, dict[Any, int]]:
        alone = list(product(*self.states))
        joint = {state: n for n, state in enumerate(product(alone, repeat=len(self.units)))}
        matrix = np.zeros((len(joint), len(joint)))
        for state, n in joint.items():
            for i in range(len(self.units)):
                for (v, origin, to), move in self.moves.items():
                    if state[i][v] == origin:
                        moved = list(state[i])
                        moved[v] = to
                        rate = self.rate(state, i, v, move)
                        matrix[n, joint[(*state[:i], tuple(moved), *state[i + 1 :])]] += rate
                        matrix[n, n] -= rate
        return matrix, joint


def joint_states(small: Small, ensemble: tc.Ensemble, joint: dict[Any, int], time: float) -> np.ndarray:
    """Count the worlds in each joint state just after a time (joint states,)."""
    events = ensemble.events
    early = events["time"].to_numpy() <= time
    columns = [
        np.array(events[name].to_pylist(), dtype=object)[early]
        for name in ("world", "unit", "variable", "to")
    ]
    names = [variable.name for variable in small.variables]
    state = [[[states[0] for states in small.states] for _ in small.units] for _ in range(ensemble.worlds)]
    for world, unit, variable, to in zip(*columns, strict=True):
        state[world][small.units.index(unit)][names.index(variable)] = to
    found = np.zeros(len(joint))
    for world in state:
        found[joint[tuple(tuple(unit) for unit in world)]] += 1
    return found


def lumped(observed: np.ndarray, expected: np.ndarray) -> tuple[float, int]:
    """Pearson's statistic and its degrees of freedom, rare joint states taken together."""
    rare = expected < 8
    observed = np.append(observed[~rare], observed[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    kept = expected > 1e-6
    assert observed[~kept].sum() == 0
    return float(((observed - expected)[kept] ** 2 / expected[kept]).sum()), int(kept.sum()) - 1


@pytest.fixture(scope="module")
def values() -> list[float]:
    """The p-value of each of sixty random models."""
    found = []
    for seed in range(60):
        small = Small(seed)
        model, params = small.model()
        ensemble = model.with_params(params).simulate(small.history(), worlds=WORLDS, seed=seed)
        matrix, joint = small.generator()
        start = joint[tuple(tuple(states[0] for states in small.states) for _ in small.units)]
        time = TIMES[seed % len(TIMES)]
        expected = WORLDS * expm(matrix * time)[start]
        statistic, freedom = lumped(joint_states(small, ensemble, joint, time), expected)
        if freedom > 0:
            found.append(float(chi2.sf(statistic, freedom)))
    return found


def test_no_model_is_off(values: list[float]) -> None:
    assert len(values) >= 45  # in a few no unit can move from the first state
    assert min(values) > 1e-4


def test_p_values_are_uniform(values: list[float]) -> None:
    assert kstest(values, "uniform").pvalue > 1e-3


def test_probability_over_time() -> None:
    # The marginal probabilities that `probability` gives, at every point of its grid.
    small = Small(8)
    model, params = small.model()
    ensemble = model.with_params(params).simulate(small.history(), worlds=WORLDS, seed=8)
    matrix, joint = small.generator()
    start = joint[tuple(tuple(states[0] for states in small.states) for _ in small.units)]
    variable = small.variables[0]
    found = ensemble.probability(variable.name, variable.states[1])
    for time in found["time"].to_numpy():
        law = expm(matrix * float(time))[start]
        for i, unit in enumerate(small.units):
            exact = sum(law[n] for state, n in joint.items() if state[i][0] == variable.states[1])
            seen = float(found.sel(unit=unit, time=time))
            assert seen == pytest.approx(exact, abs=4.5 * math.sqrt(exact * (1 - exact) / WORLDS) + 1e-9)
