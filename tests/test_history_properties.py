"""Any history written is read back equal; any mangled file is a report or a history, never another error."""

from __future__ import annotations

import datetime
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tocsin.errors import HistoryError, TocsinError
from tocsin.history.history import History, load_history
from tocsin.history.tables.cells import leads_with_zero
from tocsin.states import StateVariable

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
FIRST, LAST = datetime.date(1917, 1, 1), datetime.date(1920, 12, 31)
VARIABLES = [
    StateVariable("regime", ["old", "soviet", "restored"]),
    StateVariable("riot", ["no", "yes"], recurrent=True),
    StateVariable("state", ["s", "unit"], initial="unit"),
]
names = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=6
).filter(lambda name: name.strip() and name != "*")
texts = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
numbers = st.floats(allow_nan=False, allow_infinity=False, width=64)


@st.composite
def histories(draw: st.DrawFn) -> History:
    """A valid history of every kind of content: dates or numbers, hard names, gaps, notes."""
    clock = draw(st.sampled_from(["day", "month", "year", None]))
    units = draw(st.lists(names, min_size=1, max_size=5, unique=True))

    def time(low: float, high: float) -> Any:
        """A time between two shares of the window."""
        share = draw(st.floats(low, high))
        if clock is None:
            return share * 100.0
        return FIRST + datetime.timedelta(days=int(share * (LAST - FIRST).days))

    table: dict[str, list[Any]] = {"unit": units}
    if draw(st.booleans()):
        table["size"] = [draw(st.none() | numbers) for _ in units]
    if draw(st.booleans()):
        codes = texts.filter(lambda text: text is None or not leads_with_zero(text))  # which are refused
        table["kind"] = [draw(codes) for _ in units]
    if draw(st.booleans()):
        table["regime"] = [draw(st.sampled_from([None, "old", "soviet"])) for _ in units]
    if draw(st.booleans()):
        table["enter"] = [(draw(st.booleans()) and time(0, 0.2)) or None for _ in units]
    events: list[dict[str, Any]] = []
    for place, unit in enumerate(units):
        for variable in VARIABLES:
            held = table["regime"][place] if variable.name == "regime" and "regime" in table else None
            held = held or variable.initial
            moments = sorted({time(0.3, 1.0) for _ in range(draw(st.integers(0, 3)))})
            if clock in ("month", "year"):  # one event in each interval
                step = 7 if clock == "month" else 4
                moments = list({str(moment)[:step]: moment for moment in moments}.values())
            for moment in moments:
                choices = (
                    variable.states
                    if variable.recurrent
                    else [state for state in variable.states if state != held]
                )
                held = draw(st.sampled_from(choices))
                event = {"unit": unit, "variable": variable.name, "state": held, "time": moment}
                events.append(
                    event | {"note": draw(texts), "confidence": draw(st.sampled_from([None, "high", "low"]))}
                )
    pairs = draw(
        st.lists(
            st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(units), st.sampled_from(units)), max_size=6
        )
    )
    ties = []
    for layer, source, target in pairs if draw(st.booleans()) else dict.fromkeys(pairs):
        begin, end = sorted([time(0, 1), time(0, 1)])
        ties.append(
            {
                "layer": layer,
                "source": source,
                "target": target,
                "start": begin,
                "end": end,
                "weight": draw(st.floats(0, 1e6)),
                "citation": draw(texts),
            }
        )
    rows = draw(
        st.lists(
            st.tuples(st.sampled_from([*units, "*"]), st.sampled_from(["war", "hunger"])),
            max_size=5,
            unique=True,
        )
    )
    covariates = [
        {"unit": unit, "covariate": name, "value": draw(numbers), "end": time(0, 1)} for unit, name in rows
    ]
    window = (0.0, 100.0) if clock is None else (FIRST, LAST)

    def shuffled(rows: list[dict[str, Any]]) -> Any:
        return pa.Table.from_pylist(draw(st.permutations(rows))) if rows else None

    return History(
        units=table,
        events=shuffled(events),
        ties=shuffled(ties),
        covariates=shuffled(covariates),
        variables=VARIABLES,
        window=window,
        clock=clock,
        layers={"a": "sum", "b": "max"},
        outside=draw(st.sampled_from([{}, {"war": 0.0}])),
        title=draw(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=5)),
        description='A "test"\nof two lines',
    )


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(histories(), st.sampled_from(["csv", "parquet"]))
def test_what_is_written_is_read_back_equal(history: History, format: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        history.write(folder, format)
        again = load_history(folder)
    assert again == history
    for name in ("units", "events", "ties", "covariates"):
        mine, theirs = getattr(history, name), getattr(again, name)
        pd.testing.assert_frame_equal(theirs[mine.columns], mine)
    assert again.title == history.title
    assert again.window == history.window


@settings(max_examples=30, deadline=None, suppress_health_check=SLOW)
@given(histories(), st.data())
def test_the_order_of_rows_says_nothing(history: History, data: st.DataObject) -> None:
    frames = {
        name: getattr(history, name).iloc[data.draw(st.permutations(range(len(getattr(history, name)))))]
        for name in ("units", "events", "ties", "covariates")
    }
    again = History(
        **frames,
        variables=history.variables,
        window=history.window,
        layers=history.layers,
        outside=history.outside,
        clock=history.clock,
        title=history.title,
        description=history.description,
    )
    assert again.digest == history.digest


@settings(max_examples=40, deadline=None, suppress_health_check=SLOW)
@given(histories(), st.data())
def test_parts_of_a_history_are_histories(history: History, data: st.DataObject) -> None:
    units = list(history.numbers.units)
    some = data.draw(st.lists(st.sampled_from(units), min_size=1, unique=True))
    part = history.select(units=some, layers=data.draw(st.lists(st.sampled_from(["a", "b"]), unique=True)))
    assert sorted(part.numbers.units) == sorted(some)
    assert set(part.ties["source"]) <= set(some)
    assert history.merge(history) == history
    assert history.select(units=units, layers=["a", "b"], window=history.window) == history
    middle = (history.to_date(history.numbers.end * 0.4), history.to_date(history.numbers.end * 0.6))
    try:
        narrow = history.select(window=middle)
    except TocsinError:
        return
    assert narrow.window[0] <= narrow.window[1]
    # Whatever state a unit is in just before the new window is what the whole history says.
    start = history.to_number(narrow.window[0])
    for variable in history.variables:
        for unit in narrow.numbers.units:
            assert state_at(history, variable.name, unit, start) == state_at(
                narrow, variable.name, unit, 0.0 if history.dated else start
            )


def state_at(history: History, variable: str, unit: str, time: float) -> str:
    """State just after the events at or before a time."""
    numbers = history.numbers
    index = numbers.unit_index[unit]
    place = [declared.name for declared in history.variables].index(variable)
    code = numbers.initial[variable][index]
    mine = (numbers.event_unit == index) & (numbers.event_variable == place) & (numbers.event_time <= time)
    if mine.any():
        code = numbers.event_state[np.flatnonzero(mine)[-1]]
    return history.variables[place].states[code]


@settings(max_examples=30, deadline=None, suppress_health_check=SLOW)
@given(histories(), st.data())
def test_merged_units_are_a_history(history: History, data: st.DataObject) -> None:
    units = list(history.numbers.units)
    parent = data.draw(st.sampled_from(units))
    children = data.draw(
        st.lists(st.sampled_from(units), unique=True).filter(lambda some: parent not in some)
    )
    try:
        merged = history.merge_units(dict.fromkeys(children, parent))
    except TocsinError as error:
        assert "would begin in" in str(error) or isinstance(error, HistoryError)
        return
    assert set(merged.numbers.units) == set(units) - set(children)


GARBAGE = st.sampled_from(
    [
        "",
        "nan",
        "-inf",
        "1e400",
        "0000-00-00",
        "9999-12-31",
        "10000-01-01",
        "1917-02-30",
        "*",
        " ",
        '"',
        "é",
        "2" * 400,
        "None",
        "__import__('os')",
        "\ufeff",
        "\r",
        "-0",
        "=1+1",
        "1917-01-01T25:00",
        "soviet",
        "hungary",
        "٣",
    ]
)


@settings(max_examples=150, deadline=None, suppress_health_check=SLOW)
@given(st.data())
def test_a_mangled_folder_is_refused_or_read(data: st.DataObject) -> None:
    from test_history_folder import FILES

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, text in FILES.items():
            (folder / name).write_text(text, encoding="utf-8")
        if data.draw(st.booleans()):
            load_history(folder).write(folder, data.draw(st.sampled_from(["csv", "parquet"])))
        files = sorted(path.name for path in folder.iterdir())
        for _ in range(data.draw(st.integers(1, 3))):
            path = folder / data.draw(st.sampled_from(files))
            path.write_bytes(mangled(path.read_bytes(), path.suffix, data))
        try:
            history = load_history(folder)
        except HistoryError as error:
            assert error.problems
            assert all(problem.file for problem in error.problems)
            return
        assert history.digest and history.numbers.units and len(history.units) and repr(history)
        assert history.coverage() is not None


def mangled(content: bytes, suffix: str, data: st.DataObject) -> bytes:
    """Bytes flipped, cut off, lines dropped or doubled, cells made garbage, or nothing but noise."""
    kinds = ["flip", "cut", "noise"] + (
        ["drop", "double", "cell", "cell", "cell", "swap"] if suffix != ".parquet" else []
    )
    kind = data.draw(st.sampled_from(kinds))
    if not content or kind == "noise":
        return data.draw(st.binary(max_size=40))
    place = data.draw(st.integers(0, len(content) - 1))
    if kind == "flip":
        return (
            content[:place] + bytes([content[place] ^ data.draw(st.integers(1, 255))]) + content[place + 1 :]
        )
    if kind == "cut":
        return content[:place]
    lines = content.split(b"\n")
    row = data.draw(st.integers(0, len(lines) - 1))
    if kind == "drop":
        lines.pop(row)
    elif kind == "double":
        lines.insert(row, lines[row])
    elif kind == "swap":
        other = data.draw(st.integers(0, len(lines) - 1))
        lines[row], lines[other] = lines[other], lines[row]
    else:
        cells = lines[row].split(b"," if suffix == ".csv" else b"=")
        cells[data.draw(st.integers(0, len(cells) - 1))] = data.draw(GARBAGE).encode()
        lines[row] = (b"," if suffix == ".csv" else b"=").join(cells)
    return b"\n".join(lines)
