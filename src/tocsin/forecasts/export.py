"""Forecasts as draws, for other programs: labelled arrays (xarray) and long tables (Parquet)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tocsin.files.format import FORMAT
from tocsin.files.whole import write_whole

if TYPE_CHECKING:
    import xarray

    from tocsin.forecasts.forecast import Forecast


def to_xarray(made: Forecast) -> xarray.Dataset:
    """Return a forecast as draws.

    Variables: `entered` (world, unit), `after` (world, unit; units of the clock from the date until the first entry,
    NaN where there is none by the end), `number` (world), `draw` (world; the draw of the parameters, -1 for the
    estimates); of the record `came` (unit) and `came_after` (unit). What was asked stands in the attributes.
    """
    import xarray as xr

    told = made.told
    known = not np.isnan(told.number)
    data: dict[str, Any] = {
        "entered": (("world", "unit"), np.isfinite(told.first)),
        "after": (("world", "unit"), _after(told.first, made)),
        "number": (("world",), told.count),
        "draw": (("world",), made.ensemble.draw),
    }
    if known:
        data |= {
            "came": (("unit",), np.isfinite(told.came)),
            "came_after": (("unit",), _after(told.came, made)),
        }
    return xr.Dataset(
        data,
        {"world": np.arange(len(told.count)), "unit": list(told.units)},
        {key: str(value) for key, value in _about(made).items()},
    )


def to_parquet(made: Forecast, path: str | Path) -> None:
    """Write a forecast as draws: one row a world and unit that enters, and in the metadata what was asked.

    Columns: world, draw, unit (all that could enter are its categories), after (units of the clock from the date), and
    `came_after` of that unit in the record (null where it did not come, or the record does not reach the end).
    """
    write_whole(Path(path), parquet_of(made))


def parquet_of(made: Forecast) -> bytes:
    """Return the bytes of that file."""
    import pyarrow.parquet as pq

    told = made.told
    world, unit = np.nonzero(np.isfinite(told.first))
    came = _after(told.came, made)[unit]
    names = pa.array(list(told.units), pa.string())
    table = pa.table(
        {
            "world": world.astype(np.int64),
            "draw": made.ensemble.draw[world].astype(np.int64),
            "unit": pa.DictionaryArray.from_arrays(pa.array(unit.astype(np.int32)), names),
            "after": _after(told.first, made)[world, unit],
            "came_after": pa.array(came, mask=np.isnan(came)),
        }
    ).replace_schema_metadata({f"tocsin.{key}": str(value) for key, value in _about(made).items()})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


def _after(times: Any, made: Forecast) -> Any:
    """Return times as units of the clock after the date, NaN where there is none."""
    return np.where(np.isfinite(times), times - made.question.cut, np.nan)


def _about(made: Forecast) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "variable": made.variable,
        "state": made.state,
        "as_of": made.as_of,
        "until": made.until,
        "known": made.known,
        "scenario": "; ".join(made.scenario),
        "worlds": made.ensemble.worlds,
        "seed": made.ensemble.seed,
        "history": made.fit.digest,
    }
