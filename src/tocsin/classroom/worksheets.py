"""Worksheets for a class, and the answers for the teacher: every figure computed from the record and the worlds.

A sheet is made of parts that are written once and read twice: with `answers` false they have blanks, with true
what belongs there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tocsin.classroom.outcomes import PreparedOutcome, entries_range, surely, tenths
from tocsin.classroom.pages import Page, Site
from tocsin.classroom.picture import height_of, map_of, on_map
from tocsin.classroom.tour import Tour
from tocsin.report.claims import VERDICTS
from tocsin.report.page import e
from tocsin.what_if.answer import signed_mean
from tocsin.wording.numbers import counted, hundred, listed, moment

if TYPE_CHECKING:
    from tocsin.explorer.run import Laboratory

EARLY = 8  # entries to put in order

ROWS = 6  # places to judge

BLANK = '<span class="blank"></span>'


@dataclass(frozen=True)
class Worksheet:
    """One worksheet: its title, and its body with blanks or with answers."""

    title: str
    body: Callable[[bool], str]


def sheets_of(
    laboratory: Laboratory, site: Site, tour: Tour | None, outcomes: Sequence[PreparedOutcome]
) -> list[Worksheet]:
    """Return the worksheets of an edition.

    Parameters:
        tour: its claims are weighed on the first sheet; without one there is no such sheet.
        outcomes: the prepared what-ifs, for the wave.
    """
    found = []
    if tour is not None:
        found.append(Worksheet("The page and the record", lambda answers: _weighing(tour, answers)))
    found.append(Worksheet("Where and when", lambda answers: _where(laboratory, site, answers)))
    if outcomes:
        found.append(Worksheet("What if?", lambda answers: _what_if(site, outcomes, answers)))
        found.append(
            Worksheet("How sure is that?", lambda answers: _how_sure(laboratory, site, outcomes, answers))
        )
    return found


def sheet_page(site: Site, number: int, sheet: Worksheet) -> Page:
    """Return the page of one worksheet, to be printed."""
    head = (
        f'<p class="over">{e(site.title)} · worksheet {number}</p><h1>{e(sheet.title)}</h1>'
        '<p class="who"><span>Name: <span class="blank long"></span></span>'
        '<span>Date: <span class="blank"></span></span></p>'
    )
    return Page(f"worksheet-{number}.html", sheet.title, f"{head}{sheet.body(False)}", "sheet")


def answers_page(site: Site, sheets: Sequence[Worksheet]) -> Page:
    """Return the teacher's page: the answers to every worksheet."""
    parts = [
        f'<div class="page"><p class="over">{e(site.title)} · for the teacher</p>'
        f"<h{level}>Worksheet {number}, answers: {e(sheet.title)}</h{level}>{sheet.body(True)}</div>"
        for number, sheet in enumerate(sheets, start=1)
        for level in (1 if number == 1 else 2,)
    ]
    return Page("answers.html", "Answers", "".join(parts), "sheet")


# --- pieces ---------------------------------------------------------------------------------------------


def _lines(count: int) -> str:
    return '<span class="blank line"></span>' * count


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of cells that are HTML already."""
    names = "".join(f'<th scope="col">{e(name)}</th>' for name in head)
    lines = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{e(caption)}"><table><caption>{e(caption)}'
        f"</caption><thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def _ticks(choices: Sequence[str]) -> str:
    return "".join(f'<span class="tick"><span class="box"></span>{e(each)}</span> ' for each in choices)


# --- the sheets -----------------------------------------------------------------------------------------


def _weighing(tour: Tour, answers: bool) -> str:
    rows = []
    for number, step in enumerate(tour.steps, start=1):
        claim = step.answer.claim
        told = (
            f'<span class="right">{e(step.answer.verdict)}</span>. {e(step.answer.figure)} '
            f'<span class="source">{e(step.answer.source)}</span>'
        )
        rows.append([f"{number}. {e(claim.claim)}", *([told] if answers else [_ticks(VERDICTS), BLANK])])
    head = [
        "The page says, in our words",
        *(["The record says"] if answers else ["Your verdict", "The tour says"]),
    ]
    about = f'<p class="source">Claims of: {e(tour.about)}.</p>' if tour.about else ""
    questions = "".join(
        f"<li>(Step {number}) {e(step.question)}{_lines(2)}</li>"
        for number, step in list(enumerate(tour.steps, start=1))
        if not answers
    )
    asked = (
        f'<h2>Questions along the way</h2><ol class="ask">{questions}</ol>'
        if questions
        else (
            "<p>The questions along the way have no one answer: what counts is that a pupil names what would have to "
            "be compared, and what the record shows of it. Each step of the tour gives the figures.</p>"
        )
    )
    intro = (
        ""
        if answers
        else "<p>Before you take the tour, tick what you think of each claim. Then take the tour, and write down "
        "what the record says.</p>"
    )
    return f"{intro}{_table('Claims', head, rows)}{about}{asked}"


def _where(laboratory: Laboratory, site: Site, answers: bool) -> str:
    show, frame = laboratory.wave, laboratory.observed.frame
    when, standing = height_of(laboratory)
    day, seen = moment(when, frame), on_map(laboratory)
    shown = [site.names[unit] for unit in standing if unit in seen]
    outside = [site.names[unit] for unit in standing if unit not in seen]
    parts = []
    picture = map_of(laboratory, when, standing if answers else (), f"Map of {day}")
    if answers:
        more = f" Outside of this map: {listed(outside)}." if outside else ""
        parts.append(f"<p>1. On {e(day)}: {e(listed(shown))}.{e(more)}</p>{picture}")
    elif picture:
        parts.append(f"<p>1. Shade every place {e(show.within)} on {e(day)}.</p>{picture}")
    else:
        parts.append(f"<p>1. Which places were {e(show.within)} on {e(day)}?{_lines(2)}</p>")
    if answers:
        parts.append(f'<p>2. <span class="right">{counted(len(shown), "place")}</span>.</p>')
    else:
        where = "of them are on this map" if picture else "are they"
        parts.append(f"<p>2. How many {where}? {BLANK}</p>")
    entries = _early(laboratory)
    order = (
        sorted(entries, key=lambda each: each[1])
        if answers
        else sorted(entries, key=lambda each: site.names[each[0]])
    )
    ended = _ended(laboratory) if answers else {}
    rows = []
    for number, (unit, time) in enumerate(order, start=1):
        long = '<span class="blank long"></span>'
        told = [str(number), e(moment(time, frame)), e(ended.get((unit, time), "stood to the end"))]
        rows.append([e(site.names[unit]), *(told if answers else [BLANK, long])])
    parts.append(
        f"<p>3. {'In this order:' if answers else 'In which order did they come? Play the map.'}</p>"
    )
    head = ["Place", "Order", "Date", *(["Ended"] if answers else [])]
    parts.append(_table(f"The first {len(rows)} places to {show.come}", head, rows))
    if not answers:
        parts.append(f"<p>4. Choose one of them and read its story. Who or what ended it?{_lines(3)}</p>")
    else:
        parts.append("<p>4. See the last column; each story in the laboratory names the source.</p>")
    return "".join(parts)


def _early(laboratory: Laboratory) -> list[tuple[str, float]]:
    show = laboratory.wave
    first = laboratory.observed.first_times(show.variable, show.state).sort_values("time", kind="stable")
    pairs = dict.fromkeys(zip(first["unit"].astype(str), first["time"].astype(float), strict=True))
    return list(pairs)[:EARLY]


def _ended(laboratory: Laboratory) -> dict[tuple[str, float], str]:
    """Return, by unit and time of entry, when the record has a stay in the wave's state end, and by whom."""
    history, show, frame = laboratory.history, laboratory.wave, laboratory.observed.frame
    events = history.events[history.events["variable"].astype(str) == show.variable]
    by = {}
    if "by_whom_ended" in events:
        named = events[events["by_whom_ended"].notna()]
        for unit, time, whom in zip(named["unit"], named["time"], named["by_whom_ended"], strict=True):
            by[str(unit), float(history.to_number(time))] = str(whom)
    found = {}
    for row in laboratory.observed.durations(show.variable, show.state).to_dict("records"):
        if row["censored"]:
            continue
        unit, start, end = str(row["unit"]), float(row["start"]), float(row["end"])
        whom = by.get((unit, end))
        found[unit, start] = moment(end, frame) + (f": {whom}" if whom else "")
    return found


def _what_if(site: Site, outcomes: Sequence[PreparedOutcome], answers: bool) -> str:
    show = outcomes[0].show
    rows = []
    for outcome in outcomes:
        entries = outcome.entries
        name = f"{e(outcome.scenario.title)}"
        if answers:
            most = outcome.most
            place = (
                f"{e(site.names[most['unit']])}: {hundred(most['base'][0])} to {hundred(most['changed'][0])} of 100"
                if most is not None
                else "none that chance could not explain"
            )
            mean, low, high = (
                signed_mean(entries[key]) for key in ("difference", "expected_lower", "expected_upper")
            )
            rows.append([name, f"{entries['changed']:.1f}", f"{mean} ({low} to {high})", place])
        else:
            rows.append(
                [name, _ticks(("more", "fewer", "as many")), BLANK, BLANK, '<span class="blank long"></span>']
            )
    unchanged = outcomes[0].entries["unchanged"]
    head = (
        [
            "What is changed",
            f"{show.entered} on average",
            "Expected effect, 95% interval",
            "Most changed place",
        ]
        if answers
        else ["What is changed", "My guess", "On average", "Difference", "Most changed place"]
    )
    intro = (
        f"<p>With nothing changed there are {unchanged:.1f} {e(show.entered)} in a world on average.</p>"
        if answers
        else f"<p>With nothing changed a world of the model has {BLANK} {e(show.entered)} on average (see the cover "
        "page). For each change, tick your guess first. Then look it up, and write down the place that changes "
        "most.</p>"
    )
    last = (
        "<p>The largest effects come from what the model lets act on most places for longest; a change with an "
        "interval on both sides of 0 may have no effect, for all that the record tells.</p>"
        if answers
        else f"<p>Which answer surprised you most, and why?{_lines(3)}</p>"
        f"<p>Choose one place. Which change matters most to it? Give both numbers and the interval.{_lines(2)}</p>"
    )
    return f"{intro}{_table('Changes', head, rows)}{last}"


def _how_sure(laboratory: Laboratory, site: Site, outcomes: Sequence[PreparedOutcome], answers: bool) -> str:
    outcome = max(outcomes, key=lambda each: abs(each.entries["difference"]))
    show = outcome.show
    rows = []
    for row in _mixed(outcome):
        change, low, high = (tenths(100 * value) for value in row["difference"])
        sure = surely(row)
        rows.append(
            [
                e(site.names[row["unit"]]),
                hundred(row["base"][0]),
                hundred(row["changed"][0]),
                f"{change} ({low} to {high})",
                (
                    f'<span class="right">{"yes" if sure else "no: the interval holds 0"}</span>'
                    if answers
                    else _ticks(("yes", "no"))
                ),
            ]
        )
    worlds = laboratory.limits.worlds
    seen = entries_range(laboratory, show)
    held = "inside" if not seen.surprising else "outside"
    caption = f"{outcome.scenario.title}: worlds of 100 in which a place {show.comes} ({worlds:,} worlds)"
    table = _table(
        caption,
        ["Place", "Unchanged", "Changed", "Expected effect (95% interval)", "Surely some effect?"],
        rows,
    )
    asked = [
        (
            f"In the record there were {show.entries(seen.observed or 0)}. In 90 of 100 unchanged worlds there are "
            f"{seen.low90:g} to {seen.high90:g}. Is what happened a surprise to the model?",
            f"It lies {held} that range, so it is {'a' if seen.surprising else 'no'} surprise. A model that is never "
            "surprised may still be wrong about why.",
        ),
        (
            "The worlds are a sample, and the intervals are those of the expected effect. What would happen to the "
            "intervals with four times as many worlds?",
            "They would stay as they are: chance among worlds has been taken out of them. What the record leaves open "
            "about the model does not shrink with more worlds; only a longer record would narrow it.",
        ),
        (
            "Two neighbours rise in the same month. Give two explanations, only one of which is that the one followed "
            "the other.",
            "One imitated the other; or both answered to the same shock (hunger, defeat, the end of a war); or "
            "they were alike to begin with. Such data alone cannot fully tell these apart.",
        ),
        (
            "Name something that mattered, in your view, and that this model leaves out.",
            "For instance persons and their decisions, governments that gave way in time, or the weather of a winter. "
            "What counts is the reason given.",
        ),
    ]
    items = "".join(
        f"<li>{e(question)} {f'<br><b>{e(answer)}</b>' if answers else _lines(2)}</li>"
        for question, answer in asked
    )
    intro = (
        "<p>An effect is sure if its interval leaves out 0. Tick yes or no in the last column.</p>"
        if not answers
        else "<p>An effect is sure if its interval leaves out 0.</p>"
    )
    return f'{intro}{table}<ol class="ask">{items}</ol>'


def _mixed(outcome: PreparedOutcome) -> list[Any]:
    """Return rows of both kinds, surely and not surely changed, in the order of their names."""
    rows = outcome.scene["rows"]
    sure = [row for row in rows if surely(row)]
    rest = [row for row in rows if row not in sure]
    half = ROWS // 2
    kept = [*sure[: max(half, ROWS - len(rest))], *rest[: max(half, ROWS - len(sure))]][:ROWS]
    return sorted(kept, key=lambda row: str(row["unit"]))
