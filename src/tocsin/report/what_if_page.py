"""The page of a what-if question: two scenarios side by side, in sentences, tables and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from tocsin.charts import curves
from tocsin.charts.differences import LEAST, unit_differences
from tocsin.charts.svg import Pictures
from tocsin.ensemble.comparison import Comparison
from tocsin.files.csv_for_people import write_tables
from tocsin.files.format import FORMAT
from tocsin.files.results import WHAT_IF, target
from tocsin.model.followed_state import wave_in, wave_of
from tocsin.report.manifest import facts_of, run_folder, short_digest
from tocsin.report.page import e, paragraphs, section, table, whole_page
from tocsin.report.replay import Progress, fitted, open_history, open_model, plain_parameters, quiet
from tocsin.report.report import Figure, chart_figure
from tocsin.what_if.answer import cannot_say, one_wave, signed_mean
from tocsin.wording.numbers import hundred, moment, noun, number

if TYPE_CHECKING:
    from tocsin.what_if.answer import WhatIf

COUPLINGS = {
    "cause": "Chance stays with each reason of each place (cause clocks)",
    "source": "Chance stays with each tie (source clocks)",
    "fresh": "Chance is new from the first difference on (fresh clocks)",
}

MEASURES = {
    "entries": "events into the state",
    "units": "units that had one",
    "first": "first of them",
    "duration": "time in the state, all units",
}

PATHS, UNITS = 12, 12


@dataclass(frozen=True, eq=False)
class Asked:
    """A what-if question that was answered, and where its history and model came from."""

    answer: WhatIf
    parameters: dict[str, float]
    source: str
    model_source: str
    window: tuple[str | None, str | None]
    warnings: Sequence[str] = ()

    @property
    def default_folder(self) -> Path:
        """Return ``runs/HISTORY-what-if-<date>-<digest>``."""
        answer = self.answer
        first = next(iter(answer.pairs.values())).changed
        digest = short_digest(
            answer.history.digest,
            answer.program.model.to_toml(),
            first.worlds,
            first.seed,
            answer.question,
            answer.condition,
            answer.wave,
            *first.doubt,
        )
        return run_folder(f"{answer.history.name}-what-if", digest)

    def write(self, folder: str | Path | None = None) -> Path:
        """Write what-if.html, table.csv, units.csv, chains.csv and what-if.json; see `tocsin.files.results`.

        Raises:
            TocsinError: the folder cannot be written.
        """
        answer = self.answer
        chains = []
        for name in answer.pairs:
            table = answer.chains(name).table(*answer.wave, most=1000)
            table.insert(0, "clocks", name)
            chains.append(table)
        tables = {
            "table": answer.table(),
            "units": answer.units(),
            "chains": pd.concat(chains, ignore_index=True),
        }
        where = target(folder, self.default_folder)
        return write_tables(where, WHAT_IF, tables, self.facts, {"what-if.html": what_if_html(self)})

    @property
    def facts(self) -> dict[str, Any]:
        """Return what was asked and run, as plain content."""
        answer = self.answer
        first = next(iter(answer.pairs.values())).changed
        return {
            "format": FORMAT,
            "verb": "whatif",
            **facts_of(self.source, answer.history, self.model_source, answer.program.model),
            "window": list(self.window),
            "worlds": first.worlds,
            "seed": first.seed,
            "interventions": [str(each) for each in answer.interventions],
            "against": [str(each) for each in answer.against],
            "given": answer.condition.given
            if answer.condition.given != "until"
            else f"until {answer.condition.date}",
            "clocks": list(answer.pairs),
            "wave": "=".join(answer.wave),
            "parameters": self.parameters,
            "draws": None if first.draws is None else first.draws.content(),
            "sentences": answer.sentences(),
        }


def ask(
    history: str | Path,
    model: str | Path | None,
    do: Sequence[str],
    against: Sequence[str] = (),
    given: str | None = None,
    worlds: int = 2000,
    seed: int = 1917,
    window: tuple[str | None, str | None] = (None, None),
    wave: str | None = None,
    draws: Any = "fit",
    progress: Progress | None = None,
    borders: str | Path | None = None,
    scope: str | None = None,
) -> Asked:
    """Fit a model to a history and answer a what-if question; see `Given.what_if`.

    Parameters:
        history, model: a packaged name or a folder, and a TOML file instead of the history's own.
        do, against: the change, and what it is set beside, as sentences.
        given: ``nothing``, ``until DATE`` or ``history``; by default what the question of the history says, unless a
            change reaches further back.
        window: a narrower window.
        draws: which parameters worlds have: ``fit``, ``best`` or a number of draws.
        progress: called with what is being done, steps done and steps in all (0 where unknown).
        borders: a file of outlines in place of the history's own.
        scope: a reading of the record, where the history has several.

    Raises:
        SentenceError: a sentence, or `given`, cannot be read.
        TocsinError: the history or the model is wrong, or a sentence names what does not exist.
    """
    from tocsin.interventions.asked import given_by
    from tocsin.interventions.sentences import parse_all
    from tocsin.program.condition import Condition

    tell = progress or quiet
    tell("loading the history", 0, 0)
    source, record = open_history(history, window, borders, scope)
    model_source, declared = open_model(record, model)
    # What is wrong with the question is said before the model is fitted.
    changes = [it for sentences in (do, against) for it in parse_all(sentences, record, declared)]
    given = given_by(record, given, changes)
    Condition.parse(given, "cause", record)
    wave_of(declared, wave, record)
    fit = fitted(declared, record, tell)
    answer = fit.what_if(
        record,
        do,
        worlds=worlds,
        seed=seed,
        given=given,
        against=against,
        wave=wave,
        draws=draws,
        progress=tell,
    )
    parameters = plain_parameters(fit)
    return Asked(answer, parameters, source, model_source, window, list(fit.warnings))


# --- the page -----------------------------------------------------------------------------------------------


def comparison_of(answer: WhatIf, clocks: str) -> Comparison:
    """Return the two ensembles of one coupling, as charts take them."""
    paired = answer.pairs[clocks]
    wave = wave_in(answer.history, *answer.wave)
    return Comparison(answer.history, answer.program.model, wave, paired.changed, paired.unchanged)


def what_if_html(asked: Asked) -> str:
    """Return the answer to a what-if question as one HTML page that needs no network."""
    with Pictures() as pictures:
        return pictures.filled(_page(asked, partial(chart_figure, pictures)))


def _page(asked: Asked, figure: Figure) -> str:
    """Return the page with marks where its pictures go."""
    answer = asked.answer
    frame = next(iter(answer.pairs.values())).changed.frame
    last = cannot_say(answer)
    said = [sentence for sentence in answer.sentences() if sentence not in last]
    # In short: the difference, or its range over the couplings.
    short = 1 if len(answer.pairs) == 1 else 1 + len(answer.pairs)
    title = f"What if: {answer.asked}?"
    over = f"{answer.history.title or answer.history.name}, {moment(frame.start, frame)} to {moment(frame.last, frame)}"
    parts = [
        f'<header><p class="over">{e(over)}</p><h1>{e(title)}</h1></header>',
        section(
            "The answer",
            f'<p class="answer">{e(said[short])}</p>',
            paragraphs(said[:short] + said[short + 1 :]),
        ),
    ]
    for name in answer.pairs:
        parts.append(_coupling(answer, name, figure))
    parts += [
        section("What it cannot say", paragraphs([*_identified(answer), *last])),
        section("What was run", _run(asked)),
    ]
    return whole_page(title, "".join(parts))


def _identified(answer: WhatIf) -> list[str]:
    if answer.condition.given == "history":
        return [
            "What our own world would have been depends on how worlds are coupled: on whether chance belongs to a "
            "reason, to a tie, or is new once something differs. No record can settle that, so all three are given."
        ]
    return [
        "The two scenarios are compared as distributions of worlds; that pairs share their luck makes the comparison "
        "sharper and does not change what it says."
    ]


def _coupling(answer: WhatIf, name: str, figure: Figure) -> str:
    c = comparison_of(answer, name)
    title = COUPLINGS[name] if answer.condition.given == "history" else "Side by side"
    pictures = figure(c, curves.wave_curve, curves.curve_finding(c))
    moved = answer.pairs[name].units(*answer.wave)
    if (moved["difference"].abs() >= LEAST).any():
        whole = unit_differences(c, titled=False)
        pictures += figure(c, unit_differences, whole.usermeta.get("finding", "Unit by unit"))
    return section(title, pictures, _numbers(answer, name), _places(answer, name), _ways(answer, name))


def over_words(answer: WhatIf) -> str:
    """Return what the interval of the expected effect holds."""
    if answer.drawn:
        return "the interval is over the parameters, with chance among worlds taken out"
    return (
        f"{answer.best}; the interval holds the chance of so many worlds, and no doubt about the parameters"
    )


def _rows(found: pd.DataFrame, name: str) -> pd.DataFrame:
    return found[found["clocks"] == name] if "clocks" in found else found


def numbers_side_by_side(answer: WhatIf, name: str) -> tuple[list[str], list[list[str]]]:
    """Return the heads and the rows of the table of two scenarios under a coupling, as people read them."""
    frame = answer.pairs[name].changed.frame
    rows = []
    for row in _rows(answer.table(), name).to_dict("records"):
        if not row["worlds"]:
            continue
        when = row["measure"] == "first"
        named = MEASURES.get(row["measure"], row["measure"].replace("standing", "in the state on"))
        if when:
            named += f" (differences in {noun(frame.clock, True)})"
        elif row["measure"] == "duration":
            named += f" ({noun(frame.clock, True)})"
        sides = [
            moment(float(row[side]), frame) if when and frame.dated else f"{row[side]:,.2f}"
            for side in ("changed", "unchanged")
        ]
        rows.append(
            [
                named,
                *sides,
                signed_mean(row["difference"]),
                f"{signed_mean(row['expected_lower'])} to {signed_mean(row['expected_upper'])}",
                " to ".join(one_wave(row)),
                hundred(row["less"]),
                hundred(row["more"]),
                number(row["variance_ratio"]),
                "" if pd.isna(row["needed"]) else f"{row['needed']:,.0f}",
            ]
        )
    head = ["mean over worlds", "changed", "beside it", "expected effect", "95% interval of it"]
    head += ["difference in one wave", "less", "more", "gain of pairing", "worlds needed"]
    return head, rows


def _numbers(answer: WhatIf, name: str) -> str:
    head, rows = numbers_side_by_side(answer, name)
    note = (
        f"<p class='source'>Expected effect: {over_words(answer)}. Difference in one wave: luck and all, in 95 of 100 "
        "pairs of worlds. Less, more: worlds of 100. Gain of pairing: how many times more worlds the same precision "
        "would take without shared luck. Worlds needed: for chance to leave the difference within a tenth.</p>"
    )
    return table("The two scenarios in numbers", head, rows, range(1, len(head)), True) + note


def _places(answer: WhatIf, name: str) -> str:
    places = _rows(answer.units(), name)
    places = places[(places["gained"] + places["lost"]) > 0].head(UNITS)
    rows = [
        [
            answer.label(row["unit"]),
            hundred(row["share"]),
            hundred(row["share_unchanged"]),
            f"{signed_mean(100 * row['difference'], 1)}",
            f"{signed_mean(100 * row['expected_lower'], 1)} to {signed_mean(100 * row['expected_upper'], 1)}",
            hundred(row["gained"]),
            hundred(row["lost"]),
            hundred(row["earlier"]),
            hundred(row["later"]),
        ]
        for row in places.to_dict("records")
    ]
    if not rows:
        return "<p>No unit gains or loses the state in any world.</p>"
    head = (
        "unit",
        "changed",
        "beside it",
        "expected effect",
        "95% interval of it",
        "gained",
        "lost",
        "earlier",
        "later",
    )
    return table("Where it changes most, in worlds of 100", head, rows, range(1, len(head)), True)


def _ways(answer: WhatIf, name: str) -> str:
    ways = answer.chains(name).table(*answer.wave, PATHS, answer.label, answer.history.called)
    if not len(ways):
        return "<p>No event of this state differs between the two.</p>"
    rows = [
        [row["path"], hundred(row["share"]), f"{row['gained']:.3f}", f"{row['lost']:.3f}"]
        for row in ways.to_dict("records")
    ]
    head = ("from the change on", "worlds of 100", "events gained a world", "events lost a world")
    return table("By what ways it came", head, rows, (1, 2, 3)) + (
        "<p class='source'>Each event that differs is followed back, by the cause and the source that its world "
        "recorded, to the first that differ.</p>"
    )


def _run(asked: Asked) -> str:
    facts, answer = asked.facts, asked.answer
    rows = [
        ["history", f"{facts['history']['source']}: {facts['history']['title']}"],
        ["digest of the history", facts["history"]["digest"]],
        ["model", facts["model"]["source"]],
        ["digest of the model", facts["model"]["digest"]],
        ["changed", "; ".join(facts["interventions"]) or "nothing"],
        ["beside", "; ".join(facts["against"]) or "nothing changed"],
        ["given", facts["given"]],
        ["pairs of worlds", f"{facts['worlds']:,}"],
        ["seed", facts["seed"]],
        ["parameters", facts["draws"]["said"] if facts["draws"] else answer.best],
        *[[name, version] for name, version in facts["versions"].items()],
    ]
    return table("What was run", ("what", "which"), rows)
