"""Ties that all weigh the same are kept with one weight: every reading of a program is the same, to the bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import tocsin as tc
from tocsin.kernels.clocks import on_lines
from tocsin.kernels.layout import IN, OUT_TARGET
from tocsin.program.condition import plan_clocks

STATE = tc.StateVariable("s", ["S", "I"])
UNITS = 30


def program(weight: float, half_life: float | None) -> tc.program.Program:
    """Return a program of two sparse layers whose ties all weigh the same, with a few events."""
    rng = np.random.default_rng(5)
    pairs = np.array([(i, j) for i in range(UNITS) for j in range(UNITS) if i != j])
    names = np.array([f"u{number:02d}" for number in range(UNITS)])
    parts = [pairs[rng.permutation(len(pairs))[:90]] for _ in range(2)]
    history = tc.History(
        units={"unit": names},
        events={"unit": names[:3], "variable": ["s"] * 3, "state": ["I"] * 3, "time": [0.5, 1.0, 1.5]},
        ties={
            "layer": ["border"] * 90 + ["press"] * 90,
            "source": names[np.concatenate([part[:, 0] for part in parts])],
            "target": names[np.concatenate([part[:, 1] for part in parts])],
            "weight": np.full(180, weight),
        },
        variables=[STATE],
        window=(0.0, 6.0),
    )
    causes = [tc.contagion(layer, "s=I", half_life=half_life) for layer in ("border", "press")]
    moves = [
        tc.Transition("s", "S", "I", tc.baseline(), *causes),
        tc.Transition("s", "I", "S", tc.baseline()),
    ]
    return tc.Model([STATE], moves).compile(history)


def weighed_one_by_one(one: tc.program.Program) -> tc.program.Program:
    """Return the program with a weight for each tie, and its number by target."""
    layout = one.layout
    numbers = np.empty(layout.tie.shape[1], np.int32)
    for layer in range(2):
        begin, end = layout.tie_first[IN, layer, [0, -1]]
        numbers[begin:end] = begin + np.argsort(layout.tie[OUT_TARGET, begin:end], kind="stable")
    weight = np.full(numbers.size, layout.weight[0])
    return replace(
        one, opening=layout._replace(weight=weight, tie=np.vstack([layout.tie, numbers])), changes=None
    )


@pytest.mark.parametrize("weight", [1.0, 0.37])
@pytest.mark.parametrize("half_life", [None, 2.0])
def test_one_weight_is_as_many(weight: float, half_life: float | None) -> None:
    one = program(weight, half_life)
    assert one.layout.weight.tolist() == [weight]
    assert one.layout.tie.shape == (2, 180)
    many = weighed_one_by_one(one)
    params = np.log([0.02, 0.3, 0.2, 0.5])
    for asked in ({}, {"given": "history"}, {"given": "until 2.5"}, {"given": "history", "clocks": "source"}):
        worlds = [each.simulate(params, 40, 7, **asked).events for each in (one, many)]
        assert worlds[0].equals(worlds[1])
        assert worlds[0].num_rows > 100
    for split in (False, True):
        plans = [plan_clocks(each.layout, split) for each in (one, many)]
        assert all(np.array_equal(a, b) for a, b in zip(*plans, strict=True))
    assert one.loglik(params) == many.loglik(params)
    assert np.array_equal(one.gradient(params), many.gradient(params))


def test_blocks_begin_on_a_cache_line() -> None:
    for size in (1, 16, 100_000, 3_000_000):
        room = on_lines(size)
        assert room.shape == (size,)
        assert room.ctypes.data % 128 == 0
        assert not room.any()
