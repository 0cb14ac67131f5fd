"""The report: one self-contained page that says what happened, what the model says, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from tocsin.charts import curves, parts
from tocsin.charts.differences import unit_differences
from tocsin.charts.svg import Pictures
from tocsin.ensemble.comparison import Comparison
from tocsin.fit.summary import far_levels_of, legend
from tocsin.fit.summary import rows as estimate_rows
from tocsin.history.describe import citations
from tocsin.model.declaration import Baseline
from tocsin.model.followed_state import wave_in
from tocsin.model.learned import Learned
from tocsin.report.claims import claims_of, claims_section
from tocsin.report.findings import (
    answer,
    changed_map,
    changed_words,
    happened,
    headline,
    lasting,
    limits,
    said_by_model,
    split_words,
    standing_map,
    standing_words,
    what_happened,
    what_moved,
)
from tocsin.report.page import e, linked, paragraphs, section, table, whole_page
from tocsin.wording.numbers import counted, hundred, length, moment, noun, number, short, signed

if TYPE_CHECKING:
    from tocsin.ensemble.frame import Frame
    from tocsin.model.followed_state import Wave
    from tocsin.report.replay import Replay


Figure = Callable[..., str]


def report_html(replay: Replay) -> str:
    """Return the report of a replay as one HTML page that needs no network."""
    with Pictures() as pictures:
        return pictures.filled(_page(replay, partial(chart_figure, pictures)))


def _page(replay: Replay, figure: Figure) -> str:
    """Return the page with marks where its pictures go."""
    c = replay.comparison
    title = headline(c)
    moved = what_moved(replay)
    parts = [
        _opening(c, title, _pair(figure(c, curves.wave_curve, curves.curve_finding(c)))),
        section(
            "What happened",
            paragraphs(what_happened(c)),
            _pair(figure(c, standing_map), figure(c, curves.calendar, curves.calendar_finding(c))),
        ),
        section(
            "What the model says, and how sure it is",
            paragraphs(said_by_model(c)),
            _pair(figure(c, lasting)) if len(c.spells) else "",
            _pair(figure(c, unit_differences), figure(c, changed_map)) if c.baseline is not None else "",
            _pair(
                figure(c, curves.shares, curves.shares_finding(c)),
                figure(c, curves.dates, curves.dates_finding(c)),
            ),
        ),
        section(
            "What moved it, and who sparked whom", paragraphs(moved.sentences), _pair(*moved.drawn(figure))
        )
        if moved.sentences
        else "",
        section("Unit by unit", _unit_table(c)),
        _claims(replay),
        section("What the model is made of", *_estimates(replay, figure)),
        section("The choices made", _choices(replay)),
        section("What the model cannot know", paragraphs(limits(c))),
        section("Sources of what happened", _sources(c)),
        section("What was run", _run(replay)),
    ]
    return whole_page(title, "".join(parts))


def _pair(*figures: str) -> str:
    """Return figures that stand side by side on paper."""
    return f'<div class="pair">{"".join(figures)}</div>'


def _claims(replay: Replay) -> str:
    """Return what is claimed of the history, with the figures; empty where it brings no claims.

    Figures are those of the whole history: a narrower window has none.
    """
    record = replay.comparison.history
    if record.claims_path is None or replay.window != (None, None):
        return ""
    claims = claims_of(record)
    return claims_section(claims, claims.answered(record))


def _opening(c: Comparison, title: str, fan: str) -> str:
    frame = c.frame
    period = f"{moment(frame.start, frame)} to {moment(frame.last, frame)}"
    over = f"{c.history.title or c.history.name}, {period}, replayed"
    asked = c.history.question
    question = (
        "What would have become of it if one thing had been different: "
        f"{changed_words(c)} ({'; '.join(c.ensemble.interventions)})?"
        if c.ensemble.interventions
        else asked.ask
        if asked is not None and asked.ask and c.ensemble.given == asked.given
        else _why(c.wave)
    )
    description = f"<p>{e(c.history.description)}</p>" if c.history.description else ""
    return (
        f'<header><p class="over">{e(over)}</p><h1>{e(title)}</h1></header>'
        f"<section><h2>The question</h2><p>{e(question)}</p>{description}"
        f'<p class="answer">{e(answer(c))}</p>{fan}{paragraphs([*standing_words(c), *split_words(c)])}</section>\n'
    )


def _why(wave: Wave) -> str:
    if wave.many:
        return f"Why were there {wave.many} when and where there were, and could it have gone otherwise?"
    return f"Why did units come into {wave.words} when and where they did, and could it have gone otherwise?"


def chart_figure(
    pictures: Pictures, c: Comparison, draw: Any, finding: str | None = None, **options: Any
) -> str:
    """Return a picture in two widths, with its finding above and its key and source below; empty without one."""
    shown, about, spec = [], {"finding": "", "note": ""}, dict[str, Any]()
    for kind, width in (("wide", parts.WIDE), ("narrow", parts.NARROW)):
        with parts.unchecked():
            chart = draw(c, width=width, titled=False, **options)
            if chart is None:
                return ""
            spec = chart.to_dict(validate=False)
            shown.append(f'<div class="{kind}">{pictures.add(spec)}</div>')
        about = chart.usermeta
    words = str(spec.get("description", ""))
    source = str(about.get("source") or parts.source_line(c)).removeprefix("Source: ").removesuffix(".")
    return (
        f"<figure><h3>{e(finding or about['finding'])}</h3>{''.join(shown)}"
        f"<figcaption>{e(about['note'])} Source: {e(source)}.</figcaption>"
        f"<details><summary>The numbers in words</summary><p>{e(words)}</p></details></figure>"
    )


def _unit_table(c: Comparison) -> str:
    frame, units = c.frame, c.units()
    clock = noun(frame.clock, True)
    head = ["unit", "happened", f"held, {clock}", "worlds of 100", "95% interval", "median first entry"]
    head += ["90 of 100 of them", f"held, median {clock}"]
    over = (
        "over the parameters"
        if c.ensemble.draws is not None
        else "of so many worlds alone, at the best estimates"
    )
    if c.baseline is not None:
        head[4:5] = ["95% interval", "unchanged", "difference"]
    rows = []
    for row in units.to_dict("records"):
        seen = row["observed_spells"] > 0
        still = "+" if seen and pd.isna(row["observed_last"]) else ""
        held = _bare(row["observed_duration"], frame) + still if seen else ""
        cells: list[object] = [
            row["label"],
            happened(row, frame) or "no",
            held,
            hundred(row["share"]),
            f"{100 * row['lower']:.0f} to {100 * row['upper']:.0f}",
        ]
        if c.baseline is not None:
            cells += [hundred(row["share_unchanged"]), signed(round(100 * row["share_difference"], 1))]
        risen = row["share"] > 0
        cells += [
            short(row["median"], frame),
            f"{short(row['q05'], frame)} to {short(row['q95'], frame)}" if risen else "",
            _bare(row["duration"], frame) + ("+" if row["open"] > 0.5 else "") if risen else "",
        ]
        rows.append(cells)
    left_out = len(frame.units) - len(units)
    key = (
        "<p class='source'>+: still so when the window closed (in most worlds, where it is a median). 95% interval: of "
        f"the probability, {over}.</p>"
    )
    numeric = (2, 3, 4, 5, 6, 9) if c.baseline is not None else (2, 3, 4, 7)
    note = (
        f"<p class='source'>Left out here, but in summary.csv: {counted(left_out, 'unit')} that came into "
        "the state neither in the record nor in 5 of 100 worlds.</p>"
        if left_out
        else ""
    )
    return (
        table(
            f"What happened, and what the worlds did: {c.wave.many or c.wave.words}",
            head,
            rows,
            numeric,
            True,
        )
        + key
        + note
    )


def _bare(duration: float, frame: Frame) -> str:
    return length(duration, frame).split(" ")[0]


def _estimates(replay: Replay, figure: Figure) -> list[str]:
    c, fit = replay.comparison, replay.fit
    unit = noun(c.frame.clock)
    parts = [
        "<p>"
        + e(
            f"A hazard is the chance of a transition in the next {unit}, given that it has not come yet. "
            "Hazards of "
            "several causes add up. A rate is what a cause gives where all its terms are zero; a term "
            "multiplies it."
        )
        + "</p>"
    ]
    if fit["warnings"]:
        listed = "".join(f"<li>{e(warning)}</li>" for warning in fit["warnings"])
        parts.append(f'<div class="warn"><p>Read these estimates with care:</p><ul>{listed}</ul></div>')

    def forest(comparison: Comparison, width: int, titled: bool, rates: bool) -> Any:
        return curves.forest(fit, comparison, width, titled, rates)

    parts.append(_pair(*(figure(c, forest, rates=rates) for rates in (False, True))))
    away = far_levels_of(fit)
    shown = estimate_rows(fit["estimates"], fit.get("status", {}), away)
    cells = [[row["name"], *each.cells] for row, each in zip(fit["estimates"], shown, strict=True)]
    head = ("parameter", "estimate", "standard error", "lower 95%", "upper 95%", "exp(estimate)", "p", "note")
    parts.append(table(f"Estimates; log-likelihood {fit['loglik']:.3f}", head, cells, range(1, 7)))
    meanings = legend(
        fit["estimates"], fit.get("prior") is not None, learned=Learned.from_dict(fit["learned"])
    )
    parts += [f"<p class='source'>{e(meaning)}</p>" for meaning in (*meanings, *away.values())]
    if fit["transitions"]:
        names = fit["transitions"][0]
        columns = [*(key for key in ("transition", "events", "exposure") if key in names)]
        columns += [key for key in names if key not in columns]
        body = [
            [number(v, 6) if isinstance(v, float) else v for v in (r[k] for k in columns)]
            for r in fit["transitions"]
        ]
        parts.append(table("What the estimates rest on", columns, body, range(1, len(columns))))
    return parts


def _choices(replay: Replay) -> str:
    c, model = replay.comparison, replay.comparison.model
    items = [
        f"Window: {moment(c.frame.start, c.frame)} to {moment(c.frame.last, c.frame)}; "
        f"{len(c.frame.units)} units; clock: {c.frame.clock}.",
        f"The wave followed here is {c.wave.words}: the model's first variable that spreads, and the state "
        "that its first "
        "transition enters, unless another was asked for.",
    ]
    followed = [v.name for v in c.frame.variables if v.name not in {t.variable for t in model.transitions}]
    if followed:
        items.append(f"Taken as they happened in every world, and not explained: {', '.join(followed)}.")
    rows = []
    for transition in model.transitions:
        for cause in transition.causes:
            if isinstance(cause, Baseline):
                rows.append([transition.name, cause.name, cause.formula, "", "", transition.requires or ""])
                continue
            memory = "while the source is in the state"
            if cause.half_life is not None:
                memory = (
                    "half-life, estimated"
                    if cause.half_life == "estimate"
                    else f"half-life {cause.half_life:g}"
                )
            terms = cause.susceptibility + (
                f"; sources: {cause.infectiousness}" if cause.infectiousness else ""
            )
            extra = [
                *(["exposure divided by the target's ties"] if cause.normalise else []),
                *(["response to a power, estimated"] if cause.response else []),
            ]
            rows.append(
                [
                    transition.name,
                    f"{cause.name} (layer {cause.layer})",
                    terms,
                    cause.when,
                    "; ".join([memory, *extra]),
                    transition.requires or "",
                ]
            )
    head = ("transition", "cause", "terms", "sources that count", "memory and form", "only while")
    listed = "".join(f"<li>{e(item)}</li>" for item in items)
    return f"<ul>{listed}</ul>" + table("The model", head, rows)


def _sources(c: Comparison) -> str:
    events = c.history.events
    events = events[events["variable"].astype(str) == c.wave.variable].sort_values("time", kind="stable")
    if not len(events):
        return "<p>No event of this variable is in the record.</p>"
    catalogue = citations(c.history)
    items = []
    for row in events.to_dict("records"):
        when = moment(row["time"], c.frame)
        label = c.labels.get(str(row["unit"]), str(row["unit"]))
        entered = wave_in(c.history, c.wave.variable, str(row["state"]))
        what = entered.one or c.history.words.get(str(entered), str(row["state"]))
        head = f"<b>{e(when)}, {e(label)}: {e(what)}</b>"
        key = _text(row.get("citation"))
        cited = linked(catalogue.get(key, key)) if key else "no source"
        confidence = _text(row.get("confidence")) or "unrated"
        note = _text(row.get("note"))
        items.append(
            f"<li>{head}<br>Source: {cited}. Confidence: {e(confidence)}.{' ' + e(note) if note else ''}</li>"
        )
    rated = events["confidence"].map(_text).value_counts() if "confidence" in events else pd.Series(dtype=int)
    counts = ", ".join(f"{count} {name or 'unrated'}" for name, count in rated.items())
    said = f"{counted(len(events), 'event')} of {c.wave.variable}" + (
        f"; confidence: {counts}" if counts else ""
    )
    return f'<p>{e(said)}.</p><ol class="sources">{"".join(items)}</ol>'


def _text(value: Any) -> str:
    return "" if value is None or pd.isna(value) else str(value)


def _run(replay: Replay) -> str:
    facts = replay.facts
    rows = [
        ["history", f"{facts['history']['source']}: {facts['history']['title']}"],
        ["digest of the history", facts["history"]["digest"]],
        ["model", facts["model"]["source"]],
        ["digest of the model", facts["model"]["digest"]],
        ["window asked for", " to ".join(each or "its own" for each in facts["window"])],
        ["worlds", f"{facts['worlds']:,}"],
        ["seed", facts["seed"]],
        ["changed", "; ".join(facts["interventions"]) or "nothing"],
        ["given", replay.comparison.ensemble.given],
        ["parameters", facts["draws"]["said"] if facts["draws"] else "at the best estimates"],
        ["versions", "; ".join(f"{name} {version}" for name, version in facts["versions"].items())],
    ]
    return (
        "<p>To repeat it to the bit: <code>tocsin replay --again manifest.json</code>, with the manifest "
        "beside this "
        "page. It uses the stored parameters and fits nothing.</p>"
        + table("What was run", ("what", "which"), rows)
        + f"<details><summary>The model file</summary><pre>{e(facts['model']['toml'])}</pre></details>"
    )
