"""The story of one unit: its events with their sources, what the model says moved them, and its neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tocsin.charts.parts import OF_CAUSES, OF_LAYERS
from tocsin.history.describe import citations
from tocsin.model.declaration import Contagion
from tocsin.model.followed_state import Wave

if TYPE_CHECKING:
    from tocsin.explorer.run import Laboratory

MOST_SOURCES = 4  # of one event

STRETCHES = 365  # of the window, in which hazards are averaged


def story(laboratory: Laboratory, unit: str, show: Wave) -> dict[str, Any]:
    """Return all that the page tells of a unit.

    Parameters:
        laboratory: where the history and the model come from.
        unit: its name.
        show: the state whose hazards are told apart by cause.
    """
    return {
        "unit": unit,
        "events": _events(laboratory, unit),
        "neighbours": _neighbours(laboratory, unit),
        "hazards": hazards(laboratory, unit, show),
        "causes": caused(laboratory, unit, show),
        "words": _words(laboratory),
    }


def _words(laboratory: Laboratory) -> dict[str, str]:
    """Return what people call the causes of the model and the layers of the history."""
    causes = (cause.name for _, cause in laboratory.program.causes)
    return {
        name: laboratory.history.called(name) for name in dict.fromkeys([*causes, *laboratory.history.layers])
    }


def _events(laboratory: Laboratory, unit: str) -> list[dict[str, Any]]:
    """Return the observed events of a unit, in the order of time, with source, shares of causes and senders."""
    history = laboratory.history
    table = history.events
    mine = table[table["unit"].astype(str) == unit].sort_values("time", kind="stable")
    cited = citations(history)
    shares = _shares(laboratory, unit)
    found = []
    for row in mine.to_dict("records"):
        number = float(history.to_number(row["time"]))
        variable, state = str(row["variable"]), str(row["state"])
        key = _text(row.get("citation"))
        found.append(
            {
                "time": number,
                "show": f"{variable}={state}",
                "words": history.words.get(f"{variable}={state}", f"{variable} “{state}”"),
                "note": _text(row.get("note")),
                "outcome": "; ".join(
                    text for column in ("outcome", "by_whom_ended") if (text := _text(row.get(column)))
                ),
                "confidence": _text(row.get("confidence")),
                "source": cited.get(key, key),
                **shares.get((number, variable, state), {}),
            }
        )
    return found


def _text(value: Any) -> str:
    return "" if value is None or pd.isna(value) else str(value)


def attribution_of(laboratory: Laboratory) -> Any:
    """Return the attribution of the history; made once."""
    return laboratory.lasting.get(
        "attribution",
        lambda: laboratory.model.with_params(laboratory.parameters, laboratory.learned).attribute(
            laboratory.history
        ),
    )


def _shares(laboratory: Laboratory, unit: str) -> dict[tuple[float, str, str], dict[str, Any]]:
    """Return, by event, the shares of its causes and the strongest of its sources."""
    attribution = attribution_of(laboratory)
    found: dict[tuple[float, str, str], dict[str, Any]] = {}
    for name, table, column in (
        ("causes", attribution.causes, "cause"),
        ("senders", attribution.sources, "source"),
    ):
        mine = table[table["unit"].astype(str) == unit]
        keys = [mine["time"].astype(float), mine["variable"].astype(str), mine["to"].astype(str)]
        for (time, variable, state, what), share in (
            mine.groupby([*keys, mine[column].astype(str)], sort=False)["share"].sum().items()
        ):
            listed = found.setdefault((time, variable, state), {}).setdefault(name, [])
            if share >= 0.005:
                listed.append([what, round(float(share), 4)])
    for each in found.values():
        for name, rows in each.items():
            rows.sort(key=lambda row: -row[1])
            if name == "senders":
                del rows[MOST_SOURCES:]
    return found


def _neighbours(laboratory: Laboratory, unit: str) -> list[dict[str, Any]]:
    """Return the ties of a unit: layer, the other unit, whether it sends or hears, weight, start and end."""
    history = laboratory.history
    table = history.ties
    found = []
    for column, other, way in (("target", "source", "hears"), ("source", "target", "sends")):
        mine = table[table[column].astype(str) == unit]
        for row in mine.to_dict("records"):
            found.append(
                {
                    "layer": str(row["layer"]),
                    "unit": str(row[other]),
                    "way": way,
                    "weight": round(float(row["weight"]), 4),
                    "start": history.begins(row["start"]),
                    "end": history.finishes(row["end"]),
                }
            )
    found.sort(key=lambda each: (each["layer"], each["way"], each["unit"], each["start"]))
    return found


def hazards(laboratory: Laboratory, unit: str, show: Wave) -> dict[str, Any]:
    """Return the hazard of coming into a state, cause by cause, as what happened made it (see `course`).

    Returns:
        `time` of the middle of each of `STRETCHES` stretches (clock numbers) and, by cause, the mean hazard in
        it, a unit of the clock.
    """
    from tocsin.program.hazard_course import course

    frame = laboratory.observed.frame
    edges = np.linspace(frame.start, frame.end, STRETCHES + 1)
    causes: dict[str, Any] = {}
    for transition in laboratory.model.transitions:
        if transition.variable == show.variable and transition.to == show.state:
            table = course(laboratory.program, laboratory.vector, transition.name, unit, edges)
            for cause, rows in table.groupby("cause", sort=False):
                causes[str(cause)] = causes.get(str(cause), 0.0) + rows["hazard"].to_numpy()
    return {
        "show": str(show),
        "time": ((edges[:-1] + edges[1:]) / 2).round(2).tolist(),
        "causes": {name: [float(f"{value:.3g}") for value in rates] for name, rates in causes.items()},
        "colours": _colours(laboratory, list(causes)),
    }


def _colours(laboratory: Laboratory, shown: list[str]) -> dict[str, str]:
    """Return the theme's colour of each cause: that of home, of its layer, or the next that is free."""
    layers = {
        cause.name: cause.layer if isinstance(cause, Contagion) else None
        for _, cause in laboratory.program.causes
    }
    found: dict[str, str] = {}
    for name in shown:
        hue = "home" if layers[name] is None else OF_LAYERS.get(str(layers[name]))
        if hue is not None and hue not in found.values():
            found[name] = hue
    free = [hue for hue in OF_CAUSES if hue not in found.values()]
    return {name: found.get(name) or (free.pop(0) if free else "quiet") for name in shown}


def caused(laboratory: Laboratory, unit: str, show: Wave) -> dict[str, Any]:
    """Return what brought a unit into a state in the unchanged worlds: entries by cause, and worlds in all."""
    ensemble = laboratory.worlds(laboratory.standard, show)
    events = ensemble.events
    import pyarrow.compute as pc

    mask = pc.and_(
        pc.equal(events["unit"], unit),
        pc.and_(pc.equal(events["variable"], show.variable), pc.equal(events["to"], show.state)),
    )
    counts = events.filter(mask)["cause"].value_counts().to_pylist()
    rows = sorted(((str(each["values"]), int(each["counts"])) for each in counts), key=lambda row: -row[1])
    return {"worlds": ensemble.worlds, "entries": [list(row) for row in rows]}
