"""Kinds of support: what the record calls each tie (money, training, supply), and where it cannot tell them apart."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from tocsin.wording.numbers import counted, listed

if TYPE_CHECKING:
    import pandas as pd

    from tocsin.history.history import History

KIND, BY = "support", "by"  # columns of ties.csv: what is given, and who gives it on the source's behalf

ROWS = ("layer", "source", "target", "kind", "by", "weight", "begin", "end")


def support_rows(history: History, layer: str | None = None) -> pd.DataFrame:
    """Return the ties whose kind of support the record names.

    Returns:
        One row a tie: layer, source, target, kind, by (the source where nothing is said), weight, begin and end (clock
        numbers between which it is in force); none where `ties.csv` has no column `support`.
    """
    import pandas as pd

    ties = history.ties
    if KIND not in ties:
        return pd.DataFrame(columns=list(ROWS))
    own = ties[ties[KIND].notna() & (ties[KIND].astype(str) != "")]
    if layer is not None:
        own = own[own["layer"].astype(str) == layer]
    own = own.reset_index(drop=True)
    source = own["source"].astype(str)
    by = own[BY].astype("string").fillna("") if BY in own else pd.Series("", own.index)
    return pd.DataFrame(
        {
            "layer": own["layer"].astype(str),
            "source": source,
            "target": own["target"].astype(str),
            "kind": own[KIND].astype(str),
            "by": np.where(by == "", source, by),
            "weight": own["weight"].astype(float),
            "begin": [history.begins(_time(each)) for each in own["start"]],
            "end": [history.finishes(_time(each)) for each in own["end"]],
        },
        columns=list(ROWS),
    )


def in_force(rows: pd.DataFrame, time: float) -> pd.DataFrame:
    """Return the rows of `support_rows` that are in force just after a clock number."""
    return rows[(rows["begin"] <= time) & (rows["end"] > time)]


def named_in(rows: pd.DataFrame, source: str, place: str, begin: float, end: float) -> str:
    """Return which kinds the record has from a source to a place between two clock numbers, in words."""
    own = rows[(rows["source"] == source) & (rows["target"] == place)]
    there = own[(own["begin"] < end) & (own["end"] > begin)]
    return ", ".join(sorted(set(there["kind"])))


def told_apart(rows: pd.DataFrame, layer: str, step: float) -> list[str]:
    """Return sentences: which kinds the record names in a layer, and where it cannot tell one from another."""
    if not len(rows):
        return [
            f"The record does not say what the ties of {layer} are made of (no column `support` in ties.csv): the plan "
            "can name no kind."
        ]
    count = rows.groupby("kind").size()
    said = listed([f"{kind} ({counted(int(size), 'tie')})" for kind, size in count.items()])
    notes = [f"The record names in {layer}: {said}."]
    same = rows.groupby("weight")["kind"].agg(lambda kinds: sorted(set(kinds)))
    for weight, kinds in same.items():
        if len(kinds) > 1:
            notes.append(
                f"{listed(kinds)} have the same weight, {weight:g}: the model gives them one effect, and the record "
                "cannot tell which of them it was."
            )
    asked = sorted(set(rows.loc[np.isclose(rows["weight"], step), "kind"]))
    meant = f"what the record calls {_either(asked)}" if asked else "a weight that no kind has by itself"
    notes.append(f"A step of weight {step:g} is {meant}.")
    return notes + _together(rows)


def _together(rows: pd.DataFrame) -> list[str]:
    """Return which kinds came to the same places at once, so that no model of this record could part them."""
    shared: dict[tuple[str, str], set[str]] = {}
    for (_, target), own in rows.groupby(["source", "target"]):
        for one, other in combinations(own.to_dict("records"), 2):
            if one["kind"] != other["kind"] and max(one["begin"], other["begin"]) < min(
                one["end"], other["end"]
            ):
                pair = (min(one["kind"], other["kind"]), max(one["kind"], other["kind"]))
                shared.setdefault(pair, set()).add(str(target))
    ordered = sorted(shared.items(), key=lambda each: (-len(each[1]), each[0]))
    return [
        f"{one.capitalize()} and {other} came together to {counted(len(places), 'place')}; there even a model with an "
        "effect of each could hardly part them."
        for (one, other), places in ordered[:3]
    ]


def _either(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " or " + names[-1]


def _time(value: object) -> object:
    return str(value)[:10] if hasattr(value, "year") else value
