"""What happened beside what the worlds did: the numbers behind the table, the charts and the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tocsin.ensemble.ensemble import Ensemble
from tocsin.ensemble.frame import Frame
from tocsin.ensemble.paired import observed_world
from tocsin.ensemble.survival import survival
from tocsin.history.describe import labels
from tocsin.model.followed_state import Wave, wave_of

if TYPE_CHECKING:
    from tocsin.history.history import History
    from tocsin.model.model import Model


def between(values: Range) -> str:
    """Return '38 (in half of all worlds 25 to 44; in 90 of 100 worlds 17 to 60)'."""
    return (
        f"{values.median:g} (in half of all worlds {values.low50:g} to {values.high50:g}; "
        f"in 90 of 100 worlds {values.low90:g} to {values.high90:g})"
    )


# --- What happened beside what the worlds did: the numbers behind the table, the charts and the
#     report

RARE = (
    0.05  # units that came into the state in fewer worlds, and not in the record, are left out of the table
)


@dataclass(frozen=True)
class Range:
    """A number as it was, and as the worlds have it: median, and the intervals that hold 50 and 90 of 100."""

    observed: float | None
    median: float
    low50: float
    high50: float
    low90: float
    high90: float

    @property
    def surprising(self) -> bool:
        """Return whether what happened lies outside the interval that holds 90 of 100 worlds."""
        return self.observed is not None and not self.low90 <= self.observed <= self.high90


def range_of(values: Any, observed: float | None = None) -> Range:
    """Return the range of a number over worlds; every bound is a number that some world reaches."""
    levels = np.quantile(np.asarray(values), [0.5, 0.25, 0.75, 0.05, 0.95], method="inverted_cdf")
    return Range(observed, *(float(level) for level in levels))


@dataclass(frozen=True, eq=False)
class Comparison:
    """The record, the worlds, and the worlds without the change if one was made.

    Attributes:
        history, model, wave: what was simulated and which state is followed.
        ensemble: the worlds asked about (changed where there are interventions).
        baseline: the same worlds unchanged, or None where nothing was changed.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> fit = tc.Model.from_toml(history.model_path).fit(history)
        >>> found = tc.Comparison.of(fit.simulate(history, worlds=50, seed=1), fit.model)
        >>> found.baseline is None  # nothing was changed
        True
    """

    history: History
    model: Model
    wave: Wave
    ensemble: Ensemble
    baseline: Ensemble | None = None

    @classmethod
    def of(
        cls,
        ensemble: Ensemble,
        model: Model,
        wave: str | None = None,
        unchanged: Ensemble | None = None,
    ) -> Comparison:
        """Return the record beside the worlds of an ensemble.

        Parameters:
            ensemble: worlds that know their history.
            model: what they were simulated by.
            wave: the state to follow, such as ``regime=soviet``; by default the model's own.
            unchanged: the same worlds without what was changed.

        Raises:
            TocsinError: the wave is no state of the model, or the ensemble does not know its history.
        """
        from tocsin.ensemble.standing import history_of

        record = history_of(ensemble)
        return cls(record, model, wave_of(model, wave, record), ensemble, unchanged)

    @cached_property
    def observed(self) -> Ensemble:
        """Return the record as an ensemble of one world."""
        return observed_world(self.history, self.model)

    @property
    def frame(self) -> Frame:
        """Return units, presence and calendar."""
        return self.ensemble.frame

    @cached_property
    def labels(self) -> dict[str, str]:
        """Return the label of each unit, as the history has it."""
        return labels(self.history)

    def name(self, unit: object) -> str:
        """Return a unit's label as a sentence has it, without what stands in brackets."""
        return self.labels[str(unit)].split(" (")[0]

    @cached_property
    def peak(self) -> tuple[float, int]:
        """Return when most units were in the state in the record (the first such time), and how many."""
        spells = self.spells
        starts, ends = np.sort(spells["start"].to_numpy()), np.sort(spells["end"].to_numpy())
        if not len(starts):
            return self.frame.start, 0
        standing = np.arange(1, len(starts) + 1) - np.searchsorted(ends, starts, side="right")
        # Of several starts at one instant only the last has seen them all.
        place = int(np.argmax(standing))
        return float(starts[place]), int(standing[place])

    @cached_property
    def entries(self) -> Range:
        """Return the number of events into the state, observed and over worlds."""
        observed = self.observed.counts(*self._wave)["entries"].item()
        return range_of(self.ensemble.counts(*self._wave)["entries"], float(observed))

    @cached_property
    def entries_unchanged(self) -> Range | None:
        """Return the number of events into the state over the unchanged worlds."""
        return None if self.baseline is None else range_of(self.baseline.counts(*self._wave)["entries"])

    @cached_property
    def difference(self) -> Range | None:
        """Return by how many events into the state each world differs from itself unchanged."""
        if self.baseline is None:
            return None
        changed = self.ensemble.counts(*self._wave)["entries"]
        return range_of(changed - self.baseline.counts(*self._wave)["entries"])

    @property
    def _wave(self) -> tuple[str, str]:
        return self.wave.variable, self.wave.state

    @cached_property
    def spells(self) -> pd.DataFrame:
        """Return the observed spells in the state: unit, start, end, duration, censored, sorted by start."""
        spells = self.observed.durations(*self._wave).drop(columns="world")
        return spells.sort_values("start", kind="stable").reset_index(drop=True)

    @cached_property
    def survival(self) -> pd.DataFrame:
        """Return the share of spells that last longer than each duration, over worlds; see `survival`."""
        return survival(self.ensemble, *self._wave)

    def units(
        self, everything: bool = False, variable: str | None = None, state: str | None = None
    ) -> pd.DataFrame:
        """Return one row a unit: what happened, and what the worlds did.

        Parameters:
            everything: whether to keep units that came into the state neither in the record nor in at least
                5 of 100 worlds.
            variable, state: another state than the wave's.

        Returns:
            DataFrame with unit, label; observed_first, observed_last (end of the last spell, missing if it
            lasted), observed_spells, observed_duration (clock units, all spells), observed_on_entry (whether the
            first spell was held on entry, which is no event); the columns of
            `Ensemble.summary`; and, where something was changed, share_unchanged and share_difference. Sorted
            by the date of what happened, then by share.
        """
        table = self._unit_table(variable or self.wave.variable, state or self.wave.state)
        if everything:
            return table.copy()
        often = table["share"] >= RARE
        if self.baseline is not None:
            often |= table["share_unchanged"] >= RARE
        return table[(table["observed_spells"] > 0) | often].reset_index(drop=True)

    def _unit_table(self, *pair: str) -> pd.DataFrame:
        # Several pictures and sentences read the same table; the worlds are counted once.
        if pair in self._tables:
            return self._tables[pair]
        summary = self.ensemble.summary(*pair)
        spells = self.observed.durations(*pair)
        grouped = spells.groupby(spells["unit"].astype(object), sort=False)
        lasting = grouped["censored"].last()
        seen = pd.DataFrame(
            {
                "observed_first": grouped["start"].first(),
                "observed_last": grouped["end"].last().where(~lasting.astype(bool)),
                "observed_spells": grouped["start"].size(),
                "observed_duration": grouped["duration"].sum(),
            }
        ).reindex(summary.index)
        seen["observed_spells"] = seen["observed_spells"].fillna(0).astype(int)
        enter = dict(zip(self.observed.frame.units, self.observed.frame.enter, strict=True))
        seen["observed_on_entry"] = seen["observed_first"] <= [enter[unit] for unit in seen.index]
        order = np.lexsort((-summary["share"].to_numpy(), seen["observed_first"].to_numpy(dtype=float)))
        if self.frame.dated:
            for column in ("observed_first", "observed_last"):
                seen[column] = self.ensemble._as_times(seen[column].to_numpy(dtype=float))
        table = pd.concat([seen, summary], axis=1)
        if self.baseline is not None:
            table["share_unchanged"] = self.baseline.summary(*pair)["share"]
            table["share_difference"] = table["share"] - table["share_unchanged"]
        table = table.iloc[order].reset_index()
        table.insert(1, "label", [self.labels[unit] for unit in table["unit"]])
        self._tables[pair] = table
        return table

    @cached_property
    def _tables(self) -> dict[tuple[str, ...], pd.DataFrame]:
        return {}

    def all_states(self) -> pd.DataFrame:
        """Return `units(everything=True)` for every state that a transition of the model enters, stacked."""
        pairs = dict.fromkeys([self._wave, *((t.variable, t.to) for t in self.model.transitions)])
        parts = []
        for variable, state in pairs:
            part = self.units(True, variable, state)
            part.insert(0, "variable", variable)
            part.insert(1, "state", state)
            parts.append(part)
        return pd.concat(parts, ignore_index=True)

    def curve(self, quantiles: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95)) -> pd.DataFrame:
        """Return the number of units in the state through time: `observed` beside mean and quantiles."""
        curve = self.ensemble.curve(*self._wave, quantiles)
        curve["observed"] = self.observed.curve(*self._wave, (0.5,), curve["time"])["mean"]
        if self.baseline is not None:
            curve["unchanged"] = self.baseline.curve(*self._wave, (0.5,), curve["time"])[0.5]
        return curve


def most(table: pd.DataFrame, column: str, *, least: bool = False) -> dict[str, Any]:
    """Return the row with the greatest (or least) value of a column; the first of several."""
    values = table[column].to_numpy(dtype=float)
    place = int(np.nanargmin(values) if least else np.nanargmax(values))
    return {str(key): value for key, value in table.iloc[place].items()}
