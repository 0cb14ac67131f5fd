"""Maps at a date: what happened in ink, worlds as so many of 100, and the difference of two ensembles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import altair as alt

from tocsin.charts.parts import colour
from tocsin.charts.svg import UNSEEN
from tocsin.ensemble.ensemble import Ensemble
from tocsin.ensemble.standing import Standing, changed, history_of, standings_of
from tocsin.errors import TocsinError
from tocsin.interventions.sentences import said
from tocsin.maps.projection import Box
from tocsin.maps.sheet import AT, WIDE, Sheet
from tocsin.model.followed_state import wave_in
from tocsin.wording.numbers import counted, hundred, listed, signed

if TYPE_CHECKING:
    from tocsin.history.history import History

# States that have a colour of their own; all others have that of the wave.
STATE_COLOURS = {"mutinous": "mutiny", "strike": "unrest", "rising": "rising"}

NAMED = 4  # units that a title names; more are counted

FULL = 0.92  # opacity of a share of one
FULL_AT = (
    0.02,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
)  # differences that may have the full colour: the least that holds all

WORTH_A_LABEL = 0.05  # share of worlds

Layers = list[Any]


def map_at(
    source: Ensemble | History,
    variable: str,
    state: str,
    date: Any,
    *,
    view: str | Box | None = None,
    width: int = WIDE,
    titled: bool = True,
) -> alt.LayerChart:
    """Return a map of the units that hold a state at the end of a day, observed and simulated.

    Observed is an edge of ink; of an ensemble the colour is the share of worlds, with its number on the map
    or on hover; of a history alone the units are filled. A unit without an outline is a ring at its capital.
    Stipple: the share's 95% interval is wider than 20 of 100 worlds, or the last event is rated low.

    Parameters:
        source: an ensemble, or a history for the record alone.
        variable, state: what is shown.
        date: a date within the window (or a number, where times are numbers).
        view: "europe", "world", "units" or (west, south, east, north); see `projection_of`.
        width: in pixels.
        titled: whether the chart carries its own title and source.

    Raises:
        TocsinError: an unknown variable, state, date or view, or an ensemble that does not know its history.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> type(tc.maps.map_at(history, "regime", "soviet", "1919-04-15")).__name__
        'LayerChart'
    """
    history = history_of(source)
    standings = standings_of(source, variable, state, date)
    sheet = Sheet(history, date if history.dated else None, view, width)
    worlds = isinstance(source, Ensemble)
    vague = {unit for unit, each in standings.items() if each.vague} & sheet.drawn
    within = wave_in(history, variable, state).within
    hue = colour(STATE_COLOURS.get(state, "wave"))
    sheet.tell(
        {unit: _about(sheet.labels[unit], each, worlds, unit in vague) for unit, each in standings.items()}
    )
    layers = sheet.ground() + _filled(hue, "wave", sheet, f"worlds of 100 {within}" if worlds else None)
    layers += sheet.hairlines() + sheet.stipple(vague) + _edged(sheet) + _marked(sheet, {hue: "wave"}, worlds)
    hover = {"name": "unit", "worlds": "worlds of 100", "record": "in the record"}
    layers += _touchable(sheet, hover if worlds else {"name": "unit", "record": "in the record"})
    layers += sheet.words(sheet.place(_texts(sheet, standings, worlds, width)))
    when = sheet.moment(date)
    notes = []
    if worlds:
        notes.append(f"Colour: share of worlds; edge of ink: {within} in the record.")
    elif any(each.observed for each in standings.values()):
        notes.append(f"Filled, with an edge of ink: {within} in the record.")
    if vague:
        notes.append(
            "Stipple: 95% interval wider than 20 of 100 worlds."
            if worlds
            else "Stipple: rated low in the record."
        )
    finding = _finding(sheet, standings, within, when, worlds)
    description = f"Map of {sheet.where}, {when}. {finding}. {_listing(sheet, standings, within, worlds)}"
    return sheet.finished(layers, finding, notes, _source(source, history), description, titled)


def difference_map(
    a: Ensemble,
    b: Ensemble,
    variable: str,
    state: str,
    date: Any,
    *,
    view: str | Box | None = None,
    width: int = WIDE,
    titled: bool = True,
) -> alt.LayerChart:
    """Return a map of how much oftener units hold a state in the worlds of `b` than in those of `a`.

    The sign is printed with the number. Intervals are those of two independent shares (Newcombe 1998, method
    10); for worlds that share a seed they are on the wide side. Stipple: the interval holds zero.

    Parameters and errors: as for `map_at`; both ensembles must be of the same units.

    Parameters:
        a, b: two ensembles of the same units.
        variable, state: what is shown.
        date: a date within the window (or a number, where times are numbers).
        view: "europe", "world", "units" or (west, south, east, north), in degrees.
        width: in pixels.
        titled: whether the chart carries its own title and source.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> fit = tc.Model.from_toml(history.model_path).fit(history)
        >>> a = fit.simulate(history, worlds=50, seed=1)
        >>> b = fit.simulate(history, worlds=50, seed=1, interventions=["remove layer comintern"])
        >>> type(tc.maps.difference_map(a, b, "regime", "soviet", "1919-04-15")).__name__
        'LayerChart'
    """
    if set(a.frame.units) != set(b.frame.units):
        raise TocsinError("two ensembles can be compared on a map if they are of the same units")
    history = history_of(b)
    first, second = (standings_of(each, variable, state, date) for each in (a, b))
    sheet = Sheet(history, date if history.dated else None, view, width)
    changes = {unit: changed(first[unit], second[unit]) for unit in first if unit in second}
    order = sorted(changes, key=lambda unit: -abs(changes[unit].share))
    vague = {unit for unit, each in changes.items() if each.vague and abs(each.share) >= 0.005} & sheet.drawn
    largest = max((abs(each.share) for each in changes.values()), default=0.0)
    full = next(each for each in FULL_AT if each >= largest)
    sheet.tell(
        {
            unit: _about_change(sheet.labels[unit], first[unit], second[unit], each, unit in vague, full)
            for unit, each in changes.items()
        }
    )
    hues = {colour("more"): "more", colour("less"): "less"}
    layers = sheet.ground()
    for hue, group in hues.items():
        layers += _filled(hue, group, sheet)
    layers += sheet.hairlines() + sheet.stipple(vague) + _marked(sheet, hues)
    layers += _touchable(sheet, {"name": "unit", "worlds": "worlds of 100"})
    texts = {
        unit: f"{sheet.labels[unit]} {signed(round(100 * changes[unit].share))}"
        for unit in order
        if abs(changes[unit].share) >= 0.02 and unit in sheet.drawn
    }
    layers += sheet.words(sheet.place(dict(list(texts.items())[: _most(width)])))
    when, within = sheet.moment(date), wave_in(history, variable, state).within
    what = said(b.interventions, history) if b.interventions else "in the second ensemble"
    notes = [
        f"Orange: {within} in more of 100 worlds ({what}), blue: in fewer; full colour at {100 * full:.0f}."
    ]
    if vague:
        notes.append("Stipple: the 95% interval holds zero.")
    finding = _change_finding(sheet, changes, order, within, when)
    listing = "; ".join(
        f"{sheet.labels[unit]} {_points(changes[unit])}"
        for unit in order
        if abs(changes[unit].share) >= 0.005
    )
    description = (
        f"Map of {sheet.where}, {when}. {finding}. Worlds of 100, more or fewer: {listing or 'none'}."
    )
    source = f"{_record(history)}; {a.worlds:,} and {b.worlds:,} worlds, seeds {a.seed} and {b.seed}"
    return sheet.finished(layers, finding, notes, source, description, titled)


def border_map(
    history: History,
    date: Any = None,
    *,
    view: str | Box | None = None,
    width: int = WIDE,
    titled: bool = True,
) -> alt.LayerChart:
    """Return a map of the units and borders of a date, with the units' names as far as there is room.

    Parameters and errors: as for `map_at`; the date may lie outside the window.

    Parameters:
        history: whose units are drawn.
        date: of the borders; the end of the window by default.
        view: "europe", "world", "units" or (west, south, east, north), in degrees.
        width: in pixels.
        titled: whether the chart carries its own title and source.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> type(tc.maps.border_map(history, "1919-04-15")).__name__
        'LayerChart'
    """
    sheet = Sheet(history, date if history.dated else None, view, width)
    sheet.tell({unit: {"name": label} for unit, label in sheet.labels.items()})
    layers = sheet.ground() + sheet.hairlines() + _marked(sheet, {}) + _touchable(sheet, {"name": "unit"})
    order = sorted(sheet.drawn, key=lambda unit: (unit not in sheet.marks, -sheet.size(unit), unit))
    layers += sheet.words(sheet.place({unit: sheet.labels[unit] for unit in order}, 10), 10)
    finding = f"{counted(len(sheet.drawn), 'unit')} of the history on this map"
    named = ", ".join(sheet.labels[unit] for unit in sorted(sheet.drawn))
    when = sheet.moment(date)
    description = f"Map of {sheet.where}{', ' + when if when else ''}. {finding}: {named}."
    return sheet.finished(layers, finding, [], _record(history), description, titled)


# --- layers ---------------------------------------------------------------------------------------------


def _filled(hue: str, group: str, sheet: Sheet, legend: str | None = None) -> Layers:
    """Return the areas of a group, whose colour is the stronger the larger their `size` (0 to 1)."""
    scale = alt.Scale(domain=[0, 1], range=[0, FULL])
    key: Any = None
    if legend is not None:
        key = alt.Legend(
            title=legend,
            values=[0.1, 0.25, 0.5, 0.75, 1],
            labelExpr="format(100 * datum.value, '.0f')",
            orient="bottom",
            direction="horizontal",
            symbolType="square",
            symbolFillColor=hue,
            symbolStrokeColor=colour("quiet"),
            symbolStrokeWidth=0.5,
            symbolSize=180,
            titleLimit=sheet.projection.width,
        )
    chart = sheet.areas(f"@here && @group == '{group}'").mark_geoshape(fill=hue, stroke=None, tooltip=None)
    return [chart.encode(opacity=alt.Opacity("properties.size:Q", scale=scale, legend=key))]


def _edged(sheet: Sheet) -> Layers:
    """Return an edge of ink around the areas that are told to be `inked`."""
    edge: dict[str, Any] = {"stroke": colour("ink"), "strokeWidth": sheet.edge, "strokeJoin": "round"}
    return [sheet.areas("@inked").mark_geoshape(filled=False, fill=None, tooltip=None, **edge)]


def _marked(sheet: Sheet, groups: Mapping[str, str], legend: bool = False) -> Layers:
    """Return the rings of units without an area: filled by group, edged with ink, broken where `vague`."""
    if not sheet.marks:
        return []
    disc = 3.14159 * sheet.ring**2
    ground = sheet.points().mark_circle(size=disc, color=colour("old"), opacity=1, tooltip=None)
    layers: Layers = [ground.encode(**AT)]
    scale = alt.Scale(domain=[0, 1], range=[0, FULL])
    for hue, group in groups.items():
        chart = sheet.points(f"@group == '{group}'").mark_circle(size=disc, color=hue, tooltip=None)
        # A legend that one layer refuses is refused for all that share its scale.
        opacity = alt.Opacity("properties.size:Q", scale=scale, legend=alt.Undefined if legend else None)
        layers.append(chart.encode(**AT, opacity=opacity))
    rings: dict[str, dict[str, Any]] = {
        "!@inked && !@vague": {"color": colour("quiet"), "strokeWidth": 1.1},
        "!@inked && @vague": {"color": colour("quiet"), "strokeWidth": 1.1, "strokeDash": [2, 2]},
        "@inked && !@vague": {"color": colour("ink"), "strokeWidth": sheet.edge + 0.1},
        "@inked && @vague": {"color": colour("ink"), "strokeWidth": sheet.edge + 0.1, "strokeDash": [2, 2]},
    }
    for test, style in rings.items():
        chart = sheet.points(test).mark_point(filled=False, size=disc, opacity=1, tooltip=None, **style)
        layers.append(chart.encode(**AT))
    return layers


def _touchable(sheet: Sheet, titles: Mapping[str, str]) -> Layers:
    """Return unseen shapes over all others that carry what is read on hover; a still picture has none."""
    words = [alt.Tooltip(f"properties.{key}:N", title=title) for key, title in titles.items()]
    shapes: Layers = [sheet.areas("@here").mark_geoshape(fill=colour("ink"), fillOpacity=0, stroke=None)]
    if sheet.marks:
        shapes.append(sheet.points().mark_circle(size=6 * sheet.ring**2, opacity=0).encode(**AT))
    return [
        shape.encode(tooltip=words).properties(name=f"{UNSEEN}_{number}")
        for number, shape in enumerate(shapes)
    ]


# --- words ----------------------------------------------------------------------------------------------


def _about(label: str, standing: Standing, worlds: bool, vague: bool) -> dict[str, Any]:
    """Return what the layers and the hover text of a unit need."""
    inked = bool(standing.observed)
    size = standing.share if worlds else float(inked)
    words: dict[str, Any] = {
        "name": label,
        "record": "yes" if inked else "no",
        "inked": inked,
        "vague": vague,
    }
    if size > 0:
        words |= {"group": "wave", "size": round(size, 4)}
    if worlds:
        interval = f"{hundred(standing.lower)} to {hundred(standing.upper)}"
        words["worlds"] = f"{hundred(standing.share)} ({interval})"
    return words


def _about_change(
    label: str, one: Standing, other: Standing, change: Standing, vague: bool, full: float
) -> dict[str, Any]:
    worlds = f"{_points(change)}, from {hundred(one.share)} to {hundred(other.share)}"
    words: dict[str, Any] = {"name": label, "worlds": worlds, "vague": vague}
    if change.share:
        size = round(abs(change.share) / full, 4)
        words |= {"group": "more" if change.share > 0 else "less", "size": size}
    return words


def _points(change: Standing) -> str:
    middle, low, high = (signed(round(100 * value)) for value in (change.share, change.lower, change.upper))
    return f"{middle} ({low} to {high})"


def _texts(sheet: Sheet, standings: Mapping[str, Standing], worlds: bool, width: int) -> dict[str, str]:
    """Return what is written on the map: units in the state, and those that often are in the worlds."""
    if not worlds:
        holding = [unit for unit, each in standings.items() if each.observed and unit in sheet.drawn]
        holding.sort(key=lambda unit: -sheet.size(unit))
        return {unit: sheet.labels[unit] for unit in holding}
    chosen = [
        unit
        for unit, each in standings.items()
        if unit in sheet.drawn and (each.observed or each.share >= WORTH_A_LABEL)
    ]
    chosen.sort(key=lambda unit: (not standings[unit].observed, -standings[unit].share))
    return {unit: f"{sheet.labels[unit]} {hundred(standings[unit].share)}" for unit in chosen[: _most(width)]}


def _most(width: int) -> int:
    return 18 if width > 500 else 9


def _finding(sheet: Sheet, standings: Mapping[str, Standing], within: str, when: str, worlds: bool) -> str:
    holding = [unit for unit, each in standings.items() if each.observed]
    names = listed([sheet.labels[unit] for unit in holding])
    if not holding:
        what = f"no unit {within} in the record"
    elif len(holding) <= NAMED:
        what = f"{names} {within} in the record"
    else:
        what = f"{len(holding)} of {counted(len(standings), 'unit')} {within} in the record"
    if worlds:
        mean = sum(each.share for each in standings.values())
        what += f", {mean:.2g} on average in the worlds"
    return f"{when}: {what}"


def _change_finding(
    sheet: Sheet, changes: Mapping[str, Standing], order: list[str], within: str, when: str
) -> str:
    total = sum(each.share for each in changes.values())
    amount = round(abs(total), 1)
    more = f"{amount:g} {'more' if total > 0 else 'fewer'} units" if amount else "no more and no fewer units"
    what = f"{more} {within} on average in the worlds"
    if order and abs(changes[order[0]].share) >= 0.005:
        top = changes[order[0]]
        what += f"; largest change in {sheet.labels[order[0]]}: {_points(top)} of 100 worlds"
    return f"{when}: {what}"


def _listing(sheet: Sheet, standings: Mapping[str, Standing], within: str, worlds: bool) -> str:
    holding = [sheet.labels[unit] for unit, each in standings.items() if each.observed]
    text = f"{_capital(within)} in the record: {listed(holding) if holding else 'none'}."
    if worlds:
        shown = sorted((unit for unit in standings if standings[unit].share >= 0.005),
                       key=lambda unit: -standings[unit].share)  # fmt: skip
        each = "; ".join(
            f"{sheet.labels[unit]} {hundred(standings[unit].share)} "
            f"({hundred(standings[unit].lower)} to {hundred(standings[unit].upper)})"
            for unit in shown
        )
        text += f" Worlds of 100, with 95% intervals: {each or 'none'}."
    return text


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _source(source: Ensemble | History, history: History) -> str:
    if isinstance(source, Ensemble):
        return f"{_record(history)}; {source.worlds:,} worlds, seed {source.seed}"
    return _record(history)


def _record(history: History) -> str:
    return history.citation or history.title or history.name
