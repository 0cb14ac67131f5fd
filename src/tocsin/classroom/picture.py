"""Pictures that need no script: the map of a moment, blank or shaded, and what every what-if does at a glance."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tocsin.classroom.outcomes import PreparedOutcome, tenths
from tocsin.explorer.outlines import days_of_cuts, outlines_of, views_of
from tocsin.history.describe import short_labels
from tocsin.report.page import e

if TYPE_CHECKING:
    from tocsin.explorer.run import Laboratory
    from tocsin.history.history import History

ANCHORS = {"left": "start", "center": "middle", "right": "end"}

ROW, LEFT, WIDTH = 26, 250, 720  # pixels of the picture of what-ifs: a row, its names, all


@lru_cache(maxsize=4)
def _outlines(history: History, cut: int) -> dict[str, Any]:
    return outlines_of(history, views_of(history)[0], cut)


def on_map(laboratory: Laboratory) -> set[str]:
    """Return the units that lie on the first view of the map; all where there is no map."""
    history = laboratory.history
    if not views_of(history):
        return set(history.numbers.units)
    outlines = _outlines(history, 0)
    return set(outlines["places"]) | set(outlines["units"])


def height_of(laboratory: Laboratory) -> tuple[float, list[str]]:
    """Return the moment of the record at which most units of the map stood in the wave's state, and all that did."""
    show, frame = laboratory.wave, laboratory.observed.frame
    spells = laboratory.observed.durations(show.variable, show.state)
    starts, ends = spells["start"].to_numpy(float), spells["end"].to_numpy(float)
    units = spells["unit"].astype(str).to_numpy()
    seen = on_map(laboratory)
    best, found, most = float(frame.start), list[str](), 0
    for start in sorted(set(starts.tolist())):
        there = set(units[(starts <= start) & (ends > start)].tolist())
        if len(there & seen) > most:
            best, found, most = float(start), sorted(there), len(there & seen)
    return best, found


def map_of(
    laboratory: Laboratory, when: float, shaded: Collection[str], words: str, all_named: bool = True
) -> str:
    """Return the map of a moment as a figure, or nothing where a history has none.

    Parameters:
        when: a clock number; the borders are those of the nearest cut.
        shaded: the units that are shaded.
        words: what the picture shows, for those who do not see it.
        all_named: whether every unit is named that there is room for, or only the shaded ones.
    """
    history = laboratory.history
    if not views_of(history):
        return ""
    cuts = days_of_cuts(history)
    outline = _outlines(history, min(range(len(cuts)), key=lambda place: abs(cuts[place] - when)))
    names = short_labels(history)
    shapes = "".join(
        f'<path class="ground{" shaded" if unit in shaded else ""}" d="{path}"/>'
        for unit, path in outline["units"].items()
    )
    rings = "".join(
        f'<circle class="ring{" shaded" if unit in shaded else ""}" cx="{x}" cy="{y}" r="6"/>'
        for unit, (x, y) in outline["marks"].items()
    )
    texts = "".join(
        f'<text x="{place[0]}" y="{place[1]}" text-anchor="{ANCHORS.get(str(place[2]), "middle")}">'
        f"{e(names[unit])}</text>"
        for unit, place in outline["labels"].items()
        if unit in names and (all_named or unit in shaded)
    )
    width, height = outline["width"], outline["height"]
    return (
        f'<figure><svg viewBox="0 0 {width} {height}" role="img" aria-label="{e(words)}">'
        f'<path class="ground dim" d="{outline["land"]}"/>{shapes}{rings}<g class="names">{texts}</g></svg>'
        f"<figcaption>{e(outline['note'])}. Outlines: {e(outline['source'])}.</figcaption></figure>"
    )


def at_a_glance(outcomes: Sequence[PreparedOutcome]) -> str:
    """Return every what-if with its expected effect and its 95% interval, on one axis, as a figure."""
    ends = [outcome.entries[name] for outcome in outcomes for name in ("expected_lower", "expected_upper")]
    low, high = min(0.0, *ends), max(0.0, *ends)
    span = (high - low) or 1.0

    def across(value: float) -> float:
        return LEFT + 10 + (WIDTH - LEFT - 70) * (value - low) / span

    parts = [
        f'<line class="zero" x1="{across(0):.1f}" x2="{across(0):.1f}" y1="0" y2="{ROW * len(outcomes)}"/>'
    ]
    for place, outcome in enumerate(outcomes):
        y, row = ROW * (place + 0.5), outcome.entries
        kind = "more" if row["difference"] > 0 else "less"
        start, end = across(row["expected_lower"]), across(row["expected_upper"])
        parts.append(
            f'<text x="{LEFT - 8}" y="{y + 5:.1f}" text-anchor="end">{e(outcome.scenario.title)}</text>'
            f'<line class="{kind}" x1="{start:.1f}" x2="{max(end, start + 1):.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<circle class="{kind}{"" if outcome.certain else " unsure"}" cx="{across(row["difference"]):.1f}" '
            f'cy="{y:.1f}" r="4"/><text class="n" x="{WIDTH}" y="{y + 5:.1f}" text-anchor="end">'
            f"{tenths(row['difference'])}</text>"
        )
    what = outcomes[0].show.entered
    words = (
        f"Expected effect on the number of {what}, with 95% interval, for each change; told one by one below."
    )
    return (
        f'<figure><svg class="glance" viewBox="0 0 {WIDTH} {ROW * len(outcomes)}" role="img" '
        f'aria-label="{e(words)}">{"".join(parts)}</svg><figcaption>{e(what.capitalize())} in a world, on '
        "average, more or fewer than with nothing changed: the expected effect, and bars that are its 95% intervals. "
        "Hollow dots: it may be none.</figcaption></figure>"
    )
