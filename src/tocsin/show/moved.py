"""What moved a wave, and who sparked whom: the sentences and pictures of a report that need the model itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from tocsin.errors import TocsinError
from tocsin.model import Baseline
from tocsin.model.learned import Learned
from tocsin.show.arcs import arcs
from tocsin.show.causes import hazards_by_cause
from tocsin.show.map import difference_map, map_at
from tocsin.show.sentences import counted, hundred, listed
from tocsin.show.survival import survival_curve
from tocsin.show.tree import spark_tree

if TYPE_CHECKING:
    import altair as alt

    from tocsin.show.compared import Comparison
    from tocsin.show.replay import Replay

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
    attribution = given.attribute(c.history)
    causes = attribution.causes
    mine = causes[causes["transition"].isin([t.name for t in into])]
    shares = (
        mine.groupby("cause", sort=False, observed=True)["share"]
        .sum()
        .sort_values(ascending=False, kind="stable")
    )
    said = [
        f"{'home' if name == 'baseline' else name.replace('_', ' ')} {hundred(share / shares.sum())}"
        for name, share in zip(shares.index.astype(str), shares, strict=True)
    ]
    sentence = (
        f"At the instant of an event the model divides its hazard among the causes. Of 100 {c.wave.entered}, summed "
        f"over {counted(float(events), 'event')}, it gives {listed(said)}. A share says what moved the hazard at that "
        "instant; it does not say that the event would not have come without it."
    )

    def hazards(c: Comparison, width: int, titled: bool) -> alt.LayerChart:
        return hazards_by_cause(given, c.history, into[0].name, width=width, titled=titled)

    def tree(c: Comparison, width: int, titled: bool) -> alt.LayerChart:
        return spark_tree(attribution, c.history, str(c.wave), width=width, titled=titled)

    spreads = any(not isinstance(cause, Baseline) for t in into for cause in t.causes)
    pictures: tuple[Draw, ...] = (tree, hazards, partial(_arcs, attribution)) if spreads else (hazards,)
    return Moved(c, (sentence,), pictures)


def _arcs(attribution: Any, c: Comparison, width: int, titled: bool) -> alt.LayerChart | None:
    try:
        return arcs(
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
