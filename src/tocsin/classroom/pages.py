"""The pages of the class edition: the cover, the laboratory, and a page for each step of the tour."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from tocsin.classroom.outcomes import PreparedOutcome, as_it_is, with_change
from tocsin.classroom.picture import at_a_glance, height_of, map_of
from tocsin.classroom.tour import Tour, TourStep
from tocsin.explorer import edition
from tocsin.model.followed_state import Wave
from tocsin.report.page import e, linked, paragraphs, whole_page
from tocsin.wording.numbers import counted, hundred, listed, moment

if TYPE_CHECKING:
    from tocsin.explorer.run import Laboratory

MAKER = '<meta name="generator" content="Tocsin class edition">'

SCRIPTS = ("edition.js", "class.js", "explorer.js")


@dataclass(frozen=True)
class Site:
    """What the pages share.

    Attributes:
        title: of the history.
        parts: the folder of scripts, styles and data, with a stroke at its end.
        shown: the states whose worlds the edition holds.
        links: the pages of the bar above, address and words.
        names: labels of units.
    """

    title: str
    parts: str
    shown: tuple[Wave, ...]
    links: tuple[tuple[str, str], ...]
    names: Mapping[str, str]


def class_text(name: str) -> str:
    """Return a file of the class edition's own."""
    return (resources.files("tocsin.classroom") / "static" / name).read_text(encoding="utf-8")


def bar(site: Site, here: str) -> str:
    """Return the links that stand above every page."""

    def current(address: str) -> str:
        if address == here:
            return ' aria-current="page"'
        touring = address == step_name(1) and here.startswith("tour-")
        return ' aria-current="true"' if touring else ""

    items = "".join(
        f'<li><a href="{e(address)}"{current(address)}>{e(words)}</a></li>' for address, words in site.links
    )
    return f'<nav class="site" aria-label="Class edition"><ul>{items}</ul></nav>'


@dataclass(frozen=True)
class Page:
    """A page of text that needs no script: cover, lesson, worksheets, answers.

    Attributes:
        name: its file.
        title, body: what it is called and what it says.
        kind: the class of the whole page.
    """

    name: str
    title: str
    body: str
    kind: str = ""

    def html(self, site: Site) -> str:
        """Return it as a file of its own."""
        above = bar(site, self.name)
        return whole_page(f"{self.title} · {site.title}", self.body, MAKER, text_style(), self.kind, above)


def text_style() -> str:
    """Return the style of pages of text, beside that of all pages."""
    return class_text("class.css") + class_text("sheet.css")


# --- pages of the explorer ------------------------------------------------------------------------------


@dataclass(frozen=True)
class MapPage:
    """A page with the map: the laboratory, or a step of the tour.

    Attributes:
        name: its file.
        title: what it is called.
        over: what stands over its title.
        head, panel: what a step tells above the map and beside it.
        start: what the map shows first, as the query of an address.
    """

    name: str
    title: str
    over: str
    head: str = ""
    panel: str = ""
    start: str = ""

    def html(self, site: Site) -> str:
        """Return it as a file of its own: the page of the explorer with what this one tells."""
        text = edition.page_html([f"{site.parts}{name}" for name in SCRIPTS], site.parts)
        title = f"{self.title} · {site.title}"
        data = {
            "data-title": title,
            "data-start": self.start,
            "data-shown": json.dumps([str(show) for show in site.shown]),
        }
        attributes = "".join(f' {name}="{e(value)}"' for name, value in data.items() if value)
        style = f'<link rel="stylesheet" href="{site.parts}class.css">'
        text = _put(text, r"<title>.*?</title>", f"{MAKER}<title>{e(title)}</title>")
        text = _put(text, r"</head>", f"{style}</head>")
        text = _put(text, r"<body>", f"<body{attributes}>")
        text = _put(text, r'<header class="top">', f'{bar(site, self.name)}<header class="top">')
        text = _put(text, r'<p class="over">.*?</p>', f'<p class="over">{e(self.over)}</p>')
        text = _put(text, r"</header>", f"</header>{self.head}")
        return _put(text, r'<div id="side">', f'<div id="side">{self.panel}')


def laboratory_page() -> MapPage:
    """Return the page on which everything can be tried."""
    return MapPage("laboratory.html", "Laboratory", "The laboratory")


def step_page(
    site: Site, tour: Tour, number: int, laboratory: Laboratory, outcome: PreparedOutcome
) -> MapPage:
    """Return the page of one step of the tour.

    Parameters:
        number: which step, from 1.
        outcome: what the step's what-if did.
    """
    step = tour.steps[number - 1]
    frame = laboratory.observed.frame
    others = [str(each) for each in laboratory.pairs if each != step.show]
    asked = {
        "date": frame.label(step.moment) if frame.dated else f"{step.moment:g}",
        "unit": step.units[0],
        # A state other than the wave is shown alone, or the wave's colour would lie over it.
        **({"show": str(step.show), "hide": ",".join(others)} if step.show != laboratory.wave else {}),
        "map": "record",
    }
    return MapPage(
        step_name(number),
        f"{number}. {step.heading}",
        f"{tour.title}: step {number} of {len(tour.steps)}",
        _head(tour, number, step),
        _panel(site, step, outcome),
        urlencode(asked),
    )


def _put(text: str, pattern: str, new: str) -> str:
    """Replace the first match of a pattern; the page of the explorer must have it."""
    made, count = re.subn(pattern, lambda _: new, text, count=1, flags=re.DOTALL)
    if not count:
        raise RuntimeError(f"the page of the explorer has no {pattern!r}")
    return made


def _head(tour: Tour, number: int, step: TourStep) -> str:
    """Return the finding of a step, and the way to the others."""
    count = len(tour.steps)
    steps = []
    if number > 1:
        steps.append(f'<li><a class="go" rel="prev" href="{step_name(number - 1)}">← Back</a></li>')
    for other in range(1, count + 1):
        current = ' aria-current="step"' if other == number else ""
        steps.append(f'<li><a href="{step_name(other)}"{current} aria-label="Step {other}">{other}</a></li>')
    if number < count:
        steps.append(f'<li><a class="go" rel="next" href="{step_name(number + 1)}">Next →</a></li>')
    return (
        '<section id="step" aria-labelledby="step-title">'
        f'<h2 id="step-title">{e(step.heading)}</h2>'
        f'<nav aria-label="Steps of the tour"><ul class="steps">{"".join(steps)}</ul></nav></section>'
    )


def _panel(site: Site, step: TourStep, outcome: PreparedOutcome) -> str:
    """Return what stands beside the map: the claim, the evidence, a question and a what-if."""
    answer = step.answer
    evidence = [as_it_is(outcome, unit, site.names[unit]) for unit in step.units]
    do = e(json.dumps(list(step.scenario.do)))
    said = " and ".join(f"“{each}”" for each in step.scenario.do)
    return (
        '<section id="tour" aria-label="This step">'
        f'<p><span class="small quiet">The page says, in our words:</span> <span class="claim">'
        f"{e(answer.claim.claim)}.</span></p>"
        f"<h3>What the record says: {e(answer.verdict)}</h3><p>{e(answer.figure)}</p>"
        f'<p class="small quiet">Source: {linked(answer.source or "none")}</p>'
        f"<h3>What the model’s worlds say</h3>{paragraphs(evidence)}"
        '<p class="act"><button type="button" id="go">Show this moment on the map</button></p>'
        f"<h3>A question</h3><p>{e(step.question)}</p>"
        f"<h3>What if: {e(step.scenario.title)}</h3>"
        f'<p class="act"><button type="button" id="try" data-do="{do}" aria-pressed="false">Try {e(said)}</button></p>'
        f"<p>{e(outcome.average)}</p>{paragraphs(with_change(outcome, step.units, site.names))}"
        f"{paragraphs(outcome.in_our_world(step.units))}"
        '<p class="small quiet">The interval of an expected effect says how far the record leaves the model’s numbers '
        "open. Likeness of neighbours can look like contagion, and no interval tells that.</p>"
        "</section>"
    )


def step_name(number: int) -> str:
    """Return the file of a step."""
    return f"tour-{number}.html"


# --- the cover ------------------------------------------------------------------------------------------


def cover(
    site: Site,
    laboratory: Laboratory,
    tour: Tour | None,
    outcomes: Sequence[PreparedOutcome],
    sheets: Sequence[tuple[str, str]],
) -> Page:
    """Return the first page: what there is, and what came out of every what-if."""
    history = laboratory.history
    parts = [
        f'<p class="over">Tocsin, for a class</p><h1>{e(site.title)}</h1>',
        f"<p>{e(history.description)}</p>" if history.description else "",
        '<p class="answer">Play a revolution on the map, change one thing, and see what would have been different '
        f"in {laboratory.limits.worlds:,} simulated worlds. Everything here was computed beforehand: it needs "
        "no network and no server.</p>",
    ]
    when, standing = height_of(laboratory)
    picture = map_of(
        laboratory,
        when,
        standing,
        f"Map of {moment(when, laboratory.observed.frame)}: {listed([site.names[unit] for unit in standing])}",
        all_named=False,
    )
    if picture and standing:
        day = moment(when, laboratory.observed.frame)
        parts.append(
            f"<h2>{e(day)}: {counted(len(standing), 'place')} {e(laboratory.wave.within)}</h2>{picture}"
        )
    if tour is not None:
        items = "".join(
            f'<li><a href="{step_name(n)}">{e(step.heading)}</a></li>'
            for n, step in enumerate(tour.steps, start=1)
        )
        about = f'<p class="source">Claims of: {linked(tour.about)}; in our words.</p>' if tour.about else ""
        parts.append(
            f'<section><h2>{e(tour.title)}: a tour</h2>{about}<ol class="tour">{items}</ol></section>'
        )
    rows = "".join(_scenario_row(site, outcome) for outcome in outcomes)
    parts.append(
        f"<section><h2>{len(outcomes)} what-ifs</h2>"
        '<p>Each opens in <a href="laboratory.html">the laboratory</a>, beside the unchanged worlds.</p>'
        f"{at_a_glance(outcomes) if outcomes else ''}"
        f'<ul class="whatifs">{rows}</ul></section>'
    )
    printed = "".join(f'<li><a href="{e(name)}">{e(words)}</a></li>' for name, words in sheets)
    parts.append(
        '<section id="print"><h2>To print</h2><p>Worksheets on A4; the answers, with their figures, are on a page '
        f"for the teacher.</p><ul>{printed}</ul></section>"
    )
    doubt = " ".join(laboratory.worlds(laboratory.standard, laboratory.wave).doubt)
    parts.append(
        "<section><h2>What this cannot tell</h2><p>The worlds are those of a model that was fitted to one "
        "history, so they know no more than its record. Contagion, shocks common to all, and likeness of neighbours "
        f"look alike in such data. {e(doubt)} The intervals "
        "of expected effects hold the doubt about the parameters; what is said of one wave holds its luck too.</p>"
        f'<p class="source">{e(history.citation)}{". " if history.citation else ""}{e(history.licence)} '
        "Borders: Natural Earth, public domain.</p></section>"
    )
    return Page("index.html", "For a class", "".join(parts), "cover")


def _scenario_row(site: Site, outcome: PreparedOutcome) -> str:
    scenario = outcome.scenario
    query = urlencode({"do": scenario.do}, doseq=True)
    most = outcome.most
    changed = (
        f" Most changed: {site.names[most['unit']]}, from {hundred(most['base'][0])} to "
        f"{hundred(most['changed'][0])} of 100 worlds."
        if most is not None
        else " No place changes by more than chance may explain."
    )
    source = f' <span class="source">Source: {linked(scenario.source)}</span>' if scenario.source else ""
    return (
        f'<li><h3><a href="laboratory.html?{e(query)}">{e(scenario.title)}</a></h3>'
        f"<p>{e(scenario.why)}{source}</p><p>{e(outcome.average)}{e(changed)}</p>"
        f"{paragraphs(outcome.in_our_world())}</li>"
    )
