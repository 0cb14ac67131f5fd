"""The ensemble in a notebook: a map at a date, the curve through time, and the number behind every colour.

All that the widget shows travels with it, outlines and counts too, so that nothing is fetched from elsewhere and a
saved notebook stays alive without a kernel. The map, the calendar and the words are the modules of the explorer's
page, joined into one.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.charts.parts import colours, fonts
from tocsin.ensemble.ensemble import Ensemble
from tocsin.ensemble.paired import observed_world
from tocsin.errors import TocsinError, suggestion
from tocsin.explorer import answers, assets, edition, outlines, page_data
from tocsin.maps.geometry import cut_dates
from tocsin.model.followed_state import Wave

if TYPE_CHECKING:
    import anywidget

    from tocsin.history.history import History

CELLS = 2_000_000  # counts that travel, at most: units times days


def widget_of(
    ensemble: Ensemble, variable: str | None = None, state: str | None = None, date: str | float | None = None
) -> anywidget.AnyWidget:
    """Return a widget that plays an ensemble through time.

    Parameters:
        ensemble: the worlds; they know their history if they were just simulated, or read with it.
        variable, state: the state shown; by default the first for which the history has words, else the one
            most often entered.
        date: where it opens; by default where most units hold the state.

    Returns:
        An anywidget with the traits `content` (all that is shown), `date` (where it stands, as text; it can be
        set) and `unit` (the unit that is chosen, or an empty text).

    Raises:
        TocsinError: the extra `explorer` is not installed; variable, state or date are unknown.
    """
    try:
        import anywidget
        import traitlets
    except ImportError:
        raise TocsinError("explore() needs anywidget: pip install 'tocsin[explorer]'") from None

    class EnsembleWidget(anywidget.AnyWidget):  # type: ignore[misc, unused-ignore]
        """An ensemble on a map and a curve, through time."""

        _esm = edition.module_script("widget.js")
        _css = style()
        content = traitlets.Dict().tag(sync=True)
        date = traitlets.Unicode().tag(sync=True)
        unit = traitlets.Unicode().tag(sync=True)

    show = shown(ensemble, variable, state)
    content = content_of(ensemble, show)
    opens = opening(ensemble, content, date)
    return EnsembleWidget(content=content, date=opens, unit="")


def shown(ensemble: Ensemble, variable: str | None, state: str | None) -> Wave:
    """Return the state to show; raise TocsinError with the nearest name where it is unknown."""
    frame, history = ensemble.frame, ensemble.of
    if variable is None and state is not None:
        holders = [each.name for each in frame.variables if state in each.states]
        if not holders:
            states = [name for each in frame.variables for name in each.states]
            raise TocsinError(f"no variable has a state {state!r}" + suggestion(state, states))
        if len(holders) > 1:
            raise TocsinError(f"several variables have a state {state!r}: say which of {', '.join(holders)}")
        variable = holders[0]
    if variable is not None and state is not None:
        frame.code(variable, state)
        return _worded(history, variable, state)
    asked = frame.variables if variable is None else (frame.variable(variable),)
    moved = {each.name: ensemble._moves(each.name).to for each in asked}
    entries = {
        (each.name, name): int((moved[each.name] == each.code(name)).sum())
        for each in asked
        for name in each.states
        if name != each.initial
    }
    if not entries:
        raise TocsinError("the worlds have no state to show: every variable has one only")
    best = max(entries, key=lambda pair: entries[pair])
    spoken = list(history.waves) if history is not None else []
    named = [pair for pair in entries if f"{pair[0]}={pair[1]}" in spoken and entries[pair]]
    return _worded(history, *(named[0] if named else best))


def _worded(history: History | None, variable: str, state: str) -> Wave:
    words = history.waves.get(f"{variable}={state}", ("", "")) if history is not None else ("", "")
    return Wave(variable, state, *words)


def content_of(ensemble: Ensemble, show: Wave) -> dict[str, Any]:
    """Return all that the widget shows, as the modules of the page read it."""
    frame, history = ensemble.frame, ensemble.of
    days, step = answers.days_in(frame)
    scene = answers.scene_of(ensemble, show, max(1, math.ceil(len(days) * len(frame.units) / CELLS)))
    told: dict[str, Any] = {
        "clock": frame.clock if frame.dated else "number",
        "first": None if frame.first is None else frame.first.isoformat(),
        "start": float(days[0]),
        "step": step,
        "count": len(days),
        "wave": str(show),
        "states": page_data.states_of([show], show),
    }
    changes = [] if ensemble.given == "nothing" else [f"given {ensemble.given}"]
    content = {
        "about": told,
        "scene": scene,
        "changes": [*ensemble.interventions, *changes],
        "title": "Worlds",
        "source": "",
        "record": False,
        "maps": [],
        "cuts": [],
        "cut_dates": [],
    }
    if history is None:
        # What was read without its history: no names, no record and no map, but the worlds themselves.
        told["spells"] = {}
        told["units"] = [
            {"id": unit, "label": unit, "enter": float(enter), "exit": float(leave)}
            for unit, enter, leave in zip(frame.units, frame.enter, frame.exit, strict=True)
        ]
        return content
    record = observed_world(history)
    known = any(show.state in each.states for each in record.frame.variables if each.name == show.variable)
    told["spells"] = page_data.spells_of(record, [show], history) if known else {}
    told["units"] = page_data.units_of(history, frame)
    content.update(title=history.title or history.name, source=history.citation, record=known)
    views, cuts = outlines.views_of(history), outlines.days_of_cuts(history)
    if views:
        content["maps"] = [outlines.outlines_of(history, views[0], cut) for cut in range(len(cuts))]
        content["cuts"] = cuts
        content["cut_dates"] = [day.isoformat() for day in cut_dates(history)] if history.dated else []
    return content


def opening(ensemble: Ensemble, content: dict[str, Any], date: str | float | None) -> str:
    """Return where the widget opens, as its `date`: where it was asked for, or where most units hold the state."""
    frame, told = ensemble.frame, content["about"]
    if date is not None:
        number = frame.to_number(date)
        if not frame.start <= number <= frame.last:
            raise TocsinError(
                f"{date!r} lies outside the window {frame.label(frame.start)} to {frame.label(frame.last)}"
            )
        return frame.label(number) if frame.dated else f"{number:g}"
    times = np.array(content["scene"]["curve"]["time"])
    height = np.zeros(len(times))
    for spells in told["spells"].values():
        for _, start, end, _ in spells:
            height += (start < times + (1.0 if frame.dated else 0.0)) & (times < end)
    if not height.any():
        height = np.array(content["scene"]["curve"]["mean"])
    best = float(times[int(height.argmax())])
    return frame.label(best) if frame.dated else f"{best:g}"


def style() -> str:
    """Return the style of the widget: its own, and that of the page's maps, kept inside of the widget."""
    light, dark = colours(), colours(dark=True)
    page = assets.static_text("style.css")
    found = re.search(r"/\* Maps \*/\n(.*?)\n/\* ", page, re.DOTALL)
    assert found is not None
    shared = (
        ".sr{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}"
    )
    own = assets.static_text("widget.css")
    return (
        f".tocsin{{color-scheme:light;{fonts()};{light}}}\n"
        f"@media (prefers-color-scheme:dark){{.tocsin{{color-scheme:dark;{dark}}}}}\n"
        # Notebooks have themes of their own, which go before the system's.
        f":is([data-jp-theme-light=true],.vscode-light) .tocsin{{color-scheme:light;{light}}}\n"
        f":is([data-jp-theme-light=false],.vscode-dark) .tocsin{{color-scheme:dark;{dark}}}\n"
        f".tocsin{{\n{shared}\n{found.group(1)}\n}}\n{own}"
    )
