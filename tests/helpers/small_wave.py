"""A small wave that takes no time to simulate: five units, two variables, one of which follows the record."""

from __future__ import annotations

import tocsin as tc

REGIME = tc.StateVariable("regime", ["old", "soviet", "restored"])
ARMY = tc.StateVariable("army", ["loyal", "mutinous"], recurrent=True)
UNITS = ["hungary", "bavaria", "austria", "slovakia", "italy"]


def wave() -> tuple[tc.History, object]:
    """Five units in two layers, one of which leaves and one of which enters late, and a model with values."""
    pairs = [(a, b) for a in UNITS for b in UNITS if a != b]
    history = tc.History(
        units={
            "unit": UNITS,
            "enter": ["1919-01-01", "1919-01-01", "1919-01-01", "1919-02-10", "1919-01-01"],
            "exit": ["1919-12-31", "1919-08-01", "1919-12-31", "1919-12-31", "1919-12-31"],
            "regime": ["old", "soviet", "old", "old", "old"],
        },
        events={
            "unit": ["italy", "hungary"],
            "variable": ["army", "regime"],
            "state": ["mutinous", "soviet"],
            "time": ["1919-03-02", "1919-03-21"],
        },
        ties={
            "layer": ["border"] * len(pairs),
            "source": [a for a, _ in pairs],
            "target": [b for _, b in pairs],
        },
        variables=[REGIME, ARMY],
        window=("1919-01-01", "1919-12-31"),
        layers=["border"],
    )
    model = tc.Model(
        [REGIME, ARMY],
        [
            tc.Transition(
                "regime", "old|restored", "soviet", tc.baseline(), tc.contagion("border", "regime=soviet")
            ),
            tc.Transition("regime", "soviet", "restored", tc.baseline()),
        ],
    )
    values = [-6.0, -5.0, -4.5]
    names = model.compile(history).parameter_names
    return history, model.with_params(dict(zip(names, values, strict=True)))
