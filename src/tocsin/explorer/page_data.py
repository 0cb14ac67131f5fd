"""What the page is told once: who is there, what happened, which ties there were, and what can be said of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tocsin.explorer.answers import days_of
from tocsin.explorer.outlines import days_of_cuts, views_of
from tocsin.explorer.questions import Refused
from tocsin.explorer.unit_story import attribution_of
from tocsin.history.describe import short_labels
from tocsin.interventions.on_covariates import scale
from tocsin.interventions.on_ties import remove_layer
from tocsin.interventions.on_units import force, prevent
from tocsin.interventions.sentences import titles
from tocsin.maps.geometry import cut_dates
from tocsin.maps.map import STATE_COLOURS
from tocsin.model.declaration import layers_of, specials_of

if TYPE_CHECKING:
    from tocsin.ensemble.ensemble import Ensemble
    from tocsin.ensemble.frame import Frame
    from tocsin.explorer.run import Laboratory
    from tocsin.history.history import History
    from tocsin.model.followed_state import Wave

EXAMPLES = 8

CONCLUDE = (
    "What may be concluded: what a model fitted to this record expects, and how sure that is; not what would surely "
    "have happened, nor that neighbours who look alike followed one another."
)

FAINT = 0.1  # shares of an event below this are no arc


def about(laboratory: Laboratory) -> dict[str, Any]:
    """Return the history as the page needs it: calendar, units, states, spells, layers and sentences."""
    history, model, frame = laboratory.history, laboratory.model, laboratory.observed.frame
    days, step = days_of(laboratory)
    return {
        "name": history.name,
        "title": history.title or history.name,
        "description": " ".join([history.description, *_asked(laboratory)]).strip(),
        "ask": " ".join([*_asked(laboratory)[:1], CONCLUDE]) if history.question else CONCLUDE,
        "citation": history.citation,
        "licence": history.licence,
        "model": getattr(model, "title", "") or "",
        "clock": frame.clock if frame.dated else "number",
        "first": None if frame.first is None else frame.first.isoformat(),
        "start": float(days[0]),
        "step": step,
        "count": len(days),
        "wave": str(laboratory.wave),
        "states": states_of(laboratory.pairs, laboratory.wave),
        "initial": {each.name: each.initial for each in model.variables},
        "units": units_of(history, frame),
        "spells": spells_of(laboratory.observed, laboratory.pairs, history),
        "layers": _layers(laboratory),
        "views": views_of(history),
        "cuts": days_of_cuts(history),
        "cut_dates": [day.isoformat() for day in cut_dates(history)] if history.dated else [],
        "worlds": laboratory.limits.worlds,
        "seed": laboratory.seed,
        "limits": {"sentences": laboratory.limits.sentences, "letters": laboratory.limits.letters},
        "ours": True,
        "examples": examples(laboratory),
        "vocabulary": vocabulary(laboratory),
    }


def _asked(laboratory: Laboratory) -> list[str]:
    """Return the question of the history and what worlds are given, as the page tells them."""
    given = laboratory.standard.given
    if given == "nothing":
        return ["Worlds begin with the window, from nothing."] if laboratory.history.question else []
    ask = laboratory.history.question.ask if laboratory.history.question else ""
    return [
        *([ask] if ask else []),
        f"Worlds share the record {given} and go on from there, with later ties and covariates as they were; a change "
        "that reaches back before that day is answered by worlds that begin from nothing.",
    ]


def states_of(pairs: Sequence[Wave], wave: Wave) -> list[dict[str, str]]:
    """Return the states that can be shown, the wave first, with their colours and the words for them.

    `own` is a state's colour on a map of its own; `colour` the one among others, where only the wave and the
    states that the theme names are told apart.
    """
    found = []
    for each in pairs:
        own = STATE_COLOURS.get(each.state, "wave")
        alone = each == wave or each.state in STATE_COLOURS
        found.append(
            {
                "show": str(each),
                "words": each.words,
                "one": each.one or each.words,
                "many": each.many or each.words,
                "standing": each.standing,
                "comes": each.comes,
                "come": each.come,
                "own": own,
                "colour": own if alone else "band",
            }
        )
    found.sort(key=lambda state: state["colour"] == "band")
    return found


def units_of(history: History, frame: Frame) -> list[dict[str, Any]]:
    """Return the units of a frame with their names, what is noted of them, and when they are there."""
    table, short, away = history.units, short_labels(history), frame.absences
    full = dict(zip(table["unit"].astype(str), _texts(table, "label"), strict=True))
    notes = dict(zip(table["unit"].astype(str), _texts(table, "note"), strict=True))
    return [
        {
            "id": unit,
            "label": short[unit],
            "full": full[unit] or short[unit],
            "note": notes[unit],
            "enter": float(frame.enter[place]),
            "exit": float(frame.exit[place]),
            "away": [
                [float(start), float(end)]
                for unit, start, end in zip(away.unit, away.start, away.end, strict=True)
                if unit == place
            ],
        }
        for place, unit in enumerate(frame.units)
    ]


def _texts(table: pd.DataFrame, column: str) -> list[str]:
    if column not in table:
        return [""] * len(table)
    return [str(value) if pd.notna(value) else "" for value in table[column]]


def spells_of(observed: Ensemble, pairs: Sequence[Wave], history: History) -> dict[str, list[list[Any]]]:
    """Return what happened: for each unit its spells as [state shown, start, end, rated low]."""
    doubtful = _doubtful(history)
    found: dict[str, list[list[Any]]] = {}
    for show in pairs:
        table = observed.durations(show.variable, show.state)
        for unit, start, end, open_ in zip(
            table["unit"].astype(str), table["start"], table["end"], table["censored"], strict=True
        ):
            low = (unit, show.variable, show.state, float(start)) in doubtful
            # A spell that the window closes is open at its last moment.
            last = float(end) + 1.0 if open_ else float(end)
            found.setdefault(unit, []).append([str(show), float(start), last, low])
    return found


def _doubtful(history: History) -> set[tuple[str, str, str, float]]:
    events = history.events
    if "confidence" not in events:
        return set()
    low = events[events["confidence"].astype(str) == "low"]
    return {
        (str(unit), str(variable), str(state), float(history.to_number(time)))
        for unit, variable, state, time in zip(
            low["unit"], low["variable"], low["state"], low["time"], strict=True
        )
    }


def _layers(laboratory: Laboratory) -> list[dict[str, Any]]:
    """Return the layers with how many ties they have, and whether the wave spreads along them."""
    history, wave = laboratory.history, laboratory.wave
    counts = history.ties["layer"].astype(str).value_counts()
    used, waving = set[str](), set[str]()
    for transition in laboratory.model.transitions:
        for cause in transition.causes:
            used.update(layers_of(cause))
            if transition.variable == wave.variable and transition.to == wave.state:
                waving.update(layers_of(cause))
    return [
        {
            "name": name,
            "words": history.called(name),
            "say": str(remove_layer(name)),
            "ties": int(counts.get(name, 0)),
            "used": name in used,
            "wave": name in waving,
        }
        for name in history.layers
    ]


def ties(laboratory: Laboratory) -> dict[str, Any]:
    """Return all ties as numbers: for each layer, rows of source, target, weight, start and end."""
    history, numbers = laboratory.history, laboratory.history.numbers
    table = history.ties
    place = numbers.unit_index
    start = table["start"].map(history.begins).to_numpy(dtype=float)
    # A row that ends on a day is in force until that day is over.
    end = table["end"].map(history.to_number).to_numpy(dtype=float) + (1.0 if history.dated else 0.0)
    layers: dict[str, list[list[float]]] = {name: [] for name in history.layers}
    columns = (table["layer"], table["source"], table["target"], table["weight"], start, end)
    for layer, source, target, weight, begin, until in zip(*columns, strict=True):
        layers[str(layer)].append(
            [place[str(source)], place[str(target)], round(float(weight), 4), float(begin), float(until)]
        )
    return {"units": list(numbers.units), "layers": layers, "sparks": _sparks(laboratory)}


def _sparks(laboratory: Laboratory) -> list[list[Any]]:
    """Return who set off whom: rows of time, source, unit, state and the source's share of the hazard."""
    place = laboratory.history.numbers.unit_index
    shown = {str(each) for each in laboratory.pairs}
    table = attribution_of(laboratory).sources
    keys = ["event", "time", "source", "unit", "variable", "to"]
    plain = table.assign(**{name: table[name].astype(str) for name in keys[2:]})
    found = []
    for (_, time, source, unit, variable, state), share in plain.groupby(keys)["share"].sum().items():
        if share >= FAINT and f"{variable}={state}" in shown:
            found.append(
                [float(time), place[source], place[unit], f"{variable}={state}", round(float(share), 3)]
            )
    return sorted(found)


def examples(laboratory: Laboratory) -> list[dict[str, str]]:
    """Return changes to try first: layers of the wave taken away, what came first prevented, causes halved."""
    history, wave = laboratory.history, laboratory.wave
    short = short_labels(laboratory.history)
    count = {layer["name"]: layer["ties"] for layer in _layers(laboratory)}
    causes = [
        layer
        for transition in laboratory.model.transitions
        if (transition.variable, transition.to) == (wave.variable, wave.state)
        for cause in transition.causes
        for layer in layers_of(cause)
        if count.get(layer)
    ]
    # A model tells what lies nearest first and what was done on purpose last, which is asked about most.
    found = [
        _example(laboratory, str(remove_layer(layer)), f"without {history.called(layer)}")
        for layer in reversed(list(dict.fromkeys(causes)))
    ]
    first = laboratory.observed.first_times(wave.variable, wave.state).sort_values("time", kind="stable")
    early = list(dict.fromkeys(first["unit"].astype(str)))
    prevented = [
        _example(laboratory, str(prevent(unit, str(wave))), f"no {wave.one or wave.words} in {short[unit]}")
        for unit in early[:1]
    ]
    halved = [
        _example(laboratory, str(scale(name, 0.5)), f"{history.called(name)}, halved")
        for name in sorted(history.numbers.covariates)
        if _moves_wave(laboratory, name)
    ]
    mixed = [*found[:3], *prevented, *_forced(laboratory, set(early)), *halved, *found[3:]]
    return [each for each in mixed if _can_be_said(laboratory, each["say"])][:EXAMPLES]


def _example(laboratory: Laboratory, say: str, words: str) -> dict[str, str]:
    """Return a change to try: by its title in scenarios.toml, as its answer has it, else in words of its own."""
    return {"say": say, "words": titles(laboratory.history).get((say,)) or words}


def _can_be_said(laboratory: Laboratory, sentence: str) -> bool:
    """Return whether the page can ask for a sentence: names may be longer than what may be asked."""
    try:
        return laboratory.reader.sentences([sentence], "do") == (sentence,)
    except Refused:
        return False


def _forced(laboratory: Laboratory, early: set[str]) -> list[dict[str, str]]:
    """Return the unit that stayed away and is in the state in most worlds, put there when the wave began."""
    wave = laboratory.wave
    worlds = laboratory.worlds(laboratory.standard, wave)
    share: Any = worlds.summary(wave.variable, wave.state)["share"]
    rest = share[[unit for unit in share.index if unit not in early]]
    if not len(rest) or rest.max() <= 0:
        return []
    unit = str(rest.idxmax())
    first = laboratory.observed.first_times(wave.variable, wave.state)["time"]
    place = laboratory.history.numbers.unit_index[unit]
    frame = laboratory.observed.frame
    when = float(
        np.clip(first.median() if len(first) else frame.start, frame.enter[place], frame.exit[place])
    )
    text = (
        frame.label(np.floor(when))
        if frame.dated
        else f"{np.ceil(when) if frame.clock == 'step' else when:g}"
    )
    if frame.clock != "day" and frame.dated:
        return []
    label = short_labels(laboratory.history)[unit]
    return [{"say": str(force(unit, str(wave), text)), "words": f"{label} {wave.within} too"}]


def _moves_wave(laboratory: Laboratory, covariate: str) -> bool:
    program = laboratory.program
    wave = laboratory.wave
    for number, (transition, cause) in enumerate(program.causes):
        if transition.variable == wave.variable and transition.to == wave.state:
            if any(each.mark == covariate for each in specials_of(cause)):
                return True
            for design in program.layout.cause[number]:
                if 0 <= design < len(program.designs) and covariate in program.designs[design].uses:
                    return True
    return False


def vocabulary(laboratory: Laboratory) -> dict[str, Any]:
    """Return the forms of sentences, as a reader sees them and as places to fill, and the names that fit them."""
    from tocsin.interventions.grammar import shown
    from tocsin.interventions.sentences import kinds

    numbers, frame = laboratory.history.numbers, laboratory.observed.frame
    static = [name for name, column in numbers.static.items() if column.dtype.kind == "f"]
    middle = float(np.floor((frame.start + frame.end) / 2))
    clauses = [f"{each.name}={state}" for each in laboratory.model.variables for state in each.states]
    first = str(laboratory.wave)
    return {
        "shown": [shown(kind.FORM) for kind in kinds()],
        "forms": [_places_of(kind.FORM) for kind in kinds()],
        "names": {
            "unit": list(numbers.units),
            "layer": list(laboratory.history.layers),
            "covariate": sorted({*numbers.covariates, *static} - {"lon", "lat"}),
            "clause": [first, *(clause for clause in clauses if clause != first)],
        },
        "date": frame.label(middle) if frame.dated else f"{middle:g}",
    }


def _places_of(form: str) -> list[str]:
    """Return the words of a form without its optional parts; a place stands in braces: `{layer}`."""
    plain = re.sub(r"(\w+)/\w+", r"\1", re.sub(r"\[[^\]]*\]", "", form))
    return plain.replace("{source}", "{unit}").replace("{target}", "{unit}").split(" ")
