"""The history: units, events, ties, covariates and a window; what happened, checked and unchangeable."""

from __future__ import annotations

import datetime
from collections.abc import Container, Iterable, Mapping, Sequence
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tocsin.errors import TocsinError, suggestion
from tocsin.history.assemble import Declared, assemble
from tocsin.history.codings import parts_of
from tocsin.history.intake.account import Intake, account_of
from tocsin.history.tables import frames, schema
from tocsin.history.tables.cells import are_numbers
from tocsin.history.tables.frames import Raw, from_frame
from tocsin.history.tables.graphs import ties_of
from tocsin.history.tables.schema import Report, read_layers, read_outside, read_variables
from tocsin.history.time import EPOCH, Clock, read_clock, read_time
from tocsin.history.toml import read_waves
from tocsin.states import StateVariable

if TYPE_CHECKING:
    import pandas as pd

    from tocsin.history.arrays import Numbers
    from tocsin.history.question import Question

# Above this many rows, names in the public tables stay categorical: one string object per cell is too much.
CATEGORICAL_ROWS = 200_000

TABLES = tuple(kind.name for kind in schema.SCHEMAS)


class History:
    """What happened: units, their events, ties, covariates and the window in which they were watched.

    Parameters:
        units: table with `unit` and optionally label, enter, exit, lon, lat, own (static) covariates and, named
            after a state variable, the state on entry. Several rows of a unit are spells of its presence, one after
            another; own columns agree in them. A row whose `unobserved` is true is no presence: the place is there,
            but not coded.
        events: table with `unit`, `variable`, `state` (the one entered), `time`; optionally time_latest,
            sequence, coding (of rival codings; an empty one belongs to all: see `coding`).
            A time may be a date known in part (EDTF): 1848-03~, 1917-11/1917-12, 1919-03-2X.
        ties: table with `layer`, `source`, `target`; optionally weight (1), start, end (the window). Also a networkx
            graph, a symmetric SciPy matrix over the units in their order, or a dict of these by layer.
        covariates: table with `unit` ("*" for all), `covariate`, `value`; optionally start, end.
        variables: the state variables.
        window: first and last date, or two plain numbers.
        layers: names of all layers, or combine rule (None, "max", "sum") by layer.
        clock: "day", "month" or "year" for dates ("day" by default); for plain numbers "step" (numbered
            periods: period k is the interval (k - 1, k]) or "continuous" (moments), which None is taken for.
        outside: value of a covariate where no row covers it, by covariate.
        extra: columns that are kept although their names look like times, places or identifiers.
        episodes: the original record (optional), with `unit`.
        sources: list of sources (optional), with `key` and `citation`.
        name, title, description, citation, licence: what to call it and whom to thank.
        model_path: the model file that comes with it.
        borders_path: a GeoJSON or TopoJSON file of outlines to draw its units with.
        waves: what to call a state, one and many, by clause such as "regime=soviet".
        claims_path: a file of claims about it, each with its query.

    Any table may be a frame of pandas, Polars or Arrow, or a dict of columns; rows in any order; times dates
    or plain numbers, as the window is. An own column of units is of numbers where at least half of its cells
    that are not missing (empty, NA, NaN, ".", N/A, null) are numbers; then a cell that is none is an error. A
    dictionary (a pandas Categorical) is a category whatever its values; the order of its levels is kept, and
    the first is the reference in formulas.

    Raises:
        HistoryError: anything is wrong; `problems` lists every fault.

    Example:
        >>> import tocsin as tc
        >>> events = {"unit": ["b"], "variable": ["adopted"], "state": ["yes"], "time": [2.0]}
        >>> adopted = tc.StateVariable("adopted", ["no", "yes"])
        >>> history = tc.History({"unit": ["a", "b"]}, events, variables=[adopted], window=(0, 5))
        >>> len(history.events), history.window
        (1, (0.0, 5.0))
    """

    def __init__(
        self,
        units: object,
        events: object = None,
        ties: object = None,
        covariates: object = None,
        *,
        variables: Sequence[StateVariable],
        window: object,
        layers: object = None,
        clock: str | None = None,
        outside: Mapping[str, float] | None = None,
        extra: Sequence[str] = (),
        episodes: object = None,
        sources: object = None,
        name: str = "history",
        title: str = "",
        description: str = "",
        citation: str = "",
        licence: str = "",
        model_path: str | Path | None = None,
        borders_path: str | Path | None = None,
        waves: Mapping[str, Sequence[str]] | None = None,
        claims_path: str | Path | None = None,
    ) -> None:
        report = Report()
        frames = dict(zip(TABLES, (units, events, ties, covariates, episodes, sources), strict=True))
        raws = {table: from_frame(frame, table, report) for table, frame in frames.items() if table != "ties"}
        raws["ties"] = ties_of(ties, raws["units"], report)
        rules, strict = read_layers(layers, report)
        outside_ = read_outside(outside, report)
        declared = Declared(
            read_variables(variables, report), rules, strict, outside_, extra=frozenset(map(str, extra))
        )
        nouns = read_waves(waves or {}, declared, report)
        self._build(raws, declared, read_clock(window, clock, report), report, f"history {name!r}")
        paths = (model_path, borders_path, claims_path)
        self._describe(name, title, description, citation, licence, *paths, nouns)

    @classmethod
    def _from_raws(
        cls,
        raws: Mapping[str, Raw],
        declared: Declared,
        clock: Clock,
        report: Report,
        where: str,
        about: Mapping[str, Any],
    ) -> History:
        """Make a history of tables read from files (no part of the public interface)."""
        self = cls.__new__(cls)
        self._build(raws, declared, clock, report, where)
        self._describe(**about)
        return self

    def _build(
        self, raws: Mapping[str, Raw], declared: Declared, clock: Clock, report: Report, where: str
    ) -> None:
        self._account = account_of(raws)
        parts = parts_of(raws["events"], report)
        raws = {**raws, "events": next(iter(parts.values()))}
        assembled = assemble(raws, declared, clock, report, self._account)
        report.raise_if_any(where)
        assert assembled is not None  # nothing is missing without a problem
        tables, levels = assembled
        ties = tables["ties"].column("layer")
        used = ties.unique().to_pylist() if len(ties) else []
        self._tables: dict[str, Any] = tables
        self._clock = clock
        self._variables = declared.variables
        self._layers = {name: declared.layers.get(name) for name in sorted({*declared.layers, *used})}
        self._outside = dict(sorted(declared.outside.items()))
        self._extra = tuple(sorted(declared.extra))
        self._codings: dict[str, History] = {}
        if len(parts) > 1:
            self._codings = {
                name: self._reading(raws, part, declared, clock, where) for name, part in parts.items()
            }
        self._levels = dict(sorted(levels.items()))

    def _reading(
        self, raws: Mapping[str, Raw], events: Raw, declared: Declared, clock: Clock, where: str
    ) -> History:
        """The history of one coding, checked as any other; it gets its descriptions when it is asked for."""
        other = History.__new__(History)
        other._build({**raws, "events": events}, declared, clock, Report(), where)
        return other

    def _describe(
        self,
        name: str,
        title: str,
        description: str,
        citation: str,
        licence: str,
        model_path: str | Path | None,
        borders_path: str | Path | None = None,
        claims_path: str | Path | None = None,
        waves: Mapping[str, tuple[str, str]] | None = None,
        layer_labels: Mapping[str, str] | None = None,
        question: Question | None = None,
        scopes: Mapping[str, str] | None = None,
        scope: str = "",
        words: Mapping[str, str] | None = None,
    ) -> None:
        self._name, self._title, self._description = str(name), str(title), str(description)
        self._citation, self._licence = str(citation), str(licence)
        self._model_path = None if model_path is None else Path(model_path)
        self._borders_path = None if borders_path is None else Path(borders_path)
        self._claims_path = None if claims_path is None else Path(claims_path)
        self._waves = dict(sorted((waves or {}).items()))
        self._layer_labels, self._words = dict(layer_labels or {}), dict(words or {})
        self._question, self._scopes, self._scope = question, dict(scopes or {}), scope

    # What it says about itself.

    @property
    def name(self) -> str:
        """Its short name: that of the packaged history or of the folder."""
        return self._name

    @property
    def title(self) -> str:
        """Its title."""
        return self._title

    @property
    def description(self) -> str:
        """What it is about."""
        return self._description

    @property
    def citation(self) -> str:
        """How to cite it."""
        return self._citation

    @property
    def licence(self) -> str:
        """Under what licence it may be used."""
        return self._licence

    @property
    def model_path(self) -> Path | None:
        """The model file that comes with it, if there is one."""
        return self._model_path

    @property
    def borders_path(self) -> Path | None:
        """The file of outlines that comes with it, if there is one."""
        return self._borders_path

    @property
    def claims_path(self) -> Path | None:
        """The file of claims that comes with it, if there is one."""
        return self._claims_path

    @property
    def waves(self) -> dict[str, tuple[str, str]]:
        """What sentences call a state, one and many, by clause such as ``regime=soviet``."""
        return dict(self._waves)

    @property
    def words(self) -> dict[str, str]:
        """What people call its layers, covariates and states, by name or ``variable=state`` (`[words]`)."""
        return dict(self._words)

    def called(self, name: str) -> str:
        """Return what people call a layer, a cause, a covariate or a state: `pow_return` is "returned prisoners"."""
        if name == "baseline":
            return "home"
        return self._words.get(name) or self._layer_labels.get(name) or name.replace("_", " ")

    @property
    def layer_labels(self) -> dict[str, str]:
        """What sentences call a layer, by its key, where it is not the key itself."""
        return dict(self._layer_labels)

    @property
    def question(self) -> Question | None:
        """What it asks unless another question is put; None where history.toml has no ``[question]``."""
        return self._question

    @property
    def scopes(self) -> dict[str, str]:
        """The readings of its record by name, each with what it counts; empty where there is one."""
        return dict(self._scopes)

    @property
    def scope(self) -> str:
        """The reading that its events are; see `load_history`."""
        return self._scope

    @property
    def clock(self) -> str:
        """``day``, ``month``, ``year``; ``step`` where plain numbers are periods, ``continuous`` where they are
        said to be moments, ``number`` where nothing is said of them."""
        return self._clock.declared or self._clock.name

    @property
    def dated(self) -> bool:
        """Whether its times are dates."""
        return self._clock.dated

    @property
    def grouped(self) -> bool:
        """Whether of an event only the interval is known, a month, a year or a period, in which it happened."""
        return self._clock.grouped

    @property
    def window(self) -> tuple[Any, Any]:
        """First and last date (``datetime.date``), or the two numbers."""
        if self.dated:
            return _date(self._clock.first), _date(self._clock.last)
        return float(self._clock.first), float(self._clock.last)

    @property
    def variables(self) -> tuple[StateVariable, ...]:
        """The state variables."""
        return self._variables

    @property
    def layers(self) -> dict[str, str | None]:
        """Combine rule (None, "max", "sum") of every layer, by name."""
        return dict(self._layers)

    @property
    def outside(self) -> dict[str, float]:
        """Declared value of a covariate where no row covers it, by covariate."""
        return dict(self._outside)

    @property
    def extra(self) -> tuple[str, ...]:
        """Columns that are kept although their names look like times, places or identifiers."""
        return self._extra

    @property
    def levels(self) -> dict[str, tuple[str, ...]]:
        """Declared levels of own columns of units that are categories, in their order, the reference first."""
        return dict(self._levels)

    @cached_property
    def warnings(self) -> list[str]:
        """What a reader should know before believing what is made of it: whole numbers that may be periods."""
        from tocsin.history.describe import doubts

        return doubts(self)

    # Its tables.

    @property
    def units(self) -> pd.DataFrame:
        """The units, with presence and static covariates."""
        return self._frame("units")

    @property
    def events(self) -> pd.DataFrame:
        """The events: unit, variable, the state entered, time."""
        return self._frame("events")

    @property
    def ties(self) -> pd.DataFrame:
        """The ties: layer, source, target, weight, start, end."""
        return self._frame("ties")

    @property
    def covariates(self) -> pd.DataFrame:
        """The dated covariates: unit ("*" for all), covariate, value, start, end."""
        return self._frame("covariates")

    @property
    def episodes(self) -> pd.DataFrame:
        """The original record, before it became events."""
        return self._frame("episodes")

    @property
    def sources(self) -> pd.DataFrame:
        """The list of sources."""
        return self._frame("sources")

    def table(self, name: str) -> Any:
        """Return one table as a ``pyarrow.Table`` with all its columns (dates as date32).

        Parameters:
            name: units, events, ties, covariates, episodes or sources.

        Raises:
            TocsinError: there is no such table.
        """
        if name not in self._tables:
            raise TocsinError(f"there is no table {name!r}; there are: {', '.join(TABLES)}")
        table = _completed(name, self._tables[name], self._clock)
        return self._with_levels(table) if name == "units" else table

    def _frame(self, name: str) -> pd.DataFrame:
        if name not in self._frames:
            kept = {*self._levels, *self._number_like} if name == "units" else set()
            self._frames[name] = _to_pandas(self.table(name), kept)
        return self._frames[name].copy()

    def _with_levels(self, units: Any) -> Any:
        """The units with every category whose order or kind is declared as a dictionary."""
        for column in [*self._levels, *self._number_like]:
            values = units.column(column)
            if pa.types.is_string(values.type):
                levels = frames.strings(self.numbers.levels[column])
                coded = frames.dictionary(frames.positions(values, levels), levels)
                units = units.set_column(units.column_names.index(column), column, coded)
        return units

    @cached_property
    def _number_like(self) -> list[str]:
        """Own columns of units that are categories although their cells are numbers; no levels say so."""
        units = self._tables["units"]
        skip = {*schema.UNITS.known, *(variable.name for variable in self._variables), *self._levels}
        found = []
        for name in units.column_names:
            if name not in skip and pa.types.is_string(units.column(name).type):
                counted = units.column(name).drop_null().value_counts().to_pylist()
                if are_numbers({each["values"]: each["counts"] for each in counted}):
                    found.append(name)
        return found

    @cached_property
    def _frames(self) -> dict[str, pd.DataFrame]:
        return {}

    @cached_property
    def numbers(self) -> Numbers:
        """The history as arrays, for programs."""
        from tocsin.history.arrays import numbers_of

        return numbers_of(
            self._tables, self._clock, self._variables, self._layers, self._outside, self._levels
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything it says, whatever the order of rows and the format of files."""
        from tocsin.history.write import digest_of

        return digest_of(self)

    @cached_property
    def intake(self) -> Intake:
        """What became of the rows that it was made of: read, used, left out and why; ``print`` it."""
        return Intake(self, self._account)

    @property
    def codings(self) -> tuple[str, ...]:
        """Names of the rival codings of its events, in order; it is itself the first. Empty without a column coding."""
        return tuple(self._codings)

    def coding(self, name: str) -> History:
        """Return the history as one coding has it: the events of that coding and those that belong to all.

        Raises:
            TocsinError: there is no such coding.
        """
        if name not in self._codings:
            there = suggestion(name, self._codings) if self._codings else "; no event has a coding"
            raise TocsinError(f"there is no coding {name!r} of {self.name!r}{there}")
        other = copy(self._codings[name])
        told = (
            "title",
            "description",
            "citation",
            "licence",
            "model_path",
            "borders_path",
            "claims_path",
            "waves",
            "words",
        )
        other._describe(f"{self.name}, coding {name}", **{key: getattr(self, key) for key in told})
        return other

    # Its times.

    def to_number(self, when: object) -> float:
        """Return a moment on the clock: a date's distance from the window's first, or a number as it is.

        Raises:
            TocsinError: it is no time of this history.
        """
        try:
            return read_time(when, self._clock)
        except ValueError as error:
            raise TocsinError(f"{when!r} is no time of {self.name!r}: {error}") from None

    def begins(self, when: object) -> float:
        """Return where on the clock a row begins that starts at a time; see `to_number`."""
        return (
            float(self._clock.begin([0.0])[0] + self.to_number(when))
            if not self.dated
            else self.to_number(when)
        )

    def finishes(self, when: object) -> float:
        """Return where on the clock a row ends whose last date, period or moment is given; see `to_number`."""
        return self.to_number(when) + (1.0 if self.dated else 0.0)

    def to_date(self, number: Any) -> Any:
        """Return the dates in which clock numbers fall (one date, or an array); plain numbers unchanged."""
        if not self.dated:
            return number
        days = self._clock.days(number)
        return _date(int(days)) if np.ndim(days) == 0 else days.astype("datetime64[D]")

    # Others made of it.

    def select(
        self, units: Iterable[str] | None = None, layers: Iterable[str] | None = None, window: object = None
    ) -> History:
        """Return the part of the history that concerns some units, some layers or a narrower window.

        Parameters:
            units: names of the units to keep; ties to others go.
            layers: names of the layers to keep.
            window: the new (first, last), None for either leaving it as it is. Rows in force within it stay;
                earlier events stay, as they set states and memory; later events go, and so do units that are
                never there.

        Raises:
            TocsinError: a unit or layer that is not in the history, or a window that is not within its own.
        """
        from tocsin.history.select import select

        found = select(self, units, layers, window)
        found._codings = {name: select(self.coding(name), units, layers, window) for name in self._codings}
        return found

    def merge(self, other: History) -> History:
        """Return both histories as one; see `tocsin.history.merge.merge`."""
        from tocsin.history.merge import merge

        return merge(self, other)

    def merge_units(self, parents: Mapping[str, str]) -> History:
        """Return the history with units merged into others; see `tocsin.history.merge.merge_units`."""
        from tocsin.history.merge import merge_units

        return merge_units(self, parents)

    def coverage(self) -> pd.DataFrame:
        """Return the gaps of each dated covariate within the presence of each unit.

        Returns:
            DataFrame with unit, covariate, start and end of the gap, and the value declared outside (NaN if
            none).
        """
        from tocsin.history.describe import coverage

        return coverage(self)

    def write(self, folder: str | Path, format: str = "csv") -> None:
        """Write the history as a folder of CSV or Parquet tables that `load_history` reads back equal.

        Raises:
            TocsinError: an unknown format, or the folder cannot be written.
        """
        from tocsin.history.write import write

        write(self, Path(folder), format)

    def with_borders(self, path: str | Path) -> History:
        """Return the same history with the outlines of another file, GeoJSON or TopoJSON, wherever it stands.

        Raises:
            HistoryError: the file cannot be read, or none of its features belongs to a unit.
        """
        from tocsin.history.read_folder import drawn_with

        return drawn_with(self, Path(path))

    def __eq__(self, other: object) -> bool:
        return self.digest == other.digest if isinstance(other, History) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        sizes = {name: self._tables[name].num_rows for name in TABLES[:4]}
        sizes["units"] = len(self._tables["units"].column("unit").unique())
        counts = ", ".join(f"{size:,} {name}" for name, size in sizes.items())
        first, last = (self._clock.text(end) for end in (self._clock.first, self._clock.last))
        return f"<History {self.name!r}: {counts}; {first} to {last}>"

    def _repr_html_(self) -> str:
        from tocsin.history.describe import as_html

        return as_html(self)


def load_history(name_or_path: str | Path, scope: str | None = None) -> History:
    """Load a packaged history by name, or a folder.

    Parameters:
        name_or_path: name of a packaged history, or path of a folder with history.toml.
        scope: a reading of the record, where history.toml declares ``[scopes]``, such as ``strict``; by default that
            of its question, or the first.

    Raises:
        HistoryError: there is no such history or reading, or anything in it is wrong; `problems` lists every fault.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> history.window
        (datetime.date(1917, 1, 1), datetime.date(1923, 12, 31))
    """
    from tocsin.history.read_folder import read_folder

    return read_folder(name_or_path, scope)


def _date(days: float) -> datetime.date:
    return datetime.date.fromordinal(int(days) + EPOCH)


def _completed(name: str, table: Any, clock: Clock) -> Any:
    """A table with the columns that canonical tables leave out because they say only the default."""
    kind = next(kind for kind in schema.SCHEMAS if kind.name == name)
    first, last = clock.first, clock.last
    defaults: dict[str, tuple[float, bool]] = {
        "units": {"enter": (first, True), "exit": (last, True)},
        "ties": {"weight": (1.0, False), "start": (first, True), "end": (last, True)},
        "covariates": {"start": (first, True), "end": (last, True)},
    }.get(name, {})
    columns = {column: table.column(column) for column in table.column_names}
    for column, (value, is_time) in defaults.items():
        if column not in columns:
            if is_time and clock.dated:
                columns[column] = frames.numeric(np.full(table.num_rows, int(value), np.int32)).cast(
                    pa.date32()
                )
            else:
                columns[column] = frames.numeric(np.full(table.num_rows, float(value)))
    order = [column for column in kind.known if column in columns]
    order += [column for column in columns if column not in kind.known]
    return pa.table({column: columns[column] for column in order})


def _to_pandas(table: Any, categories: Container[str]) -> pd.DataFrame:
    import pandas  # noqa: F401  (slow to import, so only when a table is asked for)

    columns = {}
    for column, values in zip(table.column_names, table.columns, strict=True):
        few = table.num_rows <= CATEGORICAL_ROWS and column not in categories
        if pa.types.is_dictionary(values.type) and few:
            values = values.cast(pa.string())
        elif pa.types.is_date32(values.type):
            values = values.cast(pa.timestamp("s"))
        columns[column] = values
    frame: pd.DataFrame = pa.table(columns).to_pandas()
    return frame
