"""Fits as tidy tables, with the column names of broom (Robinson, Hayes & Couch 2023); several in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tocsin.errors import TocsinError, check_level
from tocsin.files.csv_for_people import csv_of
from tocsin.files.whole import write_whole

if TYPE_CHECKING:
    import pandas as pd

    from tocsin.fit.estimates import Fit

    Fits: TypeAlias = Fit | Sequence[Fit] | Mapping[str, Fit]


def _named(fits: Fits) -> dict[str, Fit]:
    if isinstance(fits, Mapping):
        return {str(name): fit for name, fit in fits.items()}
    if isinstance(fits, Sequence):
        return {f"({number})": fit for number, fit in enumerate(fits, 1)}
    return {"": fits}


def tidy(fits: Fits, level: float = 0.95) -> pd.DataFrame:
    """Return estimates as broom does: term, estimate, std.error, statistic, p.value, conf.low, conf.high.

    The numbers are those of `Fit.summary`; the statistic is estimate over standard error, or for a strength the
    likelihood ratio against no contagion.

    Parameters:
        fits: a fit, or several as a list or a dict by name: then a column `model` comes first.
        level: coverage of the intervals.

    >>> history = tc.load_history("1917")
    >>> fit = tc.Model.from_toml(history.model_path).fit(history)
    >>> tc.tidy({"whole": fit})
    """
    import pandas as pd

    check_level(level)
    parts = []
    for name, fit in _named(fits).items():
        table = fit.summary(level)
        tests = fit._tests
        with np.errstate(divide="ignore", invalid="ignore"):
            wald = np.where(table["p"].isna(), np.nan, table["estimate"] / table["se"])
        ratio = [tests[term].statistic if term in tests else np.nan for term in table.index]
        parts.append(
            pd.DataFrame(
                {
                    "model": name,
                    "term": table.index,
                    "estimate": table["estimate"].to_numpy(),
                    "std.error": table["se"].to_numpy(),
                    "statistic": np.where(np.isnan(ratio), wald, ratio),
                    "p.value": table["p"].to_numpy(),
                    "conf.low": table["lower"].to_numpy(),
                    "conf.high": table["upper"].to_numpy(),
                }
            )
        )
    return _whole(parts, fits)


def glance(fits: Fits) -> pd.DataFrame:
    """Return one row a fit: logLik, AIC, BIC, nobs (events that the model explains), df.

    Parameters:
        fits: a fit, or several as a list or a dict by name: then a column `model` comes first.

    >>> history = tc.load_history("1917")
    >>> fit = tc.Model.from_toml(history.model_path).fit(history)
    >>> tc.glance(fit)
    """
    import pandas as pd

    parts = [
        pd.DataFrame(
            {
                "model": [name],
                "logLik": [fit.loglik],
                "AIC": [fit.aic],
                "BIC": [fit.bic],
                "nobs": [fit.nobs],
                "df": [fit.df],
            }
        )
        for name, fit in _named(fits).items()
    ]
    return _whole(parts, fits)


def _whole(parts: list[pd.DataFrame], fits: Fits) -> pd.DataFrame:
    import pandas as pd

    whole = pd.concat(parts, ignore_index=True)
    return whole if isinstance(fits, Mapping | Sequence) else whole.drop(columns="model")


def side_by_side(fits: Fits, digits: int = 3) -> pd.DataFrame:
    """Return several fits in one table of text: a row a term, a column a fit, estimate (standard error); sums below.

    Parameters:
        fits: a list, or a dict by name.
        digits: decimals of estimates and errors.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> fit = tc.Model.from_toml(history.model_path).fit(history)
        >>> tc.side_by_side({"all": fit}).shape[1]
        1
    """
    import pandas as pd

    named = _named(fits)
    columns = {}
    for name, fit in named.items():
        table = fit.summary()
        cells = {term: f"{row.estimate:.{digits}f} ({row.se:.{digits}f})" for term, row in table.iterrows()}
        cells |= {
            "events": f"{fit.nobs:,}",
            "logLik": f"{fit.loglik:.{digits}f}",
            "AIC": f"{fit.aic:.{digits}f}",
        }
        columns[name] = cells
    terms = dict.fromkeys(term for cells in columns.values() for term in cells)
    below = ["events", "logLik", "AIC"]
    order = [*(term for term in terms if term not in below), *below]
    return pd.DataFrame(columns, index=pd.Index(order, name="term")).fillna("")


def write_table(table: pd.DataFrame, path: str | Path) -> Path:
    """Write a table as Parquet or as CSV that no spreadsheet takes for formulas, whole or not at all.

    Parameters:
        table: any table, such as `tidy` returns; an index with a name becomes a column.
        path: a file ending in ``.csv`` or ``.parquet``.

    Raises:
        TocsinError: another ending.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> fit = tc.Model.from_toml(history.model_path).fit(history)
        >>> tc.write_table(tc.tidy(fit), "estimates.csv").name
        'estimates.csv'
    """
    where = Path(path)
    plain = table.reset_index() if any(name is not None for name in table.index.names) else table
    if where.suffix == ".parquet":
        content: Any = _parquet(plain)
    elif where.suffix == ".csv":
        content = csv_of(plain)
    else:
        raise TocsinError(f"a table is written as .csv or .parquet, not as {where.name!r}")
    write_whole(where, content)
    return where


def _parquet(table: pd.DataFrame) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet

    sink = pa.BufferOutputStream()
    pyarrow.parquet.write_table(pa.Table.from_pandas(table, preserve_index=False), sink)
    return bytes(sink.getvalue().to_pybytes())
