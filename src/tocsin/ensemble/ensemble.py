"""The ensemble: many worlds and the questions that can be put to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tocsin.ensemble.frame import Floats, Frame
from tocsin.ensemble.parameter_draws import Draws, Stopped, stopped_words
from tocsin.ensemble.share_intervals import bounds_in_time, summary_of
from tocsin.ensemble.spells import (
    Groups,
    Moves,
    SpellsInWorlds,
    Tallies,
    counted,
    joined,
    moves_of,
    spells_of,
    steps_of,
    steps_on_grid,
    summed,
    tallied_quantiles,
    tally_of,
    wilson,
)
from tocsin.errors import TocsinError

if TYPE_CHECKING:
    import xarray

    from tocsin.ensemble.split import Split
    from tocsin.history.history import History

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

_LARGEST = 20_000_000  # cells of one working array: 160 MB of float64

Answer = TypeVar("Answer")


class Ensemble:
    """Many simulated worlds of one history.

    Parameters:
        events: the table of events: world, time, [date], unit, variable, from, to, cause, source; sorted by
            world, then time. States on entry are no events. What an intervention forces has the cause `forced`.
        worlds: the number of worlds, those without any event included.
        seed: the seed that they were drawn with.
        frame: units, variables, presence and calendar.
        history: the history that was simulated; needed by `history(k)` only.
        interventions: what was changed, as sentences.
        given: what of the observed history the worlds share, as words.
        draws: the parameters of the worlds, of which world k has draw k modulo their number; None where all worlds
            have the same parameters.
        stops: worlds that were stopped, see `stopped`.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> fit = tc.Model.from_toml(history.model_path).fit(history)
        >>> worlds = fit.simulate(history, worlds=50, seed=1)
        >>> worlds.worlds, worlds.seed
        (50, 1)
    """

    __slots__ = (
        "_cache",
        "draws",
        "events",
        "frame",
        "given",
        "interventions",
        "of",
        "seed",
        "stops",
        "worlds",
    )

    events: pa.Table
    worlds: int
    seed: int
    frame: Frame
    of: History | None
    interventions: tuple[str, ...]
    given: str
    draws: Draws | None
    stops: tuple[Stopped, ...]
    _cache: dict[str, Moves]

    def __init__(
        self,
        events: pa.Table,
        worlds: int,
        seed: int,
        frame: Frame,
        history: History | None = None,
        interventions: Sequence[str] = (),
        given: str = "nothing",
        draws: Draws | None = None,
        stops: Sequence[Stopped] = (),
    ) -> None:
        content = {
            "events": events,
            "worlds": int(worlds),
            "seed": int(seed),
            "frame": frame,
            "of": history,
            "interventions": tuple(interventions),
            "given": str(given),
            "draws": draws,
            "stops": tuple(stops),
            "_cache": {},
        }
        for name, value in content.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"an ensemble does not change: {name} cannot be set")

    def __reduce__(self) -> tuple[Any, ...]:
        shared = (self.seed, self.frame, self.of, self.interventions, self.given, self.draws, self.stops)
        return Ensemble, (self.events, self.worlds, *shared)

    # --- what the worlds were drawn from ----------------------------------------------------------------

    @property
    def draw(self) -> NDArray[np.int64]:
        """Return the number of the draw of parameters that each world has (worlds,); -1 where all have the same."""
        numbers = np.arange(self.worlds)
        return np.full(self.worlds, -1) if self.draws is None else np.asarray(self.draws.of(numbers))

    @property
    def stopped(self) -> pd.DataFrame:
        """Return the worlds that were stopped: world, draw, why (``no end``, ``hazard too large``) and time.

        A world has no end that has more than a hundred times as many events as happened (20,000 at the least).
        Under parameters that are drawn it is stopped there and counts with what it had until then.
        """
        rows = [
            (each.world, -1 if self.draws is None else int(self.draws.of(each.world)), each.why, each.time)
            for each in self.stops
        ]
        return pd.DataFrame(rows, columns=["world", "draw", "why", "time"])

    @property
    def doubt(self) -> list[str]:
        """Return what uncertainty of the parameters the worlds hold, and which were stopped, as sentences."""
        if self.draws is None:
            return ["All worlds have the same parameters."]
        head = f"Over {self.draws.said}: each world has one of them"
        return [f"{head}.", *stopped_words(self.stops, self.draws, self.worlds)]

    # --- shares of worlds -------------------------------------------------------------------------------

    def probability(
        self, variable: str, state: str, times: Iterable[Any] | None = None, *, interval: bool = False
    ) -> xarray.DataArray | xarray.Dataset:
        """Return the share of worlds in which each unit holds a state, at each time.

        An event at t is not yet seen at t (left limit); at the instant of its entry a unit shows its state on
        entry; outside its presence the share is missing.

        Parameters:
            variable, state: the state asked about.
            times: dates or numbers; by default the window in whole clock units, at most about 400 points.
            interval: whether to return a Dataset of probability, lower and upper, the 95% interval of the
                probability: over the parameters where they were drawn (see `expected_share`); else Wilson's (1927),
                for the share that infinitely many worlds would give.

        Returns:
            DataArray (unit, time), or Dataset with `interval`.

        Raises:
            TocsinError: the variable, the state or a time is unknown.
        """
        import xarray

        frame, units = self.frame, len(self.frame.units)
        code = frame.code(variable, state)
        points = frame.grid(times, most=int(np.clip(_LARGEST // max(units, 1), 2, 400)))
        order = np.argsort(points, kind="stable")
        grid = points[order]
        held = np.zeros((units, len(grid)))
        for came in self._each(lambda piece: piece._held(variable, state, grid)):
            held += came
        held[frame.initial[variable] == code] += self.worlds
        share = np.empty_like(held)
        share[:, order] = held / max(self.worlds, 1)
        absent = (points < frame.enter[:, None]) | (points > frame.exit[:, None])
        absent |= (frame.enter >= frame.exit)[:, None]  # a unit that was never there
        if frame.absences.unit.size:
            absent |= frame.absences.cover(np.arange(units)[:, None], points)
        share[absent] = np.nan
        coordinates = {"unit": list(frame.units), "time": frame.to_dates(points)}
        about = {"variable": variable, "state": state, "worlds": self.worlds, "seed": self.seed}
        result = xarray.DataArray(
            share, coordinates, ("unit", "time"), "probability", {**about, "units": "share of worlds"}
        )
        if not interval:
            return result
        said = "Wilson 95%"
        if self.draws is None:
            lower, upper = wilson(share, self.worlds)
        else:
            lower, upper = np.full_like(share, np.nan), np.full_like(share, np.nan)
            lower[:, order], upper[:, order] = bounds_in_time(self, variable, state, grid)
            lower[absent] = upper[absent] = np.nan
            said = "95% over draws of the parameters"
        return xarray.Dataset(
            {"probability": result, "lower": (("unit", "time"), lower), "upper": (("unit", "time"), upper)},
            attrs={**about, "interval": said},
        )

    def curve(
        self,
        variable: str,
        state: str,
        quantiles: Sequence[float] = QUANTILES,
        times: Iterable[Any] | None = None,
    ) -> pd.DataFrame:
        """Return how many units hold a state at each time: the mean over worlds and quantiles.

        Parameters:
            variable, state: the state asked about.
            quantiles: of the number of units over worlds; each is a number that some world reaches.
            times: as in `probability`.

        Returns:
            DataFrame with columns time, [date], mean and one column for each quantile.
        """
        if not all(0 <= q <= 1 for q in quantiles):
            raise TocsinError(f"quantiles lie between 0 and 1, not {list(quantiles)}")
        points = self.frame.grid(times)
        order = np.argsort(points, kind="stable")
        grid = points[order]
        parts = list(self._each(lambda piece: piece._tallies(variable, state, grid)))
        place, units, worlds = joined(parts, len(self.frame.units))
        mean, levels = np.empty(len(points)), np.empty((len(points), len(quantiles)))
        mean[order] = np.bincount(place, weights=units * worlds, minlength=len(points)) / (
            self.worlds or np.nan
        )
        levels[order] = tallied_quantiles(units, worlds, len(points), self.worlds, quantiles)
        result = self._timed({"time": points})
        result["mean"] = mean
        for column, q in enumerate(quantiles):
            result[float(q)] = levels[:, column]
        return result

    def _held(self, variable: str, state: str, grid: Floats) -> Floats:
        """Return in how many worlds each unit came into a state, less those it left in (units, times)."""
        _, unit, time, sign = steps_of(self._moves(variable), self.frame, variable, state)
        width = len(grid) + 1
        cell = unit.astype(np.int64) * width + np.searchsorted(grid, time, side="right")
        return summed(cell, sign, len(self.frame.units), width)[:, :-1]

    def _tallies(self, variable: str, state: str, grid: Floats) -> Tallies:
        """Return, for each time, how many worlds have how many units in a state."""
        chunk = max(1, _LARGEST // max(self.worlds, 1))
        carried = np.zeros(self.worlds)
        steps = steps_on_grid(self._moves(variable), self.frame, variable, state, grid)
        units = len(self.frame.units)
        parts = [
            tally_of(counted(steps, begin, min(chunk, len(grid) - begin), carried), begin, units)
            for begin in range(0, len(grid), chunk)
        ]
        return joined(parts, units)

    # --- tidy tables ------------------------------------------------------------------------------------

    def first_times(self, variable: str, state: str) -> pd.DataFrame:
        """Return when each unit first came into a state, one row for each world and unit in which it did.

        A state that is held on entry counts, at the time of entry. Columns world, unit, time and, where times
        are dates, date.
        """
        return self._stacked(lambda piece: piece._first_times(variable, state))

    def _first_times(self, variable: str, state: str) -> pd.DataFrame:
        spells = self._spells(variable, state)
        first = spells.first
        return self._timed(
            {
                "world": spells.world[first],
                "unit": self._unit_names(spells.unit[first]),
                "time": spells.start[first],
            }
        )

    def durations(self, variable: str, state: str) -> pd.DataFrame:
        """Return every spell in a state: world, unit, start, end, duration, censored (clock units).

        `censored` spells were still going on when the unit left or the window closed. Spells held on entry
        start at entry.
        """
        return self._stacked(lambda piece: piece._durations(variable, state))

    def _durations(self, variable: str, state: str) -> pd.DataFrame:
        spells = self._spells(variable, state)
        return pd.DataFrame(
            {
                "world": spells.world,
                "unit": self._unit_names(spells.unit),
                "start": spells.start,
                "end": spells.end,
                "duration": spells.end - spells.start,
                "censored": spells.censored,
            }
        )

    def counts(self, variable: str, state: str) -> pd.DataFrame:
        """Return the number of events into a state, and of units that had one, for every world.

        Worlds without any have 0; states held on entry are no events. Columns world, entries, units.
        """
        return self._stacked(lambda piece: piece._counts(variable, state))

    def _counts(self, variable: str, state: str) -> pd.DataFrame:
        code = self.frame.code(variable, state)
        moves = self._moves(variable)
        into = (moves.to == code) & ~moves.returned
        world, unit = moves.world[into], moves.unit[into]
        new = np.ones(len(world), dtype=bool)
        new[1:] = (world[1:] != world[:-1]) | (unit[1:] != unit[:-1])
        return pd.DataFrame(
            {
                "world": np.arange(self.worlds),
                "entries": np.bincount(world, minlength=self.worlds),
                "units": np.bincount(world[new], minlength=self.worlds),
            }
        )

    def entries(self, variable: str, state: str) -> pd.DataFrame:
        """Return every entry into a state, one row each: world and unit; states held on entry are no events."""
        return self._stacked(lambda piece: piece._entries(variable, state))

    def _entries(self, variable: str, state: str) -> pd.DataFrame:
        moves = self._moves(variable)
        into = (moves.to == self.frame.code(variable, state)) & ~moves.returned
        return pd.DataFrame({"world": moves.world[into], "unit": self._unit_names(moves.unit[into])})

    def summary(self, variable: str, state: str) -> pd.DataFrame:
        """Return, for each unit, how often, when and for how long it was in a state.

        Columns: share of worlds in which it came into the state (a state held on entry counts) with the 95% interval
        of that probability (lower, upper: over the parameters where they were drawn, else Wilson's); the median time
        of its first entry among those worlds, with the intervals that hold half (q25, q75) and nine tenths (q05, q95)
        of them; median duration of its spells in clock units, where `open`, the share of spells that outlasted the
        window, makes it a lower bound.
        """
        return summary_of(self, variable, state)

    def split(self, variable: str, state: str) -> Split | None:
        """Return the unit and state by which worlds differ most in how many other units came into a state.

        It is found on every other world and confirmed on the rest, which give the medians and the share of variance
        told. It describes, it does not say why. None where no unit's state divides the worlds.

        Raises:
            TocsinError: fewer than 40 worlds, or an unknown variable or state.

        Source: a regression tree of one cut (Breiman, Friedman, Olshen & Stone 1984), with the halves apart.
        """
        from tocsin.ensemble.split import split_of

        return split_of(self, variable, state)

    def _spell_groups(
        self, variable: str, state: str
    ) -> tuple[Groups, Groups, NDArray[np.int64], NDArray[np.int64]]:
        """Return first entries and lengths of spells, unit by unit, how many spells were still open, and how many
        worlds of each draw have a first entry (draws, units)."""
        units, draws = len(self.frame.units), 1 if self.draws is None else len(self.draws)
        spells = self._spells(variable, state)
        cell = (spells.world[spells.first] % draws).astype(np.int64) * units + spells.unit[spells.first]
        return (
            Groups.of(spells.unit[spells.first], spells.start[spells.first], units),
            Groups.of(spells.unit, spells.end - spells.start, units),
            np.bincount(spells.unit[spells.censored], minlength=units),
            np.bincount(cell, minlength=draws * units).reshape(draws, units),
        )

    # --- single worlds and comparison -------------------------------------------------------------------

    def world(self, k: int) -> pd.DataFrame:
        """Return the events of one world; raise TocsinError if there is no such world."""
        self._check_world(k)
        table: pd.DataFrame = self._range(k, k + 1).to_pandas()
        return table

    def _range(self, first: int, last: int) -> pa.Table:
        """Return the events of the worlds first..last-1."""
        begin, end = np.searchsorted(self.events["world"].to_numpy(), [first, last])
        return self.events.slice(int(begin), int(end - begin))

    def history(self, k: int) -> History:
        """Return one world as a history: the same units, ties and covariates, and the events of that world.

        Where times are dates, an event is dated by its day; several of one unit and day keep their order.

        Raises:
            TocsinError: there is no such world, or the ensemble was read from a file without its history.
        """
        from tocsin.ensemble.worlds import world_as_history

        self._check_world(k)
        if self.of is None:
            raise TocsinError(
                "this ensemble does not know its history: read it with Ensemble.read(path, history=...)"
            )
        return world_as_history(self, k, self.of)

    def compare(
        self, other: Ensemble, variable: str | None = None, state: str | None = None, *, by: str = "world"
    ) -> pd.DataFrame:
        """Return how the worlds of this ensemble differ from the same worlds of another.

        Worlds that share a seed share their luck, so world k here is to be read beside world k there.

        Parameters:
            other: an ensemble with as many worlds of the same units.
            variable, state: the state asked about; by default every state of every variable.
            by: ``"world"`` (numbers of entries and of units, the first time of any unit, units gained and
                lost) or ``"unit"`` (first times of each unit that came into the state in either).

        Raises:
            TocsinError: the ensembles cannot be compared.
        """
        from tocsin.ensemble.worlds import compare_worlds

        return compare_worlds(self, other, variable, state, by)

    def sql(self, query: str) -> pd.DataFrame:
        """Put a question in SQL (DuckDB) to the table `events`; no file and no network can be reached.

        Raises:
            TocsinError: the query is wrong.
        """
        from tocsin.sql import asking

        with asking({"events": self._relation()}) as ask:
            return ask(query)

    def to_xarray(self, times: Iterable[Any] | None = None) -> xarray.Dataset:
        """Return the probability of every state of every variable as a Dataset.

        Each variable is an array (its states, unit, time), the first dimension named ``<variable>_state``.
        """
        import xarray

        points = None if times is None else list(times)
        content = {}
        for variable in self.frame.variables:
            parts: list[Any] = [self.probability(variable.name, state, points) for state in variable.states]
            dimension = f"{variable.name}_state"
            content[variable.name] = xarray.concat(parts, dim=pd.Index(list(variable.states), name=dimension))
        attributes = {"worlds": self.worlds, "seed": self.seed}
        for array in content.values():
            array.attrs = dict(attributes)
        return xarray.Dataset(content, attrs=attributes)

    def explore(self, variable: str | None = None, state: str | None = None, date: Any = None) -> Any:
        """Return a widget for notebooks: map and curve through time (`tocsin.explorer.widget.widget_of`)."""
        from tocsin.explorer.widget import widget_of

        return widget_of(self, variable, state, date)

    # --- files ------------------------------------------------------------------------------------------

    def write(self, path: str | Path) -> Path:
        """Write one Parquet file that `read` reads back; it appears whole or not at all."""
        from tocsin.ensemble.on_disk import write_ensemble

        return write_ensemble(self, Path(path))

    @staticmethod
    def read(path: str | Path, history: History | None = None) -> Ensemble:
        """Read an ensemble from a file, or from a folder of parts; raise TocsinError if it is not one."""
        from tocsin.ensemble.on_disk import open_ensemble, read_ensemble

        place = Path(path)
        return open_ensemble(place, history) if place.is_dir() else read_ensemble(place, history)

    def __repr__(self) -> str:
        changed = f", interventions={list(self.interventions)}" if self.interventions else ""
        changed += f", given={self.given!r}" if self.given != "nothing" else ""
        changed += f", draws={len(self.draws)}" if self.draws is not None else ""
        return f"Ensemble(worlds={self.worlds}, events={self.events.num_rows}, seed={self.seed}{changed})"

    def _repr_html_(self) -> str:
        from tocsin.ensemble.as_html import as_html

        return as_html(self)

    # --- pieces: a table in memory is one, a folder has many ---------------------------------------------

    def _bounds(self) -> list[tuple[int, int]]:
        """Return the ranges of worlds in which questions are answered."""
        return [(0, self.worlds)]

    def _each(self, question: Callable[[Ensemble], Answer]) -> Iterator[Answer]:
        """Put a question to each piece, in the order of worlds; the worlds of a piece are numbered from 0."""
        yield question(self)

    def _stacked(self, question: Callable[[Ensemble], pd.DataFrame]) -> pd.DataFrame:
        """Put a question to each piece and stack the answers, worlds numbered as they are."""
        answers = list(self._each(question))
        for (first, _), answer in zip(self._bounds(), answers, strict=True):
            if first:
                answer["world"] += first
        return answers[0] if len(answers) == 1 else pd.concat(answers, ignore_index=True)

    def _piece(self, first: int, last: int) -> Ensemble:
        """Return the worlds first..last-1 as an ensemble of their own, numbered from 0."""
        table = self._range(first, last)
        if first:
            table = table.set_column(0, "world", pc.subtract(table["world"], first))
        stops = [each._replace(world=each.world - first) for each in self.stops if first <= each.world < last]
        draws = None
        if self.draws is not None:  # world 0 of the piece has the draw of world `first`
            draws = replace(self.draws, vectors=np.roll(self.draws.vectors, -first, axis=0))
        shared = (None, self.interventions, self.given, draws, stops)
        return Ensemble(table, last - first, self.seed, self.frame, *shared)

    def _relation(self) -> Any:
        """Return what DuckDB reads as `events`."""
        return self.events

    # --- inner parts ------------------------------------------------------------------------------------

    def _moves(self, variable: str) -> Moves:
        self.frame.variable(variable)
        if variable not in self._cache:
            self._cache[variable] = moves_of(self.events, self.frame, variable, self.worlds)
        return self._cache[variable]

    def _spells(self, variable: str, state: str) -> SpellsInWorlds:
        self.frame.code(variable, state)
        return spells_of(self._moves(variable), self.frame, variable, state, self.worlds)

    def _unit_names(self, codes: NDArray[np.int32]) -> pd.Categorical:
        return pd.Categorical.from_codes(codes, categories=pd.Index(self.frame.units, dtype=object))

    def _as_times(self, numbers: Floats) -> Any:
        if not self.frame.dated:
            return numbers
        missing = np.isnan(numbers)
        dates = self.frame.to_dates(np.where(missing, 0.0, numbers))
        dates[missing] = np.datetime64("NaT")
        return dates

    def _timed(self, columns: dict[str, Any]) -> pd.DataFrame:
        result = pd.DataFrame(columns)
        if self.frame.dated:
            result["date"] = self.frame.to_dates(columns["time"])
        return result

    def _check_world(self, k: int) -> None:
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 0 <= k < self.worlds:
            raise TocsinError(f"there is no world {k!r}: they are numbered from 0 to {self.worlds - 1}")
