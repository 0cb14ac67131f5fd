"""What a comparison says, as sentences for a person of sixteen; every number is computed, none is typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tocsin.charts.causes import hazards_by_cause
from tocsin.charts.survival_curves import survival_curve
from tocsin.charts.tree import spark_tree
from tocsin.check.predictive import days_outside
from tocsin.ensemble.comparison import Comparison, between, most
from tocsin.ensemble.paired import Paired
from tocsin.ensemble.split import FEWEST
from tocsin.errors import TocsinError
from tocsin.interventions.sentences import said
from tocsin.maps.arcs import arc_map
from tocsin.maps.map import difference_map, map_at
from tocsin.model.declaration import Baseline, layers_of
from tocsin.model.followed_state import wave_in
from tocsin.model.learned import Learned
from tocsin.what_if.answer import expected_words, one_wave_words
from tocsin.wording.numbers import counted, hundred, length, listed, moment, noun, number, of_worlds, short

if TYPE_CHECKING:
    import altair as alt

    from tocsin.attribution.attribution import Attribution
    from tocsin.ensemble.frame import Frame
    from tocsin.report.replay import Replay


TOLD = 0.05  # of the variance of the wave: a split that tells less is not worth a sentence


def headline(c: Comparison) -> str:
    """Return the finding that heads the report."""
    entries = c.entries
    if c.difference is not None and c.entries_unchanged is not None:
        change = changed_words(c)
        before, after = c.entries_unchanged.median, entries.median
        if before == after:
            return f"{change[0].upper()}{change[1:]}: the median world is as it was, with {c.wave.entries(after)}"
        return f"{change[0].upper()}{change[1:]}: {after:g} {c.wave.entered} in the median world instead of {before:g}"
    seen = c.wave.entries(entries.observed or 0)
    asked = c.history.question
    if asked is not None and asked.ask and c.ensemble.given == asked.given:
        return (
            f"{asked.ask} To {entries.median:g} {c.wave.entered} ({entries.low90:g} to {entries.high90:g} in 90 of 100 "
            "worlds), with armies, hunger and frontiers as they were"
        )
    if not entries.surprising:
        return f"{seen}: one of many outcomes that the model thinks possible"
    side = "more" if (entries.observed or 0) > entries.high90 else "fewer"
    return f"{seen}: {side} than the model finds likely"


def changed_words(c: Comparison) -> str:
    """Return what was changed as people say it; the sentences of `--do` stand beside it."""
    return said(c.ensemble.interventions, c.history)


def answer(c: Comparison) -> str:
    """Return the short answer below the question."""
    worlds = f"{c.ensemble.worlds:,} worlds"
    d = c.difference
    if d is not None and c.entries_unchanged is not None:
        fewer = float(np.mean(_differences(c) < 0))
        more = float(np.mean(_differences(c) > 0))
        return (
            f"Among {worlds} that share their luck with and without the change, the median number of "
            f"{c.wave.entered} is {c.entries.median:g} with it and {c.entries_unchanged.median:g} without. "
            f"{effect_words(c)} With the change there are fewer of them {of_worlds(fewer)}, and more "
            f"{of_worlds(more)}."
        )
    entries = c.entries
    if c.ensemble.given.startswith("until "):
        return (
            f"In the record the count is {c.wave.entries(entries.observed or 0)}. Among {worlds} that share the record "
            f"until {_given_day(c)} and go on from there, with later ties and covariates as they were, the median is "
            f"{between(entries)}. The parameters come from the whole record, so that it lies among the worlds, or "
            "does not, is no test of the model."
        )
    place = "inside" if not entries.surprising else "outside"
    return (
        f"In the record the count is {c.wave.entries(entries.observed or 0)}. Among {worlds} "
        f"of the fitted model the median is {between(entries)}. What happened lies {place} the range of 90 "
        "in 100."
    )


def split_words(c: Comparison) -> list[str]:
    """Return by what unit and state the worlds split, with the wave in either group; nothing where by none."""
    split = c.ensemble.split(c.wave.variable, c.wave.state) if c.ensemble.worlds >= FEWEST else None
    if split is None or split.explained < TOLD:
        return []
    state = wave_in(c.history, split.variable, split.state)
    ended = c.history.words.get(str(state))
    what = (
        f"{c.name(split.unit)} {state.comes}"
        if not ended or state.one
        else f"in {c.name(split.unit)} {ended}"
    )
    return [
        f"The worlds split by one thing more than by any other: {of_worlds(split.share)} {what} at some time. There "
        f"the median of {c.wave.entered} elsewhere is {split.median_with:g}, in the others {split.median_without:g}. "
        f"This tells {hundred(split.explained)} of 100 parts of the variance of their ranks; it does not say why."
    ]


def outside_words(c: Comparison) -> list[str]:
    """Return how long the record lies outside the band of the worlds, beside how long worlds of the model do."""
    if c.baseline is not None:
        return []
    days, outside, usual, low, high, _ = days_outside(c.ensemble, c.observed, c.wave.variable, c.wave.state)
    clock = noun(c.frame.clock, True)
    return [
        f"The number of {c.wave.standing} in the record lies outside the band of 90 of 100 worlds on "
        f"{number(round(outside), 6)} of {number(round(days), 6)} {clock}; a world of the model does so on "
        f"{number(round(usual), 6)} on average (90 of 100 worlds on {number(round(low), 6)} to "
        f"{number(round(high), 6)})."
    ]


def standing_words(c: Comparison) -> list[str]:
    """Return how many units stand in the state at the end of each year, in the worlds and in the record."""
    if not c.frame.dated or c.ensemble.given == "nothing":
        return []
    curve = c.curve()
    # The end of the window is no day of it.
    inside = [min(float(time), c.frame.end - 1.0) for time in curve["time"]]
    days = pd.DatetimeIndex([pd.Timestamp(c.history.to_date(time)) for time in inside])
    found = []
    for year in sorted(set(days.year)):
        row = curve[days.year == year].iloc[-1]
        found.append(
            f"{year}: {row[0.5]:g} ({row[0.05]:g} to {row[0.95]:g} in 90 of 100 worlds), {row['observed']:g} on record"
        )
    return [f"Standing at the end of each year, {c.wave.standing}: {'; '.join(found)}."]


def effect_words(c: Comparison) -> str:
    """Return the expected effect on the wave and the difference in one wave, each with its interval."""
    assert c.baseline is not None
    table = Paired(c.ensemble, c.baseline).table(c.wave.variable, c.wave.state)
    row = table.set_index("measure").loc["entries"].to_dict()
    return f"{expected_words(row, c.ensemble.draws is not None)} {one_wave_words(row)}"


def _differences(c: Comparison) -> np.ndarray:
    assert c.baseline is not None
    pair = (c.wave.variable, c.wave.state)
    result: np.ndarray = (
        c.ensemble.counts(*pair)["entries"] - c.baseline.counts(*pair)["entries"]
    ).to_numpy()
    return result


def happened(row: Mapping[Any, Any], frame: Frame) -> str:
    """Return when a unit came into the state in the record: a date, 'on entry', or nothing."""
    if not row["observed_spells"]:
        return ""
    return "on entry" if row["observed_on_entry"] else short(row["observed_first"], frame)


def what_happened(c: Comparison) -> list[str]:
    """Return the record of the wave in a few sentences."""
    frame, spells = c.frame, c.spells
    if not len(spells):
        return [f"No unit {c.wave.came} at any time of the record."]
    enter = dict(zip(c.observed.frame.units, c.observed.frame.enter, strict=True))
    held = spells["start"].to_numpy() <= spells["unit"].astype(str).map(enter).to_numpy(dtype=float)
    came, sentences = spells[~held], []
    if len(came):
        first = came.iloc[0]
        sentences.append(
            f"{counted(came['unit'].nunique(), 'unit')} of {len(frame.units)} {c.wave.came}, in "
            f"{counted(len(came), 'spell')}. The first was {c.name(first['unit'])}, on "
            f"{moment(first['start'], frame)}."
        )
    if held.any():
        number = counted(spells[held]["unit"].nunique(), "unit")
        sentences.append(f"{number} held the state on entry, which is no event: nothing here explains it.")
    when, height = c.peak
    sentences.append(
        f"The wave stood highest on {moment(when, frame)}, with {counted(height, 'unit')} in the state at "
        "once."
    )
    ended = spells[~spells["censored"]]
    if len(ended):
        shortest, longest = most(ended, "duration", least=True), most(ended, "duration")
        sentences.append(
            f"{counted(len(ended), 'spell')} ended within the window, half of them within "
            f"{length(ended['duration'].median(), frame)}: the shortest, "
            f"{c.name(shortest['unit'])}, after "
            f"{length(shortest['duration'], frame)}, the longest, {c.name(longest['unit'])}, after "
            f"{length(longest['duration'], frame)}."
        )
    lasting = spells[spells["censored"]]
    if len(lasting):
        names = [c.name(unit) for unit in lasting["unit"]]
        kept = names if len(names) <= 12 else [*names[:11], f"{len(names) - 11} more"]
        sentences.append(f"Still in the state when the window closed: {listed(kept)}.")
    return sentences


def said_by_model(c: Comparison) -> list[str]:
    """Return what the worlds say, and how sure that is."""
    frame = c.frame
    table = c.units(everything=True)
    sentences = [
        f"{_kind_of_worlds(c)} In {c.ensemble.worlds:,} of them the number of {c.wave.entered} is {between(c.entries)}."
    ]
    risen = table[table["observed_spells"] > 0]
    if len(risen):
        sure = most(risen, "share")
        odd = most(risen, "share", least=True)
        sentences.append(
            f"Of the units that {c.wave.came}, {c.name(sure['unit'])} does so most often, "
            f"{of_worlds(sure['share'])}; "
            f"least expected is {c.name(odd['unit'])}, {of_worlds(odd['share'])}."
        )
    rest = table[table["observed_spells"] == 0]
    if len(rest):
        near = most(rest, "share")
        if near["share"] > 0:
            sentences.append(
                f"Of the units that did not, {c.name(near['unit'])} comes nearest: it enters the state "
                f"{of_worlds(near['share'])}, the median of those on {moment(near['median'], frame)}."
            )
    if c.baseline is not None:
        moved = most(table.assign(size=table["share_difference"].abs()), "size")
        sentences.append(
            f"The change moves {c.name(moved['unit'])} most: {hundred(moved['share_unchanged'])} of 100 "
            "worlds "
            "without it, "
            f"{hundred(moved['share'])} with it."
        )
        sentences.append(
            "The two sets of worlds share their luck, clock by clock. Comparing the two distributions "
            "needs no such "
            "coupling; saying what became of one single world does, and no data can tell which coupling is "
            "right."
        )
    return [*sentences, *outside_words(c), *doubt_of_worlds(c)]


def doubt_of_worlds(c: Comparison) -> list[str]:
    """Return what doubt the worlds hold: that about the parameters, or none; and which waves have no end."""
    ensemble = c.ensemble
    if ensemble.draws is None:
        shares = c.units(everything=True)["share"]
        widest = max((1.96 * np.sqrt(p * (1 - p) / ensemble.worlds) for p in shares), default=0.0)
        return [
            "All worlds are at the best estimates, as if those were certain; because only "
            f"{ensemble.worlds:,} were drawn, a share can be off by up to {100 * widest:.1f} of 100. The doubt about "
            "the estimates is larger, and is not in these numbers."
        ]
    if c.baseline is None:
        head, *stops = ensemble.doubt
    else:
        head, *stops = Paired(ensemble, c.baseline).doubt
        head = f"{head[:-1]}: each pair of worlds has one of them."
    said = f"{head} So shares of worlds and their 95% intervals hold the doubt about the parameters, and luck as well."
    return [said, *stops]


def _kind_of_worlds(c: Comparison) -> str:
    """Return what the worlds share with what happened."""
    given = c.ensemble.given
    if given.startswith("until "):
        day = _given_day(c)
        return f"Each world agrees with what happened until {day}, and is drawn from the fitted model from then on."
    if given.startswith("history"):
        return (
            f"Each world is what happened, with what was changed and all that follows from it ({given}); what "
            "the change does not reach stays as it was. No data can tell how worlds are coupled: ask tocsin "
            "whatif for the range."
        )
    return "Each world is a history that the fitted model could have produced, drawn from the start of the window on."


def _given_day(c: Comparison) -> str:
    """Return until when the worlds share the record, in words."""
    day = c.ensemble.given.removeprefix("until ")
    return moment(pd.Timestamp(day) if c.frame.dated else float(day), c.frame)


def limits(c: Comparison) -> list[str]:
    """Return what no data of this kind can tell, as far as it concerns the model."""
    spreading = {layer for t in c.model.transitions for cause in t.causes for layer in layers_of(cause)}
    sentences = []
    if spreading:
        layers = listed([c.history.called(name) for name in sorted(spreading)])
        sentences.append(
            "Contagion, a shock that struck several units at once, and the likeness of neighbours look "
            "alike in a "
            f"record such as this. What the model credits to ties ({layers}) may in part be a common cause "
            "that it "
            "does not know (Shalizi and Thomas 2011)."
        )
        sentences.append(
            "Ties can follow the outcome: help and troops go where a rising has begun. Such a tie is a "
            "cause only if the "
            "model opens it by the state that calls it up; otherwise the result takes the ties as they "
            "were, also in "
            "worlds where nothing would have called for them."
        )
    if any(isinstance(cause, Baseline) for t in c.model.transitions for cause in t.causes) and spreading:
        sentences.append(
            "What makes a unit ready by itself and what makes it listen to others are easily confused when "
            "one of the "
            "two is left out (Greve, Strang and Tuma 1995)."
        )
    sentences.append(
        "The share of worlds in which something happens is a statement about this model of this record. It "
        "is no "
        "measure of how likely history itself was."
    )
    return sentences


# --- What moved a wave, and who sparked whom: the sentences and pictures of a report that need the
#     model itself

Draw = Callable[..., "alt.LayerChart | None"]


@dataclass
class Moved:
    """Sentences, and functions that draw for a comparison at a width."""

    comparison: Comparison
    sentences: tuple[str, ...] = ()
    pictures: tuple[Draw, ...] = ()

    def drawn(self, figure: Callable[[Comparison, Draw], str]) -> list[str]:
        """Return the pictures as a page has them."""
        return [figure(self.comparison, draw) for draw in self.pictures]


def what_moved(replay: Replay) -> Moved:
    """Return what moved the wave of a replay, at the parameters that its worlds were drawn with.

    Nothing is said where the model has no transition into the wave's state, or no event of it was observed.
    """
    c = replay.comparison
    into = [t for t in c.model.transitions if (t.variable, t.to) == (c.wave.variable, c.wave.state)]
    events = c.observed.counts(c.wave.variable, c.wave.state)["entries"].item()
    if not into or not events:
        return Moved(c)
    given = c.model.with_params(replay.parameters, Learned.from_dict(replay.fit["learned"]))
    attribution = given.attribute(c.history, replay.draws)
    causes = attribution.causes
    mine = causes[causes["transition"].isin([t.name for t in into])]
    shares = (
        mine.groupby("cause", sort=False, observed=True)["share"]
        .sum()
        .sort_values(ascending=False, kind="stable")
    )
    said = [
        f"{c.history.called(name)} {hundred(share / shares.sum())}"
        for name, share in zip(shares.index.astype(str), shares, strict=True)
    ]
    sentence = (
        f"At the instant of an event the model divides its hazard among the causes. Of 100 {c.wave.entered}, summed "
        f"over {counted(float(events), 'event')}, it gives {listed(said)}. A share says what moved the hazard at that "
        "instant; it does not say that the event would not have come without it."
    )
    counts = () if not attribution.draws else (_counts(c, attribution.select([t.name for t in into])),)

    def hazards(c: Comparison, width: int, titled: bool) -> alt.LayerChart:
        return hazards_by_cause(given, c.history, into[0].name, width=width, titled=titled)

    def tree(c: Comparison, width: int, titled: bool) -> alt.LayerChart:
        return spark_tree(attribution, c.history, str(c.wave), width=width, titled=titled)

    spreads = any(not isinstance(cause, Baseline) for t in into for cause in t.causes)
    pictures: tuple[Draw, ...] = (tree, hazards, partial(_arcs, attribution)) if spreads else (hazards,)
    return Moved(c, (sentence, *counts), pictures)


def _counts(c: Comparison, attribution: Attribution) -> str:
    """Return how many events each cause explains and how many it caused, with their intervals."""
    table = attribution.total("cause").sort_values("events explained", ascending=False, kind="stable")
    explained, caused = [], []
    for row in table.to_dict("records"):
        name = c.history.called(str(row["cause"]))
        explained.append(f"{name} {row['events explained']:.1f} ({row['lower']:.1f} to {row['upper']:.1f})")
        caused.append(f"{name} {row['caused lower']:.0f} to {row['caused upper']:.0f}")
    return (
        f"Events explained, sums of shares with {100 * attribution.level:g}% intervals over the parameters: "
        f"{listed(explained)}. Events caused, whole events, whose intervals hold which cause came first as well: "
        f"{listed(caused)}."
    )


def _arcs(attribution: Any, c: Comparison, width: int, titled: bool) -> alt.LayerChart | None:
    try:
        return arc_map(
            attribution, c.history, variable=c.wave.variable, state=c.wave.state, width=width, titled=titled
        )
    except TocsinError:  # no source lies on a map
        return None


def standing_map(c: Comparison, width: int, titled: bool) -> alt.LayerChart | None:
    """Return the map of the time at which the wave stood highest; None where no unit lies on a map."""
    if not c.peak[1]:
        return None
    try:
        return map_at(c.ensemble, c.wave.variable, c.wave.state, _peak(c), width=width, titled=titled)
    except TocsinError:
        return None


def changed_map(c: Comparison, width: int, titled: bool) -> alt.LayerChart | None:
    """Return the map of the difference at the time at which the wave stood highest, or None."""
    if c.baseline is None or not c.peak[1]:
        return None
    pair = (c.wave.variable, c.wave.state)
    try:
        return difference_map(c.baseline, c.ensemble, *pair, _peak(c), width=width, titled=titled)
    except TocsinError:
        return None


def _peak(c: Comparison) -> Any:
    return c.history.to_date(c.peak[0]) if c.frame.dated else c.peak[0]


def lasting(c: Comparison, width: int, titled: bool) -> alt.LayerChart:
    """Return the survival curve of the wave's state."""
    return survival_curve(c, width, titled)
