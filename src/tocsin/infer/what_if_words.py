"""The answer to a what-if question in plain sentences; every number is computed, none is typed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tocsin.ensemble.said import hundred, listed, moment, of_worlds
from tocsin.model import Contagion
from tocsin.words import parse_clause

if TYPE_CHECKING:
    from tocsin.infer.what_if import WhatIf

COUPLING = {
    "cause": "If every reason of every place keeps its luck, whoever gives it (cause clocks)",
    "source": "If the luck belongs to the tie, so that another source brings other luck (source clocks)",
    "fresh": "If chance is new from the first difference on (fresh clocks)",
}
_ASKED = (
    "changed",
    "unchanged",
    "difference",
    "expected_lower",
    "expected_upper",
    "wave_lower",
    "wave_upper",
    "less",
    "more",
)
NAMED = 3  # units and paths that sentences name
SMALL = 0.005  # shares of worlds below this are not worth a sentence


def sentences(answer: WhatIf) -> list[str]:
    """Return what was asked, what changes, where, by what way, and what the answer cannot say."""
    return [
        _asked(answer),
        *_differences(answer),
        *_range(answer),
        *_units(answer),
        *_ways(answer),
        *cannot_say(answer),
    ]


def signed_mean(value: float, digits: int = 2) -> str:
    """Return a mean difference with its sign and a true minus; what rounds to nothing has no sign."""
    text = f"{value:+.{digits}f}"
    return "0" if float(text) == 0 else text.replace("-", "−")


def _asked(answer: WhatIf) -> str:
    frame, condition = next(iter(answer.pairs.values())).changed.frame, answer.condition
    pairs = f"{answer.worlds:,} pairs of worlds"
    start = moment(frame.start, frame)
    if condition.given == "history":
        how = f"our own world with this changed, in {pairs} for each coupling of chance"
    elif condition.given == "until":
        how = f"{pairs} that agree with what happened until {moment(condition.until, frame)} and then go on"
    else:
        how = f"worlds in general, {pairs} simulated from {start} on"
    return (
        f"What if: {answer.question}? Asked of {how}; the worlds of a pair share their luck.{_drawn(answer)}"
    )


def _drawn(answer: WhatIf) -> str:
    """Return whether parameters were drawn, and in how many draws a wave has no end."""
    if not answer.drawn:
        return f" All of them are {answer.best}."
    found: dict[str, None] = {}
    for name, paired in answer.pairs.items():
        head, *stops = paired.doubt
        found[head] = None
        under = f"Under {name} clocks, i" if len(answer.pairs) > 1 else "I"
        found |= dict.fromkeys(f"{under}{stop[1:]}" for stop in stops)
    return " " + " ".join(found)


def _entered(answer: WhatIf) -> str:
    variable, state = answer.wave
    return (
        answer.history.waves.get(f"{variable}={state}", ("", ""))[1] or f"entries into {variable} “{state}”"
    )


def _differences(answer: WhatIf) -> list[str]:
    table = answer.table()
    found = []
    for name, paired in answer.pairs.items():
        rows = table[table["clocks"] == name] if "clocks" in table else table
        rows = rows.set_index("measure")
        entries = rows.loc["entries", list(_ASKED)].astype(float).to_dict()
        head = f"{COUPLING[name]}: " if "clocks" in table else ""
        if entries["less"] == 0 and entries["more"] == 0:
            text = f"{_entered(answer)}: {entries['changed']:.1f} a world with the change and without it"
        else:
            text = (
                f"{_entered(answer)}: {entries['changed']:.1f} a world with the change, "
                f"{entries['unchanged']:.1f} without. {expected_words(entries, answer.drawn, answer.best)} "
                f"{one_wave_words(entries)} "
                f"There are fewer {of_worlds(entries['less'])}, and more {of_worlds(entries['more'])}"
            )
        same = float(paired.same.mean()) if paired.worlds else 0.0
        text = text if head else text[0].upper() + text[1:]
        rest = "Every world changes in some event." if same == 0 else _still(same)
        found.append(f"{head}{text}. {rest}")
    return found


def expected_words(row: Mapping[Any, float], drawn: bool, best: str = "at the best estimates") -> str:
    """Return 'The expected effect is −0.43 (95% interval −1.46 to +0.11, over the parameters).'"""
    span = f"{signed_mean(row['expected_lower'])} to {signed_mean(row['expected_upper'])}"
    if drawn:
        return f"The expected effect is {signed_mean(row['difference'])} (95% interval {span}, over the parameters)."
    return (
        f"The expected effect {best} is {signed_mean(row['difference'])} (95% interval {span}, for want of more worlds "
        "alone)."
    )


def one_wave_words(row: Mapping[Any, float]) -> str:
    """Return 'In one wave the difference lies between −4 and +2 (95 of 100 pairs of worlds, luck and all).'"""
    low, high = (signed_mean(row[name], 1).removesuffix(".0") for name in ("wave_lower", "wave_upper"))
    return (
        f"In one wave the difference lies between {low} and {high} (95 of 100 pairs of worlds, luck and all)."
    )


def _still(same: float) -> str:
    worlds = of_worlds(same)
    return f"{worlds[0].upper()}{worlds[1:]} not one event of any kind changes."


def _range(answer: WhatIf) -> list[str]:
    if len(answer.pairs) < 2:
        return []
    table = answer.range().set_index("measure")
    row = table.loc["entries"].astype(float).to_dict()
    return [
        f"Over the couplings the expected effect runs from {signed_mean(row['low'])} to "
        f"{signed_mean(row['high'])} (with their 95% intervals, {signed_mean(row['expected_lower'])} to "
        f"{signed_mean(row['expected_upper'])}). No data can tell which coupling is right: the answer is that range."
    ]


def _units(answer: WhatIf) -> list[str]:
    """Return the units that change most; under several couplings with the range of their shares."""
    table = answer.units()
    moved = table.assign(moved=table["gained"] + table["lost"])
    grouped = moved.groupby("unit", sort=False)
    # Under several couplings: those that change whichever is right.
    order = grouped["moved"].min().sort_values(ascending=False, kind="stable")
    chosen = [unit for unit, size in order.items() if size >= SMALL][:NAMED]
    if not chosen:
        always = " under every coupling" if len(answer.pairs) > 1 else ""
        return [f"No place's part in it changes in more than 5 of 1,000 worlds{always}."]
    parts = []
    for unit in chosen:
        rows = grouped.get_group(unit)
        low, high = hundred(rows["share"].min()), hundred(rows["share"].max())
        share = low if low == high else f"{low} to {high}"
        parts.append(
            f"{answer.label(unit)} ({share} of 100 worlds instead of {hundred(rows['share_unchanged'].iloc[0])})"
        )
    head = "Whichever coupling is right, it" if len(answer.pairs) > 1 else "It"
    return [f"{head} changes most for {listed(parts)}."]


def _ways(answer: WhatIf) -> list[str]:
    """Return the commonest paths that go beyond what the change touches itself."""
    paths = answer.chains().table(*answer.wave, most=1000, label=answer.label)
    further = paths[(paths["steps"] > 1) & (paths["share"] >= SMALL)].head(NAMED)
    if not len(further):
        return ["Beyond what it touches itself it goes along no way that is common to 5 of 1,000 worlds."]
    ways = [f"{row['path']}, {of_worlds(row['share'])}" for row in further.to_dict("records")]
    return [f"Beyond what it touches itself it goes on most often by these ways: {'; '.join(ways)}."]


def cannot_say(answer: WhatIf) -> list[str]:
    """Return what the answer rests on and cannot say."""
    free, gated = dated_layers(answer)
    said = []
    if free:
        which = "the layer" if len(free) == 1 else "the layers"
        said.append(
            f"The answer is conditional on the ties as they were: those of {which} {listed(free)} stand when "
            "and where they stood, also in worlds in which nothing would have called for them."
        )
    if gated:
        said.append(
            f"Ties of {listed(gated)} act only on a place whose own state calls them up, and so fall silent where "
            "it does not."
        )
    if not answer.drawn:
        said.append(
            f"All worlds are {answer.best}, as if these were certain: the intervals hold the chance of so many worlds "
            'and no doubt about the parameters (draws="fit" draws those of a fit).'
        )
    return said


def dated_layers(answer: WhatIf) -> tuple[list[str], list[str]]:
    """Return the layers in use whose ties come and go with time: those nothing calls up, and those gated.

    A cause is gated where its transition leaves a state that is not the one on entry, or requires another
    state of the unit: its ties do nothing until the unit itself has come to be there.
    """
    numbers, model = answer.history.numbers, answer.program.model
    free: dict[str, None] = {}
    gated: dict[str, None] = {}
    for move, cause in answer.program.causes:
        rows = numbers.ties.get(cause.layer) if isinstance(cause, Contagion) else None
        if not isinstance(cause, Contagion) or rows is None or not len(rows.weight):
            continue
        if not ((rows.start > numbers.start) | (rows.end < numbers.end)).any():
            continue
        initial = model.by_name[move.variable].initial
        required = {} if move.requires is None else parse_clause(move.requires, model.by_name)
        called = initial not in move.origin or any(
            model.by_name[name].initial not in states for name, states in required.items()
        )
        (gated if called else free)[cause.layer] = None
    return list(free), [name for name in gated if name not in free]
