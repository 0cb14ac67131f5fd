"""What the page is given about worlds: counts by unit and day, the curve, and what a change makes of them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.ensemble.comparison import Range, range_of
from tocsin.ensemble.ensemble import Ensemble
from tocsin.ensemble.paired import Paired
from tocsin.ensemble.spells import Z95
from tocsin.explorer.questions import Question, Scenario
from tocsin.history.describe import short_labels
from tocsin.interventions.sentences import said
from tocsin.model.followed_state import Wave
from tocsin.program.condition import CLOCKS
from tocsin.what_if.answer import expected_words, one_wave_words
from tocsin.wording.numbers import hundred, of_worlds, signed

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.ensemble.frame import Frame
    from tocsin.explorer.run import Laboratory
    from tocsin.history.history import History

POINTS = 366  # of a curve, at most

STEPS = 400  # of the window of a history whose times are numbers

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)

AT_BEST = (
    "All worlds are at the best estimates; the intervals hold the chance of so many worlds, and nothing else."
)

LETTERS = 57  # from # to [: neither the quote nor the backslash, which JSON would have to escape


def days_of(laboratory: Laboratory, step: int = 1) -> tuple[NDArray[np.float64], float]:
    """Return the times that the page can show (`days_in` of the record's frame)."""
    return days_in(laboratory.observed.frame, step)


def days_in(frame: Frame, step: int = 1) -> tuple[NDArray[np.float64], float]:
    """Return the times that a page can show, as clock numbers, and the distance between two of them.

    Where times are dates these are days (months, years) and stand for their end; else they are `STEPS`
    equal steps of the window.
    """
    if frame.dated or frame.clock == "step":
        count = round(frame.end - frame.start)
        first = frame.start if frame.dated else frame.start + 1.0  # a period's number is its end
        return first + np.arange(0, count, step, dtype=float), float(step)
    return np.linspace(frame.start, frame.end, STEPS + 1), (frame.end - frame.start) / STEPS


def worlds_scene(laboratory: Laboratory, scenario: Scenario, show: Wave, step: int = 1) -> dict[str, Any]:
    """Return how many of a scenario's worlds have each unit in a state on each day, and the curve.

    Parameters:
        laboratory: where the worlds come from.
        scenario: which worlds.
        show: the state.
        step: days from one count to the next.
    """
    return scene_of(laboratory.worlds(scenario, show), show, step)


def scene_of(ensemble: Ensemble, show: Wave, step: int = 1) -> dict[str, Any]:
    """Return how many worlds of an ensemble have each unit in a state on each day, and the curve."""
    frame = ensemble.frame
    days, _ = days_in(frame, step)
    # The end of a day is the beginning of the next: an event of the day has been seen by then.
    instants = np.minimum(days + 1.0, frame.end) if frame.dated else days
    share: Any = ensemble.probability(show.variable, show.state, instants)
    counts = np.rint(np.nan_to_num(share.to_numpy()) * ensemble.worlds).astype(np.int64)
    seldom, units = counts.any(axis=1), np.array(frame.units, dtype=object)
    thinned = instants[:: max(1, len(instants) // POINTS)]
    curve = ensemble.curve(show.variable, show.state, LEVELS, thinned)
    columns = {f"q{round(100 * level):02d}": curve[level].tolist() for level in LEVELS}
    at = thinned - 1.0 if frame.dated else thinned
    return {
        "do": list(ensemble.interventions),
        "show": str(show),
        "worlds": ensemble.worlds,
        "seed": ensemble.seed,
        "step": step,
        "count": len(days),
        "units": units[seldom].tolist(),
        "sure": sure_of(ensemble, show)[seldom].tolist(),
        "doubt": ensemble.doubt if ensemble.draws is not None else [AT_BEST],
        "counts": packed(counts[seldom]),
        "curve": {"time": at.tolist(), "mean": curve["mean"].round(3).tolist(), **columns},
    }


def sure_of(ensemble: Ensemble, show: Wave) -> NDArray[np.int64]:
    """Return for each unit of how many worlds with one and the same parameters its share would be as sure.

    The page makes the intervals of its shares of them: over the parameters a share is less sure than its worlds are
    many. It is that of the share of worlds in which the unit ever comes into the state.
    """
    if ensemble.draws is None:
        return np.full(len(ensemble.frame.units), ensemble.worlds)
    table = ensemble.summary(show.variable, show.state)
    share, width = table["share"].to_numpy(), (table["upper"] - table["lower"]).to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        found = share * (1.0 - share) * (2.0 * Z95 / width) ** 2
    found = np.where((share > 0) & (share < 1) & (width > 0), found, ensemble.worlds)
    return np.asarray(np.clip(np.rint(found), 1, ensemble.worlds), dtype=np.int64)


def packed(counts: NDArray[np.int64]) -> list[str]:
    """Return counts (units, days) as text: a letter for the change from each day to the next.

    Changes 0, -1, 1, -2, ... are the letters from `#` on; one that is too large for a letter is written out,
    as in `~-130;`. Most days change little, so that a compressed answer takes half a byte for a count.
    """
    changes = np.diff(counts, axis=1, prepend=0)
    # Zigzag: small changes of either sign become small numbers.
    folded = np.where(changes < 0, -2 * changes - 1, 2 * changes)
    letters = (np.minimum(folded, LETTERS - 1) + ord("#")).astype(np.uint8)
    texts = []
    for row, fold, plain in zip(letters, folded, changes, strict=True):
        large = np.flatnonzero(fold >= LETTERS)
        text = row.tobytes().decode("ascii")
        if large.size:
            parts, last = [], 0
            for place in large.tolist():
                parts += [text[last:place], f"~{plain[place]};"]
                last = place + 1
            text = "".join([*parts, text[last:]])
        texts.append(text)
    return texts


def difference_scene(laboratory: Laboratory, question: Question) -> dict[str, Any]:
    """Return what a scenario makes of another one: sentences, and a table with a row for every unit."""
    show = question.show
    if question.scenario.given == "history":
        return _in_our_world(laboratory, question)
    changed, plain = (laboratory.worlds(each, show) for each in (question.scenario, question.base))
    rows = _unit_rows(laboratory, Paired(changed, plain), question)
    pair = Paired(changed, plain)
    counts = [side.counts(show.variable, show.state)["entries"].to_numpy() for side in (changed, plain)]
    entries, before, each = (
        range_of(counts[0]),
        range_of(counts[1]),
        range_of((counts[0] - counts[1])[pair.ended]),
    )
    row = pair.table(show.variable, show.state).set_index("measure").loc["entries"]
    drawn = changed.draws is not None
    return {
        "do": list(changed.interventions),
        "base": list(plain.interventions),
        "said": [said(each.do, laboratory.history) for each in (question.scenario, question.base)],
        "show": str(show),
        "worlds": changed.worlds,
        "seed": changed.seed,
        "headline": _headline(question, laboratory.history, entries, before),
        "answer": _answer(question, entries, before, row, drawn),
        "doubt": pair.doubt if drawn else [AT_BEST],
        "entries": {"changed": vars(entries), "base": vars(before), "difference": vars(each)},
        "expected_effect": _three(*row[["difference", "expected_lower", "expected_upper"]]),
        "one_wave": _three(*row[["wave_lower", "wave_upper"]]),
        "rows": rows,
        **as_code(laboratory, question),
    }


def _in_our_world(laboratory: Laboratory, question: Question) -> dict[str, Any]:
    """Return what a change makes of our own world: ranges over the couplings of luck, and a row for every unit.

    Worlds are given all that happened; what the change does not reach stays as it was. Of each three numbers the first
    is that under cause clocks, the others are the least and the greatest over all couplings.
    """
    show, names = question.show, short_labels(laboratory.history)
    sides = (question.scenario, question.base)
    found = [
        [laboratory.worlds(replace(each, clocks=clocks) if each.do else each, show) for each in sides]
        for clocks in CLOCKS
    ]
    after, before = (np.array([ever(pair[side], show).mean(axis=0) for pair in found]) for side in (0, 1))
    entries = [[side.counts(show.variable, show.state)["entries"] for side in pair] for pair in found]
    means = np.array([[side.mean() for side in pair] for pair in entries])
    seen = set(laboratory.observed.first_times(show.variable, show.state)["unit"].astype(str))
    same = question.scenario.do == question.base.do
    what = _quoted(question.scenario.do, laboratory.history) or "nothing changed"
    rows: list[dict[str, Any]] = []
    for k, unit in enumerate(found[0][0].frame.units):
        if after[:, k].any() or before[:, k].any():
            base, now, apart = (_over_couplings(each[:, k]) for each in (before, after, after - before))
            sentence = _about_ours(names[unit], show, "" if same else what, base, now)
            row = {"unit": unit, "observed": unit in seen, "base": base, "changed": now, "difference": apart}
            rows.append({**row, "sentence": sentence})
    rows.sort(key=lambda row: (-max(map(abs, row["difference"])), -row["base"][0], row["unit"]))
    changed, plain = found[0]
    pair = Paired(changed, plain)
    counts = (entries[0][0], entries[0][1], (entries[0][0] - entries[0][1])[pair.ended])
    span = f"{means[:, 0].min():.1f} to {means[:, 0].max():.1f} {show.entered}"
    was = f"{means[:, 1].mean():.1f}".removesuffix(".0")
    answer = (
        f"This is our own world: what happened, with what the change reaches drawn anew. It has {span} on average "
        f"instead of {was}. The range is over {len(CLOCKS)} ways in which luck may carry over from what happened to "
        "what would have; no data choose among them, so that the answer is all of it. What the change does not reach "
        "stays as it was."
    )
    return {
        "do": list(changed.interventions),
        "base": list(plain.interventions),
        "said": [said(each.do, laboratory.history) for each in (question.scenario, question.base)],
        "show": str(show),
        "given": "history",
        "worlds": changed.worlds,
        "seed": changed.seed,
        "headline": f"{show.entries(float(was))} in our world"
        if same
        else f"In our world, {what}: {span}, not {was}",
        "answer": "This is what happened. Change something to see what would be different."
        if same
        else answer,
        "doubt": pair.doubt if changed.draws is not None else [AT_BEST],
        "entries": dict(
            zip(("changed", "base", "difference"), map(vars, map(range_of, counts)), strict=True)
        ),
        "expected_effect": _over_couplings(means[:, 0] - means[:, 1]),
        "one_wave": _three(*np.quantile(np.concatenate([a - b for a, b in entries]), [0.025, 0.975])),
        "rows": rows,
        **as_code(laboratory, question),
    }


def _over_couplings(values: NDArray[np.float64]) -> list[float]:
    return _three(values[0], values.min(), values.max())


def _about_ours(name: str, show: Wave, what: str, before: Sequence[float], after: Sequence[float]) -> str:
    """Return 'Hungary had a soviet republic. With “...” it would have in 33 to 96 of 100 such worlds.'"""
    was = f"{name} {show.came}" if before[0] == 1 else f"{name} did not" if not before[0] else name
    if not what:
        return f"In our world {was}."
    low, high = hundred(after[1]), hundred(after[2])
    share = low if low == high else f"{low} to {high}"
    return f"In our world {was}; with {what}, it would have in {share} of 100, as luck may carry over."


def ever(ensemble: Ensemble, show: Wave) -> NDArray[np.bool_]:
    """Return whether each unit of each world ever came into a state (worlds, units)."""
    first = ensemble.first_times(show.variable, show.state)
    came = np.zeros((ensemble.worlds, len(ensemble.frame.units)), dtype=bool)
    came[first["world"].to_numpy(), first["unit"].cat.codes.to_numpy()] = True
    return came


def _unit_rows(laboratory: Laboratory, pair: Paired, question: Question) -> list[dict[str, Any]]:
    show, names = question.show, short_labels(laboratory.history)
    moved = _by_unit(pair.units(show.variable, show.state), "difference", "expected_lower", "expected_upper")
    after, before = (
        _by_unit(each.summary(show.variable, show.state), "share", "lower", "upper")
        for each in (pair.changed, pair.unchanged)
    )
    observed = laboratory.observed.first_times(show.variable, show.state)["unit"].astype(str)
    seen = set(observed)
    same = question.scenario.do == question.base.do
    ways = (
        None
        if same
        else tuple(_quoted(each.do, laboratory.history) for each in (question.base, question.scenario))
    )
    rows: list[dict[str, Any]] = []
    for unit in pair.changed.frame.units:
        was, now, effect = before[unit], after[unit], moved[unit]
        if not (was[0] or now[0] or unit in seen):
            continue
        rows.append(
            {
                "unit": unit,
                "observed": unit in seen,
                "base": _three(*was),
                "changed": _three(*now),
                "difference": _three(*effect),
                "sentence": _about_unit(names[unit], show, ways, was[0], now, effect),
            }
        )
    rows.sort(key=lambda row: (-abs(row["difference"][0]), -row["base"][0], row["unit"]))
    return rows


def _by_unit(table: pd.DataFrame, *names: str) -> dict[str, list[float]]:
    """Return some columns of a table by unit."""
    return dict(zip(map(str, table.index), table[list(names)].to_numpy(dtype=float).tolist(), strict=True))


def _three(*values: float) -> list[float]:
    return [round(float(value), 5) for value in values]


# --- sentences ------------------------------------------------------------------------------------------


def _quoted(sentences: tuple[str, ...], history: History) -> str:
    """Return changes as people say them, in quotes; nothing where nothing is changed."""
    return f"“{said(sentences, history)}”" if sentences else ""


def _about_unit(
    name: str,
    show: Wave,
    ways: tuple[str, ...] | None,
    before: float,
    after: Sequence[float],
    change: Sequence[float],
) -> str:
    """Return 'Hungary has a soviet republic in 37 of 100 worlds; with “...” in 31 of 100 worlds: ...'."""
    if ways is None:
        between = f"{hundred(after[1])} to {hundred(after[2])}"
        return f"{name} {show.comes} {of_worlds(after[0])} (95% interval {between})."
    first = f" with {ways[0]}" if ways[0] else ""
    then = f"with {ways[1] or 'nothing changed'}"
    points, low, high = (signed(round(100 * value, 1)) for value in change)
    return (
        f"{name} {show.comes}{first} {of_worlds(before)}; {then}, {of_worlds(after[0])}: "
        f"an expected effect of {points} of 100 worlds (95% interval {low} to {high})."
    )


def _headline(question: Question, history: History, entries: Range, before: Range) -> str:
    show = question.show
    if question.scenario.do == question.base.do:
        return f"{show.entries(entries.median)} in the median world"
    what = _quoted(question.scenario.do, history) or "Nothing changed"
    if entries.median == before.median:
        return f"{what}: {show.entries(entries.median)} in the median world, as many as without"
    return f"{what}: {show.entries(entries.median)} in the median world instead of {before.median:g}"


def _answer(question: Question, entries: Range, before: Range, row: Any, drawn: bool) -> str:
    show, worlds = question.show, f"{question.scenario.worlds:,} worlds"
    if question.scenario.do == question.base.do:
        return (
            f"Among {worlds}, 90 of 100 have {entries.low90:g} to {show.entries(entries.high90)}. "
            "Change something to see what would be different."
        )
    return (
        f"Among {worlds} that share their luck with and without the change, 90 of 100 have "
        f"{entries.low90:g} to {show.entries(entries.high90)} with it, and {before.low90:g} to "
        f"{before.high90:g} without. {expected_words(row, drawn)} {one_wave_words(row)}"
    )


# --- the same in Python and on the command line ---------------------------------------------------------


def as_code(laboratory: Laboratory, question: Question) -> dict[str, str]:
    """Return the Python and the command line that give the same worlds."""
    scenario, show = question.scenario, question.show
    start, end = laboratory.window
    model = (
        f"tc.Model.from_toml(Path({laboratory.model_source!r}))"
        if laboratory.model_source
        else "tc.Model.from_toml(history.model_path)"
    )
    scope = f", scope={laboratory.history.scope!r}" if laboratory.history.scope else ""
    lines = [
        *(["from pathlib import Path", ""] if laboratory.model_source else []),
        "import tocsin as tc",
        "",
        f"history = tc.load_history({laboratory.source!r}{scope})",
    ]
    if start or end:
        lines.append(f"history = history.select(window=({start!r}, {end!r}))")
    drawn = f"worlds={scenario.worlds}, seed={scenario.seed}"
    best = "" if laboratory.draws is not None else ', draws="best"'
    best += "" if scenario.given == "nothing" else f", given={scenario.given!r}"
    pair = f"{show.variable!r}, {show.state!r}"
    lines += [f"fit = {model}.fit(history)"]
    for name, each in (("unchanged", question.base), ("changed", scenario)):
        changes = f", interventions={list(each.do)!r}" if each.do else ""
        lines.append(f"{name} = fit.simulate(history, {drawn}{changes}{best})")
    lines += [
        f"print(unchanged.summary({pair}))",
        f"print(changed.summary({pair}))",
        f"print(changed.compare(unchanged, {pair}).describe())",
    ]
    command = ["tocsin", "replay", laboratory.source]
    if laboratory.model_source:
        command += ["--model", laboratory.model_source]
    given = scenario.given if laboratory.history.question is not None or scenario.given != "nothing" else None
    for option, value in (
        ("--from", start),
        ("--to", end),
        ("--scope", laboratory.history.scope),
        ("--given", given),
    ):
        command += [option, value] if value else []
    command += ["--worlds", str(scenario.worlds), "--seed", str(scenario.seed), "--wave", str(show)]
    command += [] if laboratory.draws is not None else ["--draws", "best"]
    for sentence in scenario.do:
        command += ["--do", sentence]
    return {"python": "\n".join(lines) + "\n", "command": shlex.join(command)}
