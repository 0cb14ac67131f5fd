"""How an attribution is made: shares under the estimates and under draws, as tables."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.attribution.attribution import Attribution, bounds
from tocsin.attribution.shares import HELD, Shares, Splitter
from tocsin.ensemble.parameter_draws import Draws
from tocsin.errors import TocsinError, check_level, check_whole
from tocsin.fit.draws import DrawnParameters, draw_parameters
from tocsin.kernels.exposure_sweep import AFTER, BEFORE, EXPLAINED, UNIT, VARIABLE
from tocsin.model.declaration import Contagion
from tocsin.program.inner_exposure import exposure_at_events

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.fit.parameterised import Parameterised
    from tocsin.history.history import History
    from tocsin.program.program import Program

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

DRAWS = 200

ROOM = 60_000_000  # shares of all draws that are kept without being asked for

NO_DRAWS = (
    "no intervals: parameters that were given have no uncertainty; fit the model (model.fit), or sample it "
    "(model.sample)"
)


def attribute(
    given: Parameterised,
    history: History | None,
    draws: int | Draws | None,
    level: float,
    seed: int,
    method: str,
) -> Attribution:
    """Return the attribution of a fit, or of a model with given parameters; see `Given.attribute`."""
    from tocsin.fit.estimates import Fit

    known = draws if isinstance(draws, Draws) else None
    draws = check(None if isinstance(draws, Draws) else draws, level, seed)
    if not isinstance(given, Fit):
        if draws:
            raise TocsinError(NO_DRAWS)
        if history is None:
            raise TocsinError("name the history whose events are to be attributed: attribute(history)")
        program = given.program(history)
        vector = program.pack(given.values)
        drawn = DrawnParameters(np.empty((0, 0)), (NO_DRAWS,))
        if known is not None:
            drawn = DrawnParameters(known.frame()[list(program.parameter_names)].to_numpy(), (known.said,))
        if program.spans is not None:
            return over_times(program, vector, True, drawn, level)
        splitter = Splitter(program, vector)
        if len(drawn.vectors) * splitter.rows > ROOM:
            drawn = none(None)
        return attributed(splitter, vector[None], drawn, level)
    if known is not None:
        raise TocsinError("a fit draws its parameters itself: draws= is their number")
    program = given.program(given.history if history is None else history)
    vector = program.pack(given.values)
    splitter = Splitter(replace(program, spans=None), vector)
    size = room(splitter, draws)
    drawn = draw_parameters(given, program, size, seed, method) if size else none(draws)
    if program.spans is not None:
        return over_times(program, vector, True, drawn, level)
    return attributed(splitter, vector[None], drawn, level)


def over_times(
    program: Program, vector: Floats, point: bool, drawn: DrawnParameters, level: float
) -> Attribution:
    """Return the attribution where times are open; see `attributed_open`."""
    from tocsin.attribution.over_times import attributed_open

    return attributed_open(program, vector, point, drawn, level)


def check(draws: int | None, level: float, seed: int) -> int | None:
    """Refuse numbers of draws, levels and seeds that are none."""
    check_whole(draws=0 if draws is None else draws, seed=seed)
    check_level(level)
    return None if draws is None else int(draws)


def room(splitter: Splitter, draws: int | None) -> int:
    """Return how many draws to make: those asked for, else as many of 200 as there is room for."""
    if draws is not None:
        return draws
    size = min(DRAWS, ROOM // max(splitter.rows, 1))
    return size if size >= 20 else 0


def none(draws: int | None) -> DrawnParameters:
    """Return no draws, and why."""
    why = "none were asked for" if draws == 0 else "so many events need much memory; ask for them by draws="
    return DrawnParameters(np.empty((0, 0)), (f"no intervals: {why}",))


def attributed(
    splitter: Splitter, vectors: Floats | None, drawn: DrawnParameters, level: float
) -> Attribution:
    """Return the tables of an attribution.

    Parameters:
        vectors: the estimates (1, P), or parameters over which to take means; None for the draws.
        drawn: the draws.
    """
    program = splitter.program
    shares = None
    if drawn.vectors.size:
        pieces = [
            splitter.shares(drawn.vectors[first : first + 50]) for first in range(0, len(drawn.vectors), 50)
        ]
        shares = Shares(
            *(np.concatenate(part, axis=1).astype(np.float32) for part in zip(*pieces, strict=True))
        )
    if vectors is not None:
        point = [part.mean(axis=1) for part in splitter.shares(vectors)]
    else:
        assert shares is not None
        point = [part.mean(axis=1, dtype=np.float64) for part in shares]
    entered = _entered(splitter)
    events = event_table(program, np.concatenate([np.empty(0, dtype=np.int64), *entered.values()]))
    tables = _tables(splitter, events, point)
    orders = []
    for table in tables:
        keys = [name for name in ("event", "cause", "source", "source_time") if name in table]
        orders.append(table.sort_values(keys, kind="stable").index.to_numpy())
    if shares is not None:
        shares = shares.take(*orders)
    tables = [table.iloc[order].reset_index(drop=True) for table, order in zip(tables, orders, strict=True)]
    for position, table in enumerate(tables):
        lower, upper = bounds(table["share"].to_numpy(), None if shares is None else shares[position], level)
        table["lower"], table["upper"] = lower, upper
    vector = drawn.vectors[0] if vectors is None else vectors[0]
    exact = all(slots.alpha < 0 or vector[slots.alpha] == 0.0 for slots in program.slots)
    causes, sources, parents = tables
    told = exposure_table(splitter, events, vector, drawn.vectors, level)
    return Attribution(
        program.history, events, causes, sources, parents, exact, level, drawn.notes, shares, entered, told
    )


def exposure_table(
    splitter: Splitter, events: pd.DataFrame, vector: Floats, draws: Floats, level: float
) -> pd.DataFrame:
    """Return by what each exposure inside an exponent multiplied the hazard of its cause at every event."""
    import pandas as pd

    program, parts = splitter.program, []
    base = events.drop(columns="sends")
    for number in splitter.order if program.exposures.listed else ():
        slots = program.slots[number]
        own = slice(slots.target.start, slots.target.stop)
        for found in exposure_at_events(program, number, splitter.event[number]):
            ratio = np.exp(found.terms @ vector[own])
            drawn = np.exp(found.terms @ draws[:, own].T) if len(draws) else None
            lower, upper = bounds(ratio, drawn, level)
            part = base.iloc[splitter.event[number]].assign(
                cause=slots.cause, term=found.exposure.inside, exposure=found.value
            )
            parts.append(part.assign(ratio=ratio, lower=lower, upper=upper))
    if not parts:
        return base.head(0).assign(**{name: [] for name in EXPOSURE_COLUMNS})
    return pd.concat(parts).sort_values(["event", "cause", "term"], kind="stable").reset_index(drop=True)


EXPOSURE_COLUMNS = ("cause", "term", "exposure", "ratio", "lower", "upper")


def _entered(splitter: Splitter) -> dict[str, Ints]:
    """Return by transition the events (positions in the trace) by which sources of its causes came to count."""
    program = splitter.program
    late = np.cumsum(~program.observed.early) - 1
    found: dict[str, Ints] = {}
    for number, (transition, _) in enumerate(program.causes):
        listed = splitter.listed.get(number)
        seen = np.empty(0, dtype=np.int64) if listed is None else listed.entries.seen
        mine = late[seen[~program.observed.early[seen]]]
        found[transition.name] = np.union1d(found.get(transition.name, mine), mine)
    return found


def event_table(program: Program, senders: Ints) -> pd.DataFrame:
    """Return every event after entry: event, time, [date], unit, variable, from, to, transition, sends."""
    import pandas as pd

    trace, joint, model = program.trace, program.joint, program.model
    moved = trace.events
    unit, variable = moved[:, UNIT], moved[:, VARIABLE]
    width = max((len(each.states) for each in model.variables), default=1)
    names = np.array([[*v.states, *[""] * (width - len(v.states))] for v in model.variables], dtype=object)
    stride, size = joint.strides[variable], joint.sizes[variable]
    transitions = np.array([*(move.name for move in model.transitions), None], dtype=object)
    time = program.shown_time(trace.time)
    columns: dict[str, object] = {"event": np.arange(time.size), "time": time}
    if program.history.dated:
        columns["date"] = _dates(program, time)
    columns |= {
        "unit": np.array(program.history.numbers.units, dtype=object)[unit],
        "variable": np.array([each.name for each in model.variables], dtype=object)[variable],
        "from": names[variable, (moved[:, BEFORE] // stride) % size],
        "to": names[variable, (moved[:, AFTER] // stride) % size],
        "transition": transitions[moved[:, EXPLAINED]],
        "sends": np.isin(np.arange(time.size), senders),
    }
    return pd.DataFrame(columns)


def _dates(program: Program, time: Floats) -> Any:
    import pandas as pd

    known = np.isfinite(time)
    dates = np.full(time.size, np.datetime64("NaT", "D"))
    if known.any():
        dates[known] = program.history.to_date(time[known])
    return pd.to_datetime(dates).astype("datetime64[s]")


def _tables(splitter: Splitter, events: pd.DataFrame, point: list[Floats]) -> list[pd.DataFrame]:
    """Return the tables of causes, sources and parents in the order of the splitter's rows."""
    program, names = splitter.program, np.array(splitter.program.history.numbers.units, dtype=object)
    base = events.drop(columns="sends")
    rows: tuple[list[Ints], list[Ints], list[Ints]] = ([], [], [])
    label: tuple[list[int], list[int], list[int]] = ([], [], [])
    units: tuple[list[Ints], list[Ints]] = ([], [])
    seen: list[Ints] = []
    for number in splitter.order:
        rows[0].append(splitter.event[number][splitter.shown[number]])
        label[0].append(number)
        if number in splitter.listed:
            listed = splitter.listed[number]
            rows[1].append(listed.event)
            rows[2].append(listed.event[listed.lines.listing])
            label[1].append(number)
            label[2].append(number)
            units[0].append(listed.unit)
            units[1].append(listed.unit[listed.lines.listing])
            seen.append(listed.lines.seen)
    tables = []
    for kind in range(3):
        event = np.concatenate([np.empty(0, dtype=np.int64), *rows[kind]])
        cause = np.repeat(np.array(label[kind], dtype=np.int64), [len(each) for each in rows[kind]])
        table = base.iloc[event].reset_index(drop=True)
        declared = [each for _, each in program.causes]
        called = np.array([each.name for each in declared], dtype=object)
        layers = np.array(
            [each.layer if isinstance(each, Contagion) else None for each in declared], dtype=object
        )
        table["cause"], table["layer"] = called[cause], layers[cause]
        if kind:
            unit = np.concatenate([np.empty(0, dtype=np.int64), *units[kind - 1]])
            table["source"] = names[unit]
        if kind == 2:
            _tell_entries(program, table, np.concatenate([np.empty(0, dtype=np.int64), *seen]), cause)
        table["share"] = point[kind]
        tables.append(table)
    return tables


def _tell_entries(program: Program, table: pd.DataFrame, seen: Ints, cause: Ints) -> None:
    """Add the columns source_event, source_time, [source_date] and source_state."""
    import pandas as pd

    observed, model, joint = program.observed, program.model, program.joint
    number = np.cumsum(~observed.early) - 1  # position in the trace
    known = seen != HELD
    at = np.where(known, seen, 0)
    if not observed.time.size:
        late, time = np.zeros(seen.size, dtype=bool), np.full(seen.size, math.nan)
        event = np.zeros(seen.size, dtype=np.int64)
    else:
        late, event = known & ~observed.early[at], number[at]
        time = np.where(known, program.shown_time(observed.time[at]), math.nan)
    table["source_event"] = pd.array(np.where(late, event, 0), dtype="Int64")
    table.loc[~late, "source_event"] = pd.NA
    table["source_time"] = time
    if program.history.dated:
        table["source_date"] = _dates(program, time)
    width = max((len(each.states) for each in model.variables), default=1)
    names = np.array(
        [
            [f"{v.name}={state}" for state in v.states] + [""] * (width - len(v.states))
            for v in model.variables
        ],
        dtype=object,
    )
    clauses = np.array(
        [each.when if isinstance(each, Contagion) else "" for _, each in program.causes], dtype=object
    )
    state = clauses[cause]
    place = observed.variable[at[known]]
    code = (observed.after[at[known]] // joint.strides[place]) % joint.sizes[place]
    state[known] = names[place, code]
    table["source_state"] = state
