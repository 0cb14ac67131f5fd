"""The ten lines that go from files to a fitted model of contagion; they run as they are printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.errors import TocsinError
from tocsin.sources.read import Reading

if TYPE_CHECKING:
    import pandas as pd

UNIT = (
    "unit",
    "ccode",
    "cowcode",
    "gwcode",
    "iso3",
    "iso3c",
    "country",
    "country_name",
    "state",
    "id",
    "name",
)
TIME = ("year", "time", "date", "month", "period", "toa")


def ten_lines(paths: Sequence[str], readings: Sequence[Reading]) -> str:
    """Return a program of at most ten lines that reads the files, makes a history, and fits contagion along ties.

    Of the files one says what happened; another may hold the ties, another the units. Without ties units are tied to
    the four whose capitals are nearest, if their codes are those of a list of states.

    Parameters:
        paths: as the program shall name them. readings: what they are.

    Raises:
        TocsinError: none says what happened, or more than one does.
    """
    named = list(zip(paths, readings, strict=True))
    happened = [pair for pair in named if pair[1].kind not in ("ties", "units")]
    if len(happened) != 1:
        told = ", ".join(f"{reading.file} ({reading.kind})" for _, reading in named)
        raise TocsinError(
            f"one file of events, spells, adoptions or a panel is wanted, not {len(happened)}: {told}"
        )
    path, reading = happened[0]
    if reading.frame.empty:
        raise TocsinError(f"{reading.file}: no row tells what happened ({reading.rows['read']:,} read)")
    ties = next((pair for pair in named if pair[1].kind == "ties"), None)
    units = next((pair for pair in named if pair[1].kind == "units"), None)
    scheme = reading.source.units if reading.source else ""
    use: dict[str, Any] = dict(reading.source.use) if reading.source else _guess(reading)
    panel = use["way"].startswith("from_panel")
    events = use["way"].startswith("from_events")
    lines = ["import tocsin as tc", f"frame = tc.read({path!r}).frame"]
    lines += [use["prepare"]] if "prepare" in use else []
    call = use["way"]
    if events and "units =" not in use.get("prepare", ""):
        lines += [_units(units, scheme)]
    layer = ""
    if use["way"].startswith("from_adoptions"):
        if ties is not None:
            lines.append(f"edges = tc.read({ties[0]!r}).frame")
            call = (
                call.replace("(frame", "(frame, edges") + ', source="source", target="target", layer="ties"'
            )
            layer = "ties"
    elif ties is not None or scheme:
        made, layer = _ties(ties, scheme)
        among = "units" if events else "frame"
        lines += [f'known = set({among}["unit"].astype(str))', *made]
        call += ", ties=ties"
    if events:
        call += ', units=units, unknown="leave out", undated="leave out"'
        days = """window=(f"{frame['time'].min():%Y}-01-01", f"{frame['time'].max():%Y}-12-31")"""
        call += f", {use.get('window', days)}"
    if panel:
        call += ', gaps="not at risk", missing="not at risk"'
    lines += [
        f"history = tc.{call})",
        _model(use, layer),
        'print(history.intake, model.fit(history), sep="\\n")',
    ]
    return "\n".join(lines)


def _units(units: tuple[str, Reading] | None, scheme: str) -> str:
    if units is not None:
        return f"units = tc.read({units[0]!r}).frame"
    if scheme in ("", "name"):
        return 'units = frame[["unit"]].drop_duplicates()  # only units with events: rates are too high'
    return f"units = tc.units.members({scheme!r}, frame['time'].min(), frame['time'].max())"


def _ties(ties: tuple[str, Reading] | None, scheme: str) -> tuple[list[str], str]:
    """Lines that make ties among the units, and the layer."""
    among = '[lambda t: t["source"].isin(known) & t["target"].isin(known)]'
    if ties is None:
        if scheme == "name":
            places = 'tc.units.states().rename(columns={"name": "unit"}).drop_duplicates("unit", keep="last")'
        else:
            places = f"tc.units.members({scheme!r}, spells=False)"
        where = 'lambda p: p["unit"].isin(known) & p["lat"].notna()'
        return [
            f"places = {places}[{where}]",
            "ties = tc.ties.nearest(places, k=min(4, len(places) - 1))",
        ], "nearest"
    path, reading = ties
    theirs = reading.source.units if reading.source else ""
    builder = {"cow_contiguity": "contiguity", "atop": "alliance"}.get(
        reading.source.name if reading.source else ""
    )
    if builder is None:
        return [f'ties = tc.read({path!r}).frame.assign(layer="ties")'], "ties"
    made = f"tc.ties.{builder}(tc.read({path!r}), mirror=True)"
    if scheme and theirs != scheme:
        codes = f'["source", "target"], of={theirs!r}, to={scheme!r}, time=("start", "end")'
        made = f"tc.units.crosswalk({made}, {codes}).frame"
    return [f"ties = {made}{among}"], builder


def _model(use: dict[str, Any], layer: str) -> str:
    """The line that declares the model: a rate at home and, where there are ties, contagion."""
    half = f", half_life={use['half_life']}" if "half_life" in use else ""
    origin = "'|'.join(v.states)" if half else "v.states[0]"
    cause = f', tc.contagion({layer!r}, when=f"{{v.name}}={{v.states[1]}}"{half})' if layer else ""
    move = f'tc.Transition(v.name, {origin}, v.states[1], tc.baseline("1"){cause})'
    return f"model = tc.Model(history.variables, [{move} for v in history.variables])"


def _guess(reading: Reading) -> dict[str, Any]:
    """What a table of no known data set can be: columns that name a unit and a time, and one of 0 and 1."""
    frame = reading.frame
    plain = {str(name).lower(): str(name) for name in frame.columns}
    unit = next((plain[name] for name in UNIT if name in plain), None)
    time = next((plain[name] for name in TIME if name in plain and plain[name] != unit), None)
    if unit is None or time is None:
        raise TocsinError(
            f"{reading.file}: no column is called as a unit ({', '.join(UNIT)}) or a time ({', '.join(TIME)}): say "
            f"which they are: tc.from_panel(frame, unit=..., time=...), tc.from_events, tc.from_adoptions or "
            f"tc.from_intervals; there are {', '.join(map(str, frame.columns[:20]))}"
        )
    outcome = next(
        (str(name) for name in frame.columns if name not in (unit, time) and _of_0_and_1(frame[name])), None
    )
    if outcome is not None and not frame.duplicated([unit, time]).any():
        again = bool((frame.groupby(unit)[outcome].sum() > 1).any())
        rest = ", recurrent=True" if again else ""
        way = f"from_panel(frame, unit={unit!r}, time={time!r}, event={outcome!r}{rest}, row='start', lag=0"
        return {"way": way} | ({"half_life": 5} if again else {})
    if frame[unit].duplicated().any():
        named = f"frame = frame.rename(columns={{{unit!r}: 'unit', {time!r}: 'time'}})"
        use = {"way": "from_events(frame, recurrent=True", "half_life": 365}
        if frame[time].dtype.kind == "f":
            ends = "window=(int(frame['time'].min()), int(frame['time'].max()))"
            years = ", clock='year'" if frame[time].between(1000, 2999).all() else ""
            return use | {"prepare": named, "window": ends + years, "half_life": 1}
        return use | {"prepare": named + ".astype({'time': 'datetime64[s]'})"}
    return {"way": f"from_adoptions(frame, unit={unit!r}, time={time!r}"}


def _of_0_and_1(values: pd.Series[Any]) -> bool:
    if values.dtype.kind not in "iufb":
        return False
    found = values.dropna().to_numpy(float)
    return bool(len(found)) and bool(np.isin(found, [0.0, 1.0]).all()) and bool((found == 1).any())
