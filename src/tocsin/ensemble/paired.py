"""Two ensembles that share their luck, world by world: differences, how sure they are, and what pairing gains.

World k of one is read beside world k of the other. Two intervals are told apart: that of the *expected effect* (over
the parameters, chance among worlds taken out; see `tocsin.ensemble.expected_effect`) and that
of the *difference in one wave*
(luck too: between what 95 of 100 pairs lie). The variance of a difference over pairs of worlds,
Var(X - Y), is beside Var(X) + Var(Y), that of worlds that share nothing: their ratio is how many times fewer
worlds the paired comparison needs for the same precision.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.ensemble.ensemble import Ensemble
from tocsin.ensemble.expected_effect import LEVELS, expected_effect, terms_of
from tocsin.ensemble.frame import frame_of
from tocsin.ensemble.parameter_draws import stopped_words
from tocsin.ensemble.spells import Z95
from tocsin.ensemble.worlds import check_comparable, side_by_side
from tocsin.errors import ModelError, TocsinError, suggestion

if TYPE_CHECKING:
    from tocsin.ensemble.frame import Frame
    from tocsin.ensemble.parameter_draws import Draws
    from tocsin.history.history import History
    from tocsin.model.model import Model

    Floats = NDArray[np.float64]

SHARE_OF_DIFFERENCE = 0.1  # the precision asked for, where none is: a tenth of the difference itself


class Paired:
    """What two ensembles with the same seed say, world by world.

    Parameters:
        changed, unchanged: ensembles of as many worlds of the same units; differences are changed less
            unchanged.

    Raises:
        TocsinError: they cannot be compared world by world.
    """

    def __init__(self, changed: Ensemble, unchanged: Ensemble) -> None:
        check_comparable(changed, unchanged)
        if changed.seed != unchanged.seed:
            raise TocsinError(
                f"worlds drawn with the seeds {changed.seed} and {unchanged.seed} do not share their luck: "
                "draw both with one seed"
            )
        one, other = changed.draws, unchanged.draws
        if one is not other and (
            one is None or other is None or not np.array_equal(one.vectors, other.vectors, equal_nan=True)
        ):
            raise TocsinError("worlds of other parameters are no pairs: draw both with the same draws")
        self.changed, self.unchanged = changed, unchanged
        self._measured: dict[tuple[object, ...], pd.DataFrame] = {}

    @property
    def worlds(self) -> int:
        """Return how many pairs of worlds there are."""
        return self.changed.worlds

    @property
    def draws(self) -> Draws | None:
        """Return the parameters of the pairs, None where all have the same."""
        return self.changed.draws

    @cached_property
    def ended(self) -> NDArray[np.bool_]:
        """Return which pairs ended on both sides (worlds,); the others are left out of what is said of differences."""
        found = np.ones(self.worlds, dtype=bool)
        found[[each.world for side in (self.changed, self.unchanged) for each in side.stops]] = False
        return found

    @property
    def doubt(self) -> list[str]:
        """Return what was drawn, and in how many draws a wave has no end on either side, as sentences."""
        if self.draws is None:
            return []
        both = {each.world: each for side in (self.unchanged, self.changed) for each in side.stops}
        return [f"Over {self.draws.said}.", *stopped_words(list(both.values()), self.draws, self.worlds)]

    @cached_property
    def _terms(self) -> Floats | None:
        return None if self.draws is None else terms_of(self.draws)

    def measures(self, variable: str, state: str, at: Iterable[Any] = ()) -> pd.DataFrame:
        """Return numbers about a state in every world, changed, unchanged and their difference.

        Measures: `entries` events into the state, `units` that had one, `first` time at which any unit
        entered it (missing where none did), `duration` that all units together spent in it (clock units), and
        `standing DATE`, units in it at each date of `at` (left limit).

        Returns:
            One row a world and measure: measure, world, changed, unchanged, difference; missing where a world was
            stopped on either side (see `Ensemble.stopped`).
        """
        points = self.changed.frame.grid(list(at)) if (at := list(at)) else np.empty(0)
        key = (variable, state, *points.tolist())
        if key not in self._measured:
            self._measured[key] = self._measures(variable, state, points)
        return self._measured[key].copy()

    def _measures(self, variable: str, state: str, points: Floats) -> pd.DataFrame:
        outcomes = {"duration": Outcome("time", variable, state)}
        for point in points:
            name = f"standing {self.changed.frame.label(float(point))}"
            outcomes[name] = Outcome("held", variable, state, at=float(point))
        parts = []
        for first, here, there in side_by_side(self.changed, self.unchanged):
            table = here.compare(there, variable, state)
            columns = {
                name: (table[name].to_numpy(float), table[f"{name}_other"].to_numpy(float))
                for name in ("entries", "units", "first")
            }
            columns |= {name: (outcome(here), outcome(there)) for name, outcome in outcomes.items()}
            lost = ~self.ended[first : first + here.worlds]
            for name, sides in columns.items():
                changed, unchanged = (np.where(lost, np.nan, side) for side in sides)
                parts.append(
                    pd.DataFrame(
                        {
                            "measure": name,
                            "world": np.arange(first, first + here.worlds),
                            "changed": changed,
                            "unchanged": unchanged,
                            "difference": changed - unchanged,
                        }
                    )
                )
        return pd.concat(parts, ignore_index=True)

    def table(
        self, variable: str, state: str, at: Iterable[Any] = (), precision: float | None = None
    ) -> pd.DataFrame:
        """Return for each measure of `measures` how the worlds differ, and how sure that is.

        Columns: mean changed and unchanged; difference, their mean difference; expected_lower, expected_upper: 95%
        interval of the expected effect, over the parameters with chance among worlds taken out (where nothing was
        drawn it holds the error of so many worlds, and nothing else); wave_lower, wave_upper: the difference in one
        wave, luck too, between what it lies in 95 of 100 pairs; error: the standard error of the mean by chance;
        less, more: shares of worlds in which the difference is below and above 0; worlds: in which the measure is
        known on both sides; variance_ratio (Var X + Var Y) / Var(X - Y); needed and needed_unpaired: worlds in which
        chance leaves the mean within `precision` 95 times of 100, with shared luck and without.

        Parameters:
            precision: by default a tenth of the difference itself.
        """
        table = self.measures(variable, state, at)
        rows = []
        for name, group in table.groupby("measure", sort=False):
            draw = None if self.draws is None else self.draws.of(group["world"].to_numpy())
            sides = (group["changed"].to_numpy(), group["unchanged"].to_numpy())
            rows.append({"measure": name, **summarised(*sides, precision, draw, self._terms)})
        return pd.DataFrame(rows)

    def units(self, variable: str, state: str) -> pd.DataFrame:
        """Return unit by unit in how many worlds it came into a state, changed and unchanged.

        Columns: share and share_unchanged, their difference with the 95% interval of the expected effect
        (expected_lower, expected_upper; see `table`), gained and lost (shares of worlds in which it came into the
        state only with, only without the change), earlier and later (in both, by more than a clock unit), shift (mean
        difference of the first entry where both have one), variance_ratio.
        """
        unit_names = list(self.changed.frame.units)
        table = self.changed.compare(self.unchanged, variable, state, by="unit")
        table = table[self.ended[table["world"].to_numpy()]]
        pairs = max(int(self.ended.sum()), 1)
        code = pd.Index(unit_names).get_indexer(pd.Index(table["unit"].astype(object)))
        here, there = table["first"].notna().to_numpy(), table["first_other"].notna().to_numpy()
        count, shift = len(unit_names), table["difference"].to_numpy(float)

        def share(chosen: Any) -> Floats:
            return np.bincount(code[chosen], minlength=count) / pairs

        with_, without, both = share(here), share(there), share(here & there)
        gained, lost = with_ - both, without - both
        difference = with_ - without
        variance = np.maximum(gained + lost - difference**2, 0.0)
        lower, upper = self._unit_effects(code, table["world"].to_numpy(), here, there, difference)
        apart = with_ * (1 - with_) + without * (1 - without)
        moved = np.bincount(code[here & there], shift[here & there], count)
        with np.errstate(divide="ignore", invalid="ignore"):
            return pd.DataFrame(
                {
                    "share": with_,
                    "share_unchanged": without,
                    "difference": difference,
                    "expected_lower": lower,
                    "expected_upper": upper,
                    "gained": gained,
                    "lost": lost,
                    "earlier": share(here & there & (shift < -1)),
                    "later": share(here & there & (shift > 1)),
                    "shift": moved / (both * pairs),
                    "variance_ratio": np.where(variance > 0, apart / variance, np.nan),
                },
                index=pd.Index(unit_names, name="unit", dtype=object),
            )

    def _unit_effects(
        self, code: Any, world: Any, here: NDArray[np.bool_], there: NDArray[np.bool_], difference: Floats
    ) -> tuple[Floats, Floats]:
        """Return the intervals of the expected effect on the share of each unit."""
        lower, upper = difference.copy(), difference.copy()
        ended = np.flatnonzero(self.ended)
        draw = np.zeros(ended.size, dtype=np.int64) if self.draws is None else self.draws.of(ended)
        apart = np.zeros(self.worlds)
        for unit in np.unique(code[here != there]):
            rows = np.flatnonzero((code == unit) & (here != there))
            apart[:] = 0.0
            apart[world[rows]] = here[rows].astype(float) - there[rows]
            effect = expected_effect(apart[ended], draw, self._terms)
            lower[unit], upper[unit] = max(effect.lower, -1.0), min(effect.upper, 1.0)
        return lower, upper

    @cached_property
    def same(self) -> NDArray[np.bool_]:
        """Return which worlds are the same to the bit on both sides (worlds,)."""
        found = []
        for _, here, there in side_by_side(self.changed, self.unchanged):
            found.append(_same(here, there))
        return np.concatenate(found) if found else np.zeros(0, dtype=bool)


def summarised(
    changed: Floats,
    unchanged: Floats,
    precision: float | None = None,
    draw: NDArray[np.int64] | None = None,
    terms: Floats | None = None,
) -> dict[str, float]:
    """Return means, difference, both intervals, ratio of variances and worlds needed; see `Paired.table`.

    Parameters:
        draw, terms: of the parameters of each pair; see `expected_effect`.
    """
    known = ~(np.isnan(changed) | np.isnan(unchanged))
    x, y = changed[known], unchanged[known]
    count = int(known.sum())
    if not count:
        return {**dict.fromkeys(("changed", "unchanged", "difference"), np.nan), "worlds": 0}
    apart = x - y
    effect = expected_effect(apart, np.zeros(count, dtype=np.int64) if draw is None else draw[known], terms)
    mean = effect.mean
    paired, single = _variance(apart), _variance(x) + _variance(y)
    low, high = np.quantile(apart, LEVELS, method="inverted_cdf")
    wanted = abs(mean) * SHARE_OF_DIFFERENCE if precision is None else precision
    return {
        "changed": float(x.mean()),
        "unchanged": float(y.mean()),
        "difference": mean,
        "expected_lower": effect.lower,
        "expected_upper": effect.upper,
        "wave_lower": float(low),
        "wave_upper": float(high),
        "error": effect.error,
        "less": float((apart < 0).mean()),
        "more": float((apart > 0).mean()),
        "worlds": count,
        "variance_ratio": single / paired if paired > 0 else np.nan,
        "needed": _needed(effect.error**2 * count, wanted),
        "needed_unpaired": _needed(single, wanted),
    }


def _variance(values: Floats) -> float:
    return float(values.var(ddof=1)) if values.size > 1 else 0.0


def _needed(variance: float, precision: float) -> float:
    """Return how many worlds make a 95% interval of half the width `precision`."""
    return max(2.0, float(np.ceil(variance * (Z95 / precision) ** 2))) if precision > 0 else np.nan


def _same(here: Ensemble, there: Ensemble) -> NDArray[np.bool_]:
    sizes = [np.bincount(each.events["world"].to_numpy(), minlength=each.worlds) for each in (here, there)]
    same: NDArray[np.bool_] = sizes[0] == sizes[1]
    tables = [each.events.filter(_of(each, same)) for each in (here, there)]
    world = tables[0]["world"].to_numpy()
    for name in ("time", "unit", "variable", "to"):
        left, right = (_plain(table[name]) for table in tables)
        same[world[left != right]] = False
    return same


def _of(ensemble: Ensemble, chosen: NDArray[np.bool_]) -> Any:
    import pyarrow as pa

    return pa.array(chosen[ensemble.events["world"].to_numpy()])


def _plain(column: Any) -> NDArray[Any]:
    return np.asarray(column.to_pandas().astype(object) if "dict" in str(column.type) else column.to_numpy())


# --- One number for each world: what an allocation is to raise or to lower

MEASURES = ("units", "entries", "time", "held")

_SENTENCE = re.compile(r"(\S+) ([^\s=]+)=(\S+)(?: in (\S+))?(?: at (\S+))?")

_EXAMPLES = (
    "'units regime=soviet' (units that come into the state), 'entries regime=soviet' (events into it), "
    "'time regime=soviet' (units times time in it), 'held regime=soviet at 1921-01-01' (units in it on a date); "
    "' in hungary' or ' in hungary|austria' narrows it"
)


@dataclass(frozen=True)
class Outcome:
    """A number for each world about one state.

    Parameters:
        measure: ``units`` that come into the state, ``entries`` (events into it), ``time`` in it summed over
            units (clock units), or ``held``: units in it at a time.
        variable, state: the state.
        units: of these only; empty for all.
        at: the time, for ``held``; the end of the window by default.
    """

    measure: str
    variable: str
    state: str
    units: tuple[str, ...] = ()
    at: str | float | None = None

    def __post_init__(self) -> None:
        if self.measure not in MEASURES:
            raise ModelError(f"there is no outcome {self.measure!r}" + suggestion(self.measure, MEASURES))
        if self.at is not None and self.measure != "held":
            raise ModelError(f"the outcome {self.measure!r} is of the whole window: a date goes with 'held'")
        object.__setattr__(self, "units", tuple(self.units))

    @staticmethod
    def parse(text: str) -> Outcome:
        """Read an outcome from a sentence such as ``units regime=soviet``; raise ModelError if it is none."""
        found = _SENTENCE.fullmatch(" ".join(text.split()))
        if found is None:
            raise ModelError(f"cannot read the outcome {text!r}: write {_EXAMPLES}")
        measure, variable, state, units, at = found.groups()
        return Outcome(measure, variable, state, tuple(units.split("|")) if units else (), at)

    def __str__(self) -> str:
        where = f" in {'|'.join(self.units)}" if self.units else ""
        return f"{self.measure} {self.variable}={self.state}{where}" + (
            f" at {self.at}" if self.at is not None else ""
        )

    def check(self, frame: Frame) -> None:
        """Raise TocsinError if worlds of this frame do not have the state, a unit or the time."""
        frame.code(self.variable, self.state)
        for unit in self.units:
            if unit not in frame.units:
                raise TocsinError(f"there is no unit {unit!r}" + suggestion(unit, frame.units))
        if self.at is not None:
            frame.grid([self.at])

    def __call__(self, ensemble: Ensemble) -> NDArray[np.float64]:
        """Return the outcome of each world (worlds,); raise TocsinError as `check` does."""
        self.check(ensemble.frame)
        return np.concatenate([np.empty(0), *ensemble._each(self._of)])

    def _of(self, ensemble: Ensemble) -> NDArray[np.float64]:
        frame = ensemble.frame
        chosen = np.ones(len(frame.units), dtype=bool)
        if self.units:
            chosen[:] = False
            chosen[[frame.units.index(unit) for unit in self.units]] = True
        if self.measure in ("units", "entries"):
            moves = ensemble._moves(self.variable)
            into = (moves.to == frame.code(self.variable, self.state)) & chosen[moves.unit]
            into = np.flatnonzero(into & ~moves.returned)
            world, unit = moves.world[into], moves.unit[into]
            if self.measure == "units":
                # Moves stand in the order of world and unit.
                new = np.ones(len(world), dtype=bool)
                new[1:] = (world[1:] != world[:-1]) | (unit[1:] != unit[:-1])
                world = world[new]
            return np.bincount(world, minlength=ensemble.worlds).astype(np.float64)
        spells = ensemble._spells(self.variable, self.state)
        kept = chosen[spells.unit]
        world, start, end = spells.world[kept], spells.start[kept], spells.end[kept]
        if self.measure == "time":
            return np.bincount(world, weights=end - start, minlength=ensemble.worlds).astype(np.float64)
        at = frame.end if self.at is None else frame.to_number(self.at)
        entry = start == frame.enter[spells.unit[kept]]
        inside = ((start < at) | (entry & (start == at))) & (end >= at)
        return np.bincount(world[inside], minlength=ensemble.worlds).astype(np.float64)


# --- What happened as an ensemble of one world, so that the record answers the same questions as
#     the worlds


def observed_world(history: History, model: Model | None = None) -> Ensemble:
    """Return the observed events within presence as an ensemble of one world; their cause is missing.

    Parameters:
        history: what happened.
        model: the model whose variables name the states (see `frame_of`).
    """
    frame = frame_of(history, model)
    numbers = history.numbers
    inside = ~numbers.early & (numbers.event_time <= numbers.exit[numbers.event_unit])
    unit, variable = numbers.event_unit[inside], numbers.event_variable[inside]
    entered = [
        history.variables[v].states[s] for v, s in zip(variable, numbers.event_state[inside], strict=True)
    ]
    held = {name: codes.copy() for name, codes in frame.initial.items()}
    left, back, done = [], frame.returns, 0
    for u, v, state, when in zip(unit, variable, entered, numbers.event_time[inside], strict=True):
        while done < len(back.time) and back.time[done] < when:  # who returned in a state before
            held[frame.variables[back.variable[done]].name][back.unit[done]] = back.state[done]
            done += 1
        each = frame.variables[v]
        left.append(each.states[held[each.name][u]])
        held[each.name][u] = each.code(state)

    def column(values: list[str]) -> pa.Array:
        return pa.array(values, type=pa.string()).dictionary_encode()

    time = numbers.event_time[inside]
    content = {"world": pa.array(np.zeros(len(time), dtype=np.int64)), "time": pa.array(time)}
    if frame.dated:
        content["date"] = pa.array(frame.to_dates(time).astype("datetime64[D]"), type=pa.date32())
    content["unit"] = column([frame.units[code] for code in unit])
    content["variable"] = column([frame.variables[code].name for code in variable])
    content["from"] = column(left)
    content["to"] = column(entered)
    content["cause"] = pa.array([None] * len(time), type=pa.string()).dictionary_encode()
    content["source"] = pa.array([None] * len(time), type=pa.string()).dictionary_encode()
    # Nothing follows the record here: the record itself is the world.
    return Ensemble(pa.table(content), 1, 0, frame.without_followed(), history=history)
