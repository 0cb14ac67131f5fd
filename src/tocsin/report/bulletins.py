"""Bulletins of a monitor as a site: a page and a JSON file for each day, and an index of them all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from tocsin.errors import TocsinError
from tocsin.files.results import staged
from tocsin.files.whole import moving, settle, write_whole
from tocsin.model.followed_state import Wave
from tocsin.monitor.monitor import bulletins
from tocsin.report.page import e, paragraphs, section, table, whole_page
from tocsin.report.terminal import per_hundred
from tocsin.wording.numbers import counted, listed, number

if TYPE_CHECKING:
    from tocsin.monitor.record import Record

SITE, PAGE, DATA = "bulletins", "index.html", "bulletin.json"

MOST = 12  # units in a table of risks


def publish(record: Record) -> Path:
    """Write what the record has and the site has not: each bulletin whole or not at all, the index last.

    Returns:
        The index.

    Raises:
        TocsinError: the folder cannot be written.
    """
    made = [(day, text, json.loads(text)) for day, text in bulletins(record)]
    site = record.folder / SITE
    wave = wave_told(record, made[-1][2]) if made else None
    try:
        site.mkdir(parents=True, exist_ok=True)
        for place, (day, text, content) in enumerate(made):
            data = site / day / DATA
            if data.is_file() and data.read_bytes() == text.encode():
                continue
            assert wave is not None
            beside = (
                made[place - 1][0] if place else None,
                made[place + 1][0] if place + 1 < len(made) else None,
            )
            _put(site, day, {PAGE: bulletin_page(content, wave, beside), DATA: text})
        index = record.folder / PAGE
        if made and wave is not None:
            write_whole(index, index_page([content for _, _, content in made], wave))
        return index
    except OSError as error:
        raise TocsinError(f"{site}: cannot be written: {error.strerror or error}") from None


def wave_told(record: Record, content: dict[str, Any]) -> Wave:
    """Return the state that is followed, in the words of the record."""
    from tocsin.errors import HistoryError
    from tocsin.history.tables.schema import Report
    from tocsin.history.toml import read_head
    from tocsin.monitor.record import HEAD

    variable, state = content["wave"].split("=", 1)
    try:
        head = read_head(record.path / HEAD, Report())
        words = head.waves.get(content["wave"], ("", "")) if head is not None else ("", "")
    except HistoryError:
        words = ("", "")
    return Wave(variable, state, *words)


def _put(site: Path, day: str, files: dict[str, str]) -> None:
    """Put the files of one day into place at once; those of an earlier bulletin of the day go."""
    with staged(site) as stage:
        for name, text in files.items():
            (stage / name).write_text(text, encoding="utf-8")
            settle(stage / name)
        target = site / day
        with moving:
            if target.is_dir():
                shutil.rmtree(target)
            ready = stage.with_name(f".{day}.ready")
            shutil.rmtree(ready, ignore_errors=True)
            ready.mkdir()
            for name in files:
                (stage / name).replace(ready / name)
            ready.replace(target)


# --- Sentences, which the page and the terminal share


def headline(content: dict[str, Any], wave: Wave) -> str:
    """Return what is to be expected, in a sentence."""
    if content["forecast"] is None:
        return f"No forecast could be made on {content['as_of']}: {content['why_not']}"
    told = content["forecast"]["entries"]
    return (
        f"Until {content['until']}, {wave.entries(round(told['mean'], 1))} are to be expected, with 95% of "
        f"{content['forecast']['worlds']:,} worlds between {told['lower']:g} and {told['upper']:g}."
    )


def news_lines(content: dict[str, Any]) -> list[str]:
    """Return what came in since the last bulletin."""
    told = content["changed"]
    fresh = len(told["events"]) + told["events_left_out"]
    since = (
        f"since the bulletin of {content['last_bulletin']}" if content["last_bulletin"] else "in the record"
    )
    lines = [f"{counted(fresh, 'event')} {since}."]
    if told["late"]:
        lines.append(
            f"{counted(told['late'], 'event')} came late, of days before the last bulletin: earlier ones are scored "
            "with it."
        )
    if told["known"]:
        lines.append(f"{counted(told['known'], 'row')} said what the record has, and were passed over.")
    lines += [f"Replaced: “{each['was']}” by “{each['is']}”." for each in told["replaced"]]
    lines += [
        f"Against the record, which stands: {each['file']}, line {each['line']}, “{each['row']}”: {each['why']}."
        for each in told["against"]
    ]
    return lines


def rise_lines(content: dict[str, Any]) -> list[str]:
    """Return where risk rose, and by which causes."""
    if content["last_bulletin"] is None:
        return ["There is no earlier bulletin to compare with."]
    lines = []
    for each in content["rose"]:
        causes = [f"{row['cause']} ({100 * row['share']:.0f}%)" for row in each["causes"][:3]]
        why = (
            f"on the day the hazard rose by {listed(causes)}"
            if causes
            else "no hazard rose on the day itself: what may follow elsewhere did"
        )
        lines.append(
            f"{each['unit']}: from {per_hundred(each['before'])} to {per_hundred(each['probability'])} of 100 worlds; "
            f"{why}."
        )
    return lines or ["Risk rose nowhere by more than the luck of so many worlds."]


def support_lines(content: dict[str, Any]) -> list[str]:
    """Return what support by whom to whom is in force."""
    told = content["support"]
    if not told["named"]:
        return ["The record names no support (ties.csv has no column `support`)."]
    lines = [
        f"{each['kind'].capitalize()} by {each['by']} ({counted(each['ties'], 'tie')}): {listed(each['to'])}."
        for each in told["in_force"]
    ] or ["No support is in force."]
    lines += [f"New: {each}." for each in told["began"]]
    return lines + [f"Over: {each}." for each in told["ended"]]


def score_lines(content: dict[str, Any]) -> list[str]:
    """Return how good earlier bulletins were."""
    past = content["past"]
    if not past["bulletins"]:
        return ["The horizon of no earlier bulletin is over yet."]
    told = past["together"]
    skill = "" if told["skill"] is None else f", skill {told['skill']:+.2f}"
    return [
        f"{counted(past['bulletins'], 'earlier bulletin')} can be scored: {told['expected']:.1f} entries were expected "
        f"in all and {told['entered']:g} units of {told['forecasts']:g} entered; Brier {told['brier']:.4f}{skill}, log "
        f"score {told['log_score']:.4f}. The 95% interval of the number held it in {past['held']} of "
        f"{past['bulletins']}. Skill is 1 for perfect and 0 for telling every unit the share that entered; horizons "
        "overlap, so these are not so many independent tests."
    ]


# --- Pages


def bulletin_page(content: dict[str, Any], wave: Wave, beside: tuple[str | None, str | None]) -> str:
    """Return the page of one bulletin.

    Parameters:
        beside: the days of the bulletins before and after it.
    """
    links = [f'<a href="../../{PAGE}">All bulletins</a>']
    links += [
        f'<a href="../{e(day)}/{PAGE}">{word} {e(day)}</a>'
        for word, day in zip(("Before:", "After:"), beside, strict=True)
        if day
    ]
    body = (
        f'<p class="over">{e(content["history"])}</p><h1>Bulletin of {e(content["as_of"])}</h1>'
        f'<p class="answer">{e(headline(content, wave))}</p><p>{" · ".join(links)} · <a href="{DATA}">JSON</a></p>'
    )
    events = content["changed"]["events"]
    listing = "".join(f"<li>{e(each)}</li>" for each in events)
    left = content["changed"]["events_left_out"]
    more = f"<p>And {counted(left, 'further event')}.</p>" if left else ""
    body += section(
        "What changed", paragraphs(news_lines(content)), f"<ul>{listing}</ul>" if listing else "", more
    )
    if content["forecast"] is not None:
        body += section("Where the risk is", _risks(content))
    body += section(
        "Where risk rose, and by which causes",
        paragraphs(rise_lines(content)),
        '<p class="quiet">Probabilities look over the whole horizon; causes are those of the hazard at the end of the '
        "day, both days at the estimates of now.</p>",
    )
    body += section("What support is in force", paragraphs(support_lines(content)))
    body += section("How good earlier bulletins were", paragraphs(score_lines(content)), _scores(content))
    body += (
        '<p class="quiet">The fit knows what had been reported by the day; ties, covariates and presence stay as they '
        "were on it. Intervals are 95%, over the uncertainty of the parameters.</p>"
    )
    return whole_page(f"Bulletin of {content['as_of']}: {content['history']}", body)


def _risks(content: dict[str, Any]) -> str:
    rows = []
    for each in content["forecast"]["units"][:MOST]:
        before = "" if each["before"] is None else per_hundred(each["before"])
        causes = sorted(each["causes"].items(), key=lambda item: -item[1]["now"])
        total = sum(told["now"] for _, told in causes)
        main = ", ".join(
            f"{cause} {100 * told['now'] / total:.0f}%" for cause, told in causes[:2] if total and told["now"]
        )
        between = f"{per_hundred(each['lower'])} – {per_hundred(each['upper'])}"
        rows.append((each["unit"], per_hundred(each["probability"]), between, before, main))
    left = len(content["forecast"]["units"]) - len(rows)
    told = table(
        f"Likeliest until {content['until']}",
        ("unit", "of 100 worlds", "95% interval", "last bulletin", "hazard on the day"),
        rows,
        (1, 2, 3),
    )
    return told + (
        f"<p>{counted(left, 'unit')} less likely than these are in the JSON file.</p>" if left > 0 else ""
    )


def _scores(content: dict[str, Any]) -> str:
    rows = [
        (
            each["as_of"],
            f"{each['expected']:.1f}",
            f"{each['lower']:g} – {each['upper']:g}",
            f"{each['came']:g}",
            number(each["brier"]),
            "" if each["skill"] is None else f"{each['skill']:+.2f}",
        )
        for each in content["past"]["one_by_one"]
    ]
    if not rows:
        return ""
    head = ("bulletin", "expected", "95% of worlds", "came", "Brier", "skill")
    return table("Earlier bulletins whose horizon is over", head, rows, (1, 2, 3, 4, 5))


def index_page(contents: Sequence[dict[str, Any]], wave: Wave) -> str:
    """Return the index of all bulletins, the newest first."""
    last = contents[-1]
    came = {each["as_of"]: each for each in last["past"]["one_by_one"]}
    rows = []
    for content in reversed(contents):
        day, told = content["as_of"], content["forecast"]
        entries = told["entries"] if told else None
        first = told["units"][0] if told and told["units"] else None
        cells = (
            f"{entries['mean']:.1f} ({entries['lower']:g} – {entries['upper']:g})"
            if entries
            else "no forecast",
            f"{came[day]['came']:g}" if day in came else "",
            f"{first['unit']} {per_hundred(first['probability'])}" if first else "",
            _rise(content["rose"][0]) if content["rose"] else "",
            f"{len(content['changed']['events']) + content['changed']['events_left_out']}",
        )
        link = f'<a href="{SITE}/{e(day)}/{PAGE}">{e(day)}</a>'
        rows.append(f'<tr><th scope="row">{link}</th>{"".join(f"<td>{e(cell)}</td>" for cell in cells)}</tr>')
    head = "".join(
        f'<th scope="col">{e(name)}</th>'
        for name in ("bulletin", f"expected: {wave.entered}", "came", "likeliest", "rose most", "events")
    )
    caption = "All bulletins, the newest first"
    body = (
        f'<p class="over">{e(last["history"])}</p><h1>Bulletins</h1><p class="answer">{e(headline(last, wave))}</p>'
        + paragraphs(score_lines(last))
        + _course(contents, came)
        + '<div class="scroll" tabindex="0" role="region" aria-label="All bulletins"><table>'
        + f"<caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )
    return whole_page(f"Bulletins: {last['history']}", body)


def _rise(row: dict[str, Any]) -> str:
    return f"{row['unit']} +{100 * (row['probability'] - row['before']):.0f}"


def _course(contents: Sequence[dict[str, Any]], came: dict[str, dict[str, Any]]) -> str:
    """Return a picture of what bulletins expected, with 95% of worlds, and what came (dots)."""
    made = [each for each in contents if each["forecast"]]
    if len(made) < 3:
        return ""
    top = max(
        [each["forecast"]["entries"]["upper"] for each in made]
        + [each["came"] for each in came.values()]
        + [1.0]
    )
    step = 680 / (len(made) - 1)

    def at(place: int, value: float) -> str:
        return f"{20 + place * step:.1f},{210 - 190 * value / top:.1f}"

    told = [each["forecast"]["entries"] for each in made]
    band = [at(k, each["upper"]) for k, each in enumerate(told)]
    band += [at(k, each["lower"]) for k, each in reversed(list(enumerate(told)))]
    line = " ".join(at(k, each["mean"]) for k, each in enumerate(told))
    dots = "".join(
        '<circle cx="{}" cy="{}" r="3" fill="var(--ink)"/>'.format(
            *at(k, came[each["as_of"]]["came"]).split(",")
        )
        for k, each in enumerate(made)
        if each["as_of"] in came
    )
    said = f"Entries expected within the horizon of each bulletin, from {made[0]['as_of']} to {made[-1]['as_of']}"
    return (
        f'<figure><svg viewBox="0 0 720 230" role="img" aria-label="{e(said)}">'
        f'<polygon points="{" ".join(band)}" fill="var(--wave)" opacity=".2"/>'
        f'<polyline points="{line}" fill="none" stroke="var(--wave)" stroke-width="2"/>{dots}'
        f'<text x="20" y="228" font-size="12" fill="var(--quiet)">{e(made[0]["as_of"])}</text>'
        f'<text x="700" y="228" font-size="12" text-anchor="end" fill="var(--quiet)">{e(made[-1]["as_of"])}</text>'
        f'<text x="20" y="14" font-size="12" fill="var(--quiet)">{top:g}</text></svg>'
        f"<figcaption>{e(said)}: mean (line) and 95% of worlds (band); dots are what came.</figcaption></figure>"
    )


def bulletin_lines(content: dict[str, Any], wave: Wave) -> Group:
    """Return a bulletin for a terminal."""
    lines = [f"Bulletin of {content['as_of']}. {headline(content, wave)}", *news_lines(content)]
    lines += ["Where risk rose:", *(f"  {line}" for line in rise_lines(content))]
    lines += ["Support in force:", *(f"  {line}" for line in support_lines(content)), *score_lines(content)]
    return Group(*(Text(line) for line in lines))
