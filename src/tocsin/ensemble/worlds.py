"""One world as a history, and two ensembles world by world."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tocsin.errors import TocsinError

if TYPE_CHECKING:
    from tocsin.ensemble.ensemble import Ensemble
    from tocsin.history.history import History


def world_as_history(ensemble: Ensemble, k: int, observed: History) -> History:
    """Return world `k` as a history with the units, ties and covariates of the observed one."""
    from tocsin.history.history import History

    frame = ensemble.frame
    world = ensemble.world(k)
    drawn = pd.DataFrame(
        {
            "unit": world["unit"].astype(object),
            "variable": world["variable"].astype(object),
            "state": world["to"].astype(object),
            "time": world["time"].to_numpy(dtype=np.float64),
        }
    )
    followed = frame.followed
    names = [variable.name for variable in frame.variables]
    given = pd.DataFrame(
        {
            "unit": [frame.units[code] for code in followed.unit],
            "variable": [names[code] for code in followed.variable],
            "state": [
                frame.variables[v].states[s] for v, s in zip(followed.variable, followed.state, strict=True)
            ],
            "time": followed.time,
        }
    )
    before = _before_entry(observed)
    events = pd.concat([before, given, drawn], ignore_index=True).sort_values("time", kind="stable")
    # Days are coarser than simulated times: the order within a unit's day is kept by its sequence.
    events["time"] = frame.to_dates(events["time"].to_numpy(dtype=np.float64))
    events["sequence"] = events.groupby(["unit", "time"], sort=False).cumcount()
    changed = "; ".join(ensemble.interventions)
    note = f"world {k} of {ensemble.worlds}, seed {ensemble.seed}" + (
        f", changed: {changed}" if changed else ""
    )
    return History(
        observed.units,
        events.reset_index(drop=True),
        observed.ties,
        observed.covariates,
        variables=frame.variables,
        window=observed.window,
        layers=observed.layers,
        clock=observed._clock.declared,
        outside=observed.outside,
        extra=observed.extra,
        name=f"{observed.name}-world-{k}",
        title=f"{observed.title or observed.name} ({note})",
        citation=observed.citation,
        licence=observed.licence,
    )


def _before_entry(observed: History) -> pd.DataFrame:
    """Return the observed events that only set the state on entry: every world keeps them."""
    numbers = observed.numbers
    early = numbers.early
    return pd.DataFrame(
        {
            "unit": [numbers.units[code] for code in numbers.event_unit[early]],
            "variable": [observed.variables[code].name for code in numbers.event_variable[early]],
            "state": [
                observed.variables[v].states[s]
                for v, s in zip(numbers.event_variable[early], numbers.event_state[early], strict=True)
            ],
            "time": numbers.event_time[early],
        }
    )


def check_comparable(one: Ensemble, other: Ensemble) -> None:
    """Raise TocsinError where two ensembles cannot be compared world by world."""
    if one.worlds != other.worlds:
        raise TocsinError(f"ensembles of {one.worlds} and {other.worlds} worlds cannot be compared by world")
    if one.frame.units != other.frame.units or one.frame.variables != other.frame.variables:
        raise TocsinError("ensembles of different units or variables cannot be compared world by world")


def side_by_side(one: Ensemble, other: Ensemble) -> Iterator[tuple[int, Ensemble, Ensemble]]:
    """Give the same worlds of two ensembles, and the number of the first of them.

    Worlds in memory come at once; where one side lies in parts, part by part.
    """
    for first, last in max(one._bounds(), other._bounds(), key=len):
        yield first, one._piece(first, last), other._piece(first, last)


def compare_worlds(
    one: Ensemble, other: Ensemble, variable: str | None, state: str | None, by: str
) -> pd.DataFrame:
    """Return the differences of two ensembles, world by world or unit by unit (see `Ensemble.compare`)."""
    check_comparable(one, other)
    if by not in ("world", "unit"):
        raise TocsinError(f"by must be 'world' or 'unit', not {by!r}")
    if state is not None and variable is None:
        raise TocsinError("name the variable of the state")
    asked = [
        (each.name, name)
        for each in (one.frame.variables if variable is None else (one.frame.variable(variable),))
        for name in (each.states if state is None else (state,))
    ]
    question = _by_world if by == "world" else _by_unit
    answers: dict[tuple[str, str], list[pd.DataFrame]] = {each: [] for each in asked}
    for first, here, there in side_by_side(one, other):
        for each in asked:
            answer = question(here, there, *each)
            answer["world"] += first
            answer.insert(1, "variable", each[0])
            answer.insert(2, "state", each[1])
            answers[each].append(answer)
    return pd.concat([answer for each in asked for answer in answers[each]], ignore_index=True)


def _by_unit(one: Ensemble, other: Ensemble, variable: str, state: str) -> pd.DataFrame:
    left = one.first_times(variable, state)[["world", "unit", "time"]]
    right = other.first_times(variable, state)[["world", "unit", "time"]]
    both = left.merge(right, on=["world", "unit"], how="outer", suffixes=("", "_other"))
    both = both.rename(columns={"time": "first", "time_other": "first_other"})
    both["difference"] = both["first"] - both["first_other"]
    return both


def _by_world(one: Ensemble, other: Ensemble, variable: str, state: str) -> pd.DataFrame:
    counts, counts_other = one.counts(variable, state), other.counts(variable, state)
    paired = _by_unit(one, other, variable, state)
    here, there = paired["first"].notna().to_numpy(), paired["first_other"].notna().to_numpy()
    world = paired["world"].to_numpy()

    def number(chosen: Any) -> Any:
        return np.bincount(world[chosen], minlength=one.worlds)

    earliest = paired.groupby("world")[["first", "first_other"]].min().reindex(range(one.worlds))
    return pd.DataFrame(
        {
            "world": counts["world"],
            "entries": counts["entries"],
            "entries_other": counts_other["entries"],
            "entries_difference": counts["entries"] - counts_other["entries"],
            "units": counts["units"],
            "units_other": counts_other["units"],
            "units_difference": counts["units"] - counts_other["units"],
            "gained": number(here & ~there),
            "lost": number(~here & there),
            "first": earliest["first"].to_numpy(),
            "first_other": earliest["first_other"].to_numpy(),
            "first_difference": (earliest["first"] - earliest["first_other"]).to_numpy(),
        }
    )
