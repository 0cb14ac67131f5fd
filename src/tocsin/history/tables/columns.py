"""Raw tables read into columns of the right kind: codes for names, numbers, times."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tocsin.history.tables import frames, schema
from tocsin.history.tables.cells import (
    are_numbers,
    encode,
    floats,
    is_missing,
    leads_with_zero,
    listed,
    names,
    texts,
    times,
)
from tocsin.history.tables.frames import Raw, plain
from tocsin.history.tables.schema import CONFIDENCES, REPORTED, Schema, nearest_of
from tocsin.history.time import Clock, near

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tocsin.history.tables.schema import Report
    from tocsin.states import StateVariable

CONSTANT_NAME = "no covariate can have this name: it is that of the constant term of every formula"

YES, NO = ("true", "1", "1.0", "yes"), ("false", "0", "0.0", "no")  # of a row marked unobserved


@dataclass
class Parsed:
    """One table read: arrays by column, where the rows stood, and which columns are codes into which names.

    Attributes:
        raw: the table as it came.
        columns: arrays of `rows` values; int32 codes for names, float64, int64 days, or Arrow strings.
        coded: for the columns of codes, the names they stand for (Arrow strings).
        usable: rows (bool) whose every needed cell could be read.
        levels: levels of the categories whose order is declared.
    """

    raw: Raw
    columns: dict[str, Any] = field(default_factory=dict)
    coded: dict[str, Any] = field(default_factory=dict)
    usable: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    levels: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.raw.rows

    def numbers(self, column: str, default: float) -> NDArray[Any]:
        """A column of numbers or times, or its default throughout where it was left out."""
        if column in self.columns:
            return np.asarray(self.columns[column])
        return np.broadcast_to(default, self.rows)


class Reader:
    """Reads the tables of one history; all its faults go to `report`."""

    def __init__(
        self,
        clock: Clock,
        variables: Sequence[StateVariable],
        report: Report,
        text_columns: frozenset[str],
        broken: frozenset[str] = frozenset(),
        levels: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.clock = clock
        self.variables = {variable.name: variable for variable in variables}
        self.report = report
        self.text_columns = text_columns
        self.broken = broken
        self.levels = levels or {}
        self.unit_names = frames.strings([])
        self.units_known = True  # False where units could not be read whole: then no unit is "unknown"
        self.told: set[str] = set()  # tables whose unknown units have been told in one go
        self.spelled: list[tuple[Any, NDArray[np.int32]]] = []  # names as columns had them, and which units

    @cached_property
    def _unit_list(self) -> list[str]:
        return list(self.unit_names.to_pylist())

    def units(self, raw: Raw) -> Parsed:
        """Read the units; they are put in canonical order, which every later table refers to."""
        out = Parsed(raw)
        further = [*self.variables, *map(schema.since, self.variables), *self.broken]
        readable = schema.check_columns(raw, schema.UNITS, further, self.report)
        self.units_known = raw.sound and readable and not raw.garbled
        if not readable:
            if raw.sound and not raw.rows:
                self.report.add(raw.file, "a history needs at least one unit")
            return out
        good = self._name_units(out)
        if not raw.rows and raw.sound:
            self.report.add(raw.file, "a history needs at least one unit")
        good &= self._span(out, "enter", "exit", "enter after exit")
        since = [name for name in map(schema.since, self.variables) if name in raw.columns]
        for column in since:
            good &= self._since(out, column)
        self._coordinates(out)
        for name, variable in self.variables.items():
            if name in raw.columns and name not in schema.UNITS.known:
                self._states(out, name, variable)
        if "label" in raw.columns:
            out.columns["label"] = texts(raw, "label", self.report)
        if schema.MARK in raw.columns:
            self._mark(out)
        self._provenance(out)
        self._statics(out, {*schema.UNITS.known, *self.variables, *self.broken, *since})
        out.usable = good
        return out

    def _name_units(self, out: Parsed) -> NDArray[np.bool_]:
        """Read the names of units into canonical order; return the rows that have one."""
        raw = out.raw
        codes, values = names(raw, "unit", self.report)
        star = pc.index(values, frames.strings(["*"])[0]).as_py()
        if star >= 0:
            self.report.rows(
                raw, np.flatnonzero(codes == star), "unit", "'*' means all units and cannot name one"
            )
        if not {"enter", "exit"} & set(raw.columns):  # rows of one unit are spells of its presence
            self._unique(raw, "unit", codes)
        order = natural_order(values)
        self.unit_names = values.take(frames.numeric(order))
        rank = np.empty(len(order), np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        out.columns["unit"] = frames.recoded(codes, rank)
        self.spelled = [(values, rank)]
        out.coded["unit"] = self.unit_names
        named: NDArray[np.bool_] = codes >= 0
        return named

    def _coordinates(self, out: Parsed) -> None:
        """Read longitudes and latitudes, and tell of those that lie nowhere."""
        for column, bound in (("lon", 180.0), ("lat", 90.0)):
            if column in out.raw.columns:
                values, _ = floats(out.raw, column, self.report, "a coordinate")
                far = np.flatnonzero(np.abs(values) > bound)
                why = f"bad coordinate: {column} lies between -{bound:g} and {bound:g}"
                self.report.rows(out.raw, far, column, why)
                out.columns[column] = values

    def _statics(self, out: Parsed, taken: set[str]) -> None:
        """Read what is left of the columns as covariates that never change."""
        raw = out.raw
        for name in (name for name in raw.columns if name not in taken and name.strip()):
            if name in schema.CONSTANT:
                line = None if raw.lines is None else 1
                self.report.add(raw.file, CONSTANT_NAME, line=line, column=name, value=name)
            else:
                out.columns[name] = self._static(out, raw, name)

    def _mark(self, out: Parsed) -> None:
        """Read which rows are marked unobserved: those marked have a word, the others none."""
        codes, values = encode(out.raw.columns[schema.MARK])
        words = [str(plain(value)).strip().casefold() for value in listed(values)]
        known = np.array([word in (*YES, *NO) or is_missing(word) for word in words] + [True], bool)
        self.report.rows(
            out.raw, np.flatnonzero(~known[codes]), schema.MARK, "bad mark: write true, false or nothing"
        )
        marked = np.array([word in YES for word in words] + [False], bool)[codes]
        out.columns[schema.MARK] = frames.strings(["true" if one else None for one in marked.tolist()])

    def events(self, raw: Raw) -> Parsed:
        """Read the events."""
        out = Parsed(raw)
        if not schema.check_columns(raw, schema.EVENTS, (), self.report):
            return out
        good = self._unit(out, "unit")
        codes, values = names(raw, "variable", self.report)
        if self.broken:
            lost = frames.positions(values, frames.strings(self.broken)) >= 0
            codes = np.where((codes >= 0) & np.append(lost, False)[codes], -1, codes).astype(np.int32)
        variable = self._known(raw, "variable", codes, values, frames.strings(self.variables), "variable")
        out.columns["variable"], out.coded["variable"] = variable, frames.strings(self.variables)
        state_codes, state_names = names(raw, "state", self.report)
        state = np.full(raw.rows, -1, np.int32)
        for index, declared in enumerate(self.variables.values()):
            mine = variable == index
            known = self._known(
                raw,
                "state",
                np.where(mine, state_codes, -1),
                state_names,
                frames.strings(declared.states),
                f"state of {declared.name!r}",
            )
            state[mine] = known[mine]
        out.columns["state"] = state
        moments, missing, wrong = times(raw, "time", self.clock, self.report)
        self.report.rows(raw, np.flatnonzero(missing), "time", "no time is given", kind="missing")
        out.columns["time"] = moments
        good &= (variable >= 0) & (state >= 0) & ~missing & ~wrong
        if "time_latest" in raw.columns:
            latest, gone, bad = times(raw, "time_latest", self.clock, self.report)
            early = ~gone & ~bad & ~missing & ~wrong & (latest < moments) & ~self._alike(latest, moments)
            self.report.rows(raw, np.flatnonzero(early), "time_latest", "time_latest before time")
            if not gone.all():
                out.columns["time_latest"] = np.where(gone, moments, latest)
        if "sequence" in raw.columns:
            ranks, gone = floats(raw, "sequence", self.report, "a sequence")
            odd = ~np.isnan(ranks) & (ranks != np.floor(ranks))
            self.report.rows(raw, np.flatnonzero(odd), "sequence", "bad number: a sequence is a whole number")
            if np.any(np.nan_to_num(ranks) != 0):
                out.columns["sequence"] = np.nan_to_num(ranks)
        self._rest(out, schema.EVENTS)
        out.usable = good
        return out

    def ties(self, raw: Raw) -> Parsed:
        """Read the ties."""
        out = Parsed(raw)
        if not schema.check_columns(raw, schema.TIES, (), self.report):
            return out
        codes, values = names(raw, "layer", self.report)
        order = np.argsort(np.array(values.to_pylist(), dtype=object), kind="stable")
        rank = np.empty(len(order), np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        out.columns["layer"] = frames.recoded(codes, rank)
        out.coded["layer"] = values.take(frames.numeric(order))
        good = codes >= 0
        good &= self._unit(out, "source")
        good &= self._unit(out, "target")
        if "weight" in raw.columns:
            weight, missing = floats(raw, "weight", self.report, "a weight")
            self.report.rows(
                raw,
                np.flatnonzero(missing),
                "weight",
                "bad number: no weight is given; write 1, or leave the column out",
                kind="missing",
            )
            self.report.rows(
                raw, np.flatnonzero(weight < 0), "weight", "bad number: a weight cannot be negative"
            )
            good &= ~np.isnan(weight)
            if np.any(weight != 1.0):
                out.columns["weight"] = weight
        good &= self._span(out, "start", "end", "end before start")
        self._rest(out, schema.TIES)
        out.usable = good
        return out

    def covariates(self, raw: Raw) -> Parsed:
        """Read the dated covariates."""
        out = Parsed(raw)
        if not schema.check_columns(raw, schema.COVARIATES, (), self.report):
            return out
        good = self._unit(out, "unit", star=True)
        codes, values = names(raw, "covariate", self.report)
        order = np.argsort(np.array(values.to_pylist(), dtype=object), kind="stable")
        rank = np.empty(len(order), np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        out.columns["covariate"] = (
            np.where(codes < 0, -1, rank[codes]).astype(np.int32) if len(rank) else codes
        )
        out.coded["covariate"] = values.take(frames.numeric(order))
        constant = frames.positions(values, frames.strings(schema.CONSTANT)) >= 0
        if constant.any():
            bad = np.flatnonzero((codes >= 0) & constant[codes])
            self.report.rows(raw, bad, "covariate", CONSTANT_NAME)
        value, missing = floats(raw, "value", self.report, "a covariate's value")
        self.report.rows(raw, np.flatnonzero(missing), "value", "no value is given", kind="missing")
        out.columns["value"] = value
        good &= (codes >= 0) & ~np.isnan(value)
        good &= self._span(out, "start", "end", "end before start")
        self._rest(out, schema.COVARIATES)
        out.usable = good
        return out

    def episodes(self, raw: Raw) -> Parsed:
        """Read the original record; only its units and dates are checked."""
        out = Parsed(raw)
        if not schema.check_columns(raw, schema.EPISODES, (), self.report):
            return out
        out.usable = self._unit(out, "unit")
        begin = finish = None
        if "start" in raw.columns:
            begin = times(raw, "start", self.clock, self.report)
            out.columns["start"] = np.ma.array(begin[0], mask=begin[1])
        if "end" in raw.columns:
            finish = times(raw, "end", self.clock, self.report)
            out.columns["end"] = np.ma.array(finish[0], mask=finish[1])
        if begin is not None and finish is not None:
            both = ~(begin[1] | begin[2] | finish[1] | finish[2])
            self.report.rows(raw, np.flatnonzero(both & (finish[0] < begin[0])), "end", "end before start")
        self._rest(out, schema.EPISODES)
        return out

    def sources(self, raw: Raw) -> Parsed:
        """Read the list of sources."""
        out = Parsed(raw)
        if not schema.check_columns(raw, schema.SOURCES, (), self.report):
            return out
        codes, _ = names(raw, "key", self.report)
        self._unique(raw, "key", codes)
        out.usable = codes >= 0
        for name in raw.columns:
            if name.strip():
                out.columns[name] = texts(raw, name, self.report)
        return out

    # Pieces that several tables share.

    def _unique(self, raw: Raw, column: str, codes: NDArray[np.int32]) -> None:
        if len(codes) and codes.min() >= 0 and np.bincount(codes).max() == 1:
            return
        _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
        again = np.flatnonzero((first[inverse] != np.arange(len(codes))) & (codes >= 0))
        self.report.rows(
            raw,
            again,
            column,
            lambda row: (
                f"duplicate {column}: it stands in line {raw.line(first[inverse[row]])} already"
                if raw.lines is not None
                else f"duplicate {column}: it stands in row {raw.line(first[inverse[row]])} already"
            ),
            kind="duplicate",
        )

    def _known(
        self, raw: Raw, column: str, codes: NDArray[np.int32], values: Any, valid: Any, what: str
    ) -> NDArray[np.int32]:
        """Codes into `valid`; names that are not in it are reported as unknown."""
        found = frames.positions(values, valid)
        if not len(found):
            return np.full(len(codes), -1, np.int32)
        out = np.where(codes < 0, -1, found[codes]).astype(np.int32)
        unknown = np.flatnonzero((codes >= 0) & (out < 0))
        if len(unknown):
            choices = self._unit_list if valid is self.unit_names else list(valid.to_pylist())
            near = cache(lambda value: nearest_of(value, choices))
            some = f"; there are: {', '.join(choices)}" if 0 < len(choices) <= 8 else ""
            self.report.rows(raw, unknown, column, f"unknown {what}{some}", nearest=near)
        return out

    def _unit(self, out: Parsed, column: str, star: bool = False) -> NDArray[np.bool_]:
        """Read a column of units into codes of the canonical order; '*' is -1 where it is allowed."""
        out.coded[column] = self.unit_names
        if not self.report and (at_once := self.all_units(out.raw.columns[column])) is not None:
            out.columns[column] = at_once
            return np.ones(out.rows, bool)
        codes, values = names(out.raw, column, self.report)
        good = codes >= 0
        if star and (position := int(frames.positions(frames.strings(["*"]), values)[0])) >= 0:
            everywhere = codes == position
        else:
            everywhere = np.zeros(len(codes), bool)
        ask = np.where(everywhere, -1, codes)
        if self.units_known and out.raw.file not in self.told:
            found = self._known(out.raw, column, ask, values, self.unit_names, "unit")
        else:
            found = frames.positions(values, self.unit_names)
            found = (
                np.where(ask < 0, -1, found[ask]).astype(np.int32)
                if len(found)
                else np.full(len(ask), -1, np.int32)
            )
        out.columns[column] = found
        return np.asarray(good & ((found >= 0) | everywhere))

    def all_units(self, column: Any) -> NDArray[np.int32] | None:
        """Return the units that a column of texts names, where every row names one; else None.

        The usual case, and quick: nothing is to be reported, and columns often share their dictionary.
        """
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
            return None
        codes, values = encode(column, unused=True)
        values = values.cast(pa.string()) if not pa.types.is_string(values.type) else values
        place = next((place for texts, place in self.spelled if texts.equals(values)), None)
        if place is None:
            place = frames.positions(values, self.unit_names)
            self.spelled.append((values, place))
        if not len(codes) or codes.min() < 0 or codes.max() >= len(place):
            return None
        found = frames.recoded(codes, place)
        return found if found.min() >= 0 else None

    def _span(self, out: Parsed, begin: str, finish: str, upside_down: str) -> NDArray[np.bool_]:
        """Read two columns of times; a missing one is the window's."""
        good = np.ones(out.rows, bool)
        for column, default in ((begin, self.clock.first), (finish, self.clock.last)):
            if column not in out.raw.columns:
                continue
            values, missing, wrong = times(out.raw, column, self.clock, self.report)
            good &= ~wrong
            values = np.where(missing, values.dtype.type(default), values)
            if np.any(values != default):
                out.columns[column] = values
        if begin not in out.columns and finish not in out.columns:
            return good
        first, last = out.numbers(begin, self.clock.first), out.numbers(finish, self.clock.last)
        crossed = np.flatnonzero(good & (last < first) & ~self._alike(first, last))
        at = finish if finish in out.raw.columns else begin
        self.report.rows(out.raw, crossed, at, upside_down)
        good[crossed] = False
        return good

    def _since(self, out: Parsed, column: str) -> NDArray[np.bool_]:
        """Read since when units have been in the state that they hold on entry; empty where nobody knows."""
        values, missing, wrong = times(out.raw, column, self.clock, self.report)
        out.columns[column] = np.ma.array(values, mask=missing | wrong)
        late = ~missing & ~wrong & (values > out.numbers("enter", self.clock.first))
        self.report.rows(
            out.raw,
            np.flatnonzero(late),
            column,
            "since when a state is held on entry lies after the unit enters: what comes later is an event",
        )
        return ~(wrong | late)

    def _alike(self, one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.bool_]:
        """Which times are the same up to rounding; see `instants.meet`."""
        return np.zeros(len(one), bool) if self.clock.dated else near(one, other)

    def _states(self, out: Parsed, column: str, variable: StateVariable) -> None:
        codes, values = names(out.raw, column, self.report, required=False, valid=variable.states)
        valid = frames.strings(variable.states)
        known = self._known(out.raw, column, codes, values, valid, f"state of {variable.name!r}")
        if np.any(known >= 0):
            out.columns[column], out.coded[column] = known, valid

    def _static(self, out: Parsed, raw: Raw, column: str) -> Any:
        """An own column of units: numbers where its cells are numbers, else a category.

        One cell does not decide: see `are_numbers`. A dictionary (a pandas Categorical) is a category whatever
        its values, and their order is that of its levels.
        """
        array = raw.columns[column]
        declared = self.levels.get(column)
        coded = pa.types.is_dictionary(array.type)
        kind = array.type.value_type if coded else array.type
        if array.null_count == len(array):
            return np.full(raw.rows, np.nan)
        typed = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
        if (typed or pa.types.is_decimal(kind)) and not coded and declared is None:
            return floats(raw, column, self.report, "a covariate")[0]
        if declared is None and not coded and column not in self.text_columns:
            codes, distinct = encode(array)
            texts_ = [str(plain(value)) for value in listed(distinct)]
            counts = np.bincount(codes[codes >= 0], minlength=len(texts_)).tolist()
            if are_numbers(dict(zip(texts_, counts, strict=True))):
                self._no_codes(raw, column, codes, texts_)
                hint = f'if its cells are names, declare [columns.{column}] type = "text"'
                return floats(raw, column, self.report, repr(column), hint)[0]
        return self._category(out, raw, column, declared)

    def _no_codes(self, raw: Raw, column: str, codes: NDArray[np.int32], distinct: Sequence[str]) -> None:
        """Report numbers that begin with a zero: these are codes, or slips."""
        zero = np.array([leads_with_zero(text) for text in distinct], bool)
        rows = np.flatnonzero((codes >= 0) & zero[codes]) if zero.any() else ()
        message = (
            "bad number: it begins with a zero; if the cells of this column are codes, declare "
            f'[columns.{column}] type = "text"'
        )
        self.report.rows(raw, rows, column, message, kind="bad number")

    def _category(self, out: Parsed, raw: Raw, column: str, declared: tuple[str, ...] | None) -> Any:
        """A column of names; of its levels those that are declared, by the history or by its dictionary."""
        array = raw.columns[column]
        codes, values = encode(array, unused=True)
        words = [None if value is None else plain(value) for value in listed(values)]
        known = set(declared or ())
        empty = np.array([word is None or (is_missing(word) and word not in known) for word in words], bool)
        if pa.types.is_dictionary(array.type) and declared is None:
            levels = dict.fromkeys(word for word, none in zip(words, empty, strict=True) if word and not none)
            out.levels[column] = tuple(levels)
        elif declared is not None:
            out.levels[column] = declared
            near = cache(lambda value: nearest_of(value, list(declared)))
            strange = np.array(
                [not none and word not in known for word, none in zip(words, empty, strict=True)]
            )
            self.report.rows(
                raw,
                np.flatnonzero((codes >= 0) & strange[codes]) if strange.any() else (),
                column,
                f"unknown level of {column!r}; there are: {', '.join(declared)}",
                nearest=near,
                kind="unknown level",
            )
        found = texts(raw, column, self.report)
        missing = (codes < 0) | (empty[codes] if len(empty) else True)
        used = sorted({str(words[code]) for code in np.unique(codes[~missing]).tolist()})
        if list(out.levels.get(column, ("",))) == used and not any(map(is_missing, used)):
            del out.levels[column]  # as they would be without a word
        if missing.all():
            return np.full(raw.rows, np.nan)
        return (
            pc.if_else(frames.truths(~missing), found, pa.scalar(None, found.type))
            if missing.any()
            else found
        )

    def _provenance(self, out: Parsed) -> None:
        for column in ("citation", "note"):
            if column in out.raw.columns:
                out.columns[column] = texts(out.raw, column, self.report)
        if "confidence" in out.raw.columns:
            codes, values = names(out.raw, "confidence", self.report, required=False, valid=CONFIDENCES)
            valid = frames.strings(CONFIDENCES)
            known = self._known(out.raw, "confidence", codes, values, valid, "confidence")
            known = np.where(known < 0, len(CONFIDENCES) - 1, known).astype(np.int32)
            out.columns["confidence"], out.coded["confidence"] = known, valid

    def _rest(self, out: Parsed, kind: Schema) -> None:
        """Provenance, when rows were reported, and whatever else the table carries, as text."""
        self._provenance(out)
        if REPORTED in kind.known and REPORTED in out.raw.columns:
            moments, missing, _ = times(out.raw, REPORTED, self.clock, self.report)
            out.columns[REPORTED] = np.ma.array(moments, mask=missing)
        for name in out.raw.columns:
            if name not in kind.known and name.strip():
                out.columns[name] = texts(out.raw, name, self.report)


def natural_order(values: Any) -> NDArray[np.int64]:
    """Canonical order of names: by number where all are whole numbers, else by letter."""
    if len(values) and pc.all(pc.match_substring_regex(values, r"^(0|[1-9][0-9]{0,17})$")).as_py():
        return np.argsort(frames.to_numpy(values.cast(pa.int64())), kind="stable")
    return frames.to_numpy(pc.sort_indices(values)).astype(np.int64)
