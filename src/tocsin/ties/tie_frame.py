"""The frame that every builder of ties returns, and what it says of direction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.errors import TocsinError, suggestion
from tocsin.history.tables.frames import plain

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["layer", "source", "target", "weight", "start", "end"]


def ties_frame(
    layer: str,
    source: Any,
    target: Any,
    weight: Any = 1.0,
    start: Any = None,
    end: Any = None,
    direction: str = "",
) -> pd.DataFrame:
    """Return ties as a frame; a unit's tie to itself is refused, and `attrs["direction"]` says who acts on whom."""
    import pandas as pd

    found = pd.DataFrame({"source": list(source), "target": list(target)}, dtype=object)
    found.insert(0, "layer", layer)
    for name, values in (("weight", weight), ("start", start), ("end", end)):
        found[name] = values
    own = found.loc[found["source"] == found["target"], "source"]
    if len(own):
        raise TocsinError(
            f"ties of {layer!r}: {len(own):,} lead from a unit to itself, such as {own.iloc[0]!r}"
        )
    found.attrs["direction"] = direction
    return found[COLUMNS]


def identifiers(values: Any) -> list[str]:
    """Return identifiers as a history has them: whole numbers without a decimal point."""
    import pandas as pd

    column = values if isinstance(values, pd.Series) else pd.Series(list(values), dtype=object)
    codes, distinct = pd.factorize(column)
    texts = [plain(value.item() if isinstance(value, np.generic) else value) or "" for value in distinct]
    named = np.array([*texts, ""], object)[codes]
    missing = int(np.array([not text.strip() for text in [*texts, ""]])[codes].sum())
    if missing:
        raise TocsinError(f"{missing:,} of {len(codes):,} units have no name")
    return list(named)


def column(frame: pd.DataFrame, name: str, argument: str) -> pd.Series[Any]:
    """Return a column of a frame, or refuse its name with the nearest there is."""
    if not hasattr(frame, "columns"):
        raise TocsinError(f"a frame of pandas is wanted, not {frame!r}; a file is read by tc.read({frame!r})")
    if name not in frame.columns:
        longer = [str(each) for each in frame.columns if str(each).casefold().startswith(name.casefold())]
        if longer:
            raise TocsinError(f"{argument}={name!r}: the frame has no such column; rename {longer[0]!r}?")
        there = suggestion(name, map(str, frame.columns))
        raise TocsinError(f"{argument}={name!r}: the frame has no such column{there}")
    return frame[name]


def units_of(units: pd.DataFrame) -> list[str]:
    """Return the units of a frame, each once."""
    names = identifiers(column(units, "unit", "unit"))
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise TocsinError(
            f"the unit {twice[0]!r} stands in several rows ({len(twice):,} do): give one row a unit"
        )
    return names


def numbers_of(units: pd.DataFrame, name: str, names: list[str]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a column of finite numbers, or name the units that have none."""
    import pandas as pd

    argument = name if name in ("lat", "lon") else "mass"
    values = pd.to_numeric(column(units, name, argument), errors="coerce").to_numpy(float)
    without = [unit for unit, value in zip(names, values, strict=True) if not np.isfinite(value)]
    if without:
        who = "1 unit has" if len(without) == 1 else f"{len(without):,} units have"
        told = ", ".join(without[:5]) + (f" and {len(without) - 5:,} more" if len(without) > 5 else "")
        raise TocsinError(f"{who} no number in {name!r}: {told}; leave them out or fill it in")
    return values


def numbers(frame: pd.DataFrame, name: str, argument: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a column of a frame as finite numbers, or name the first cell that is none."""
    import pandas as pd

    given = column(frame, name, argument)
    found = pd.to_numeric(given, errors="coerce").to_numpy(float)
    wrong = np.flatnonzero(~np.isfinite(found))
    if wrong.size:
        raise TocsinError(
            f"{argument}={name!r}: {wrong.size:,} of {found.size:,} cells are no numbers, first "
            f"{given.iloc[wrong[0]]!r} in row {wrong[0] + 1}"
        )
    return found
