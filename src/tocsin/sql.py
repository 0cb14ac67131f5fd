"""Questions in SQL (DuckDB) to tables in memory; no file and no network can be reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tocsin.errors import TocsinError

if TYPE_CHECKING:
    import pandas as pd

Ask = Callable[[str], "pd.DataFrame"]


@contextmanager
def asking(tables: Mapping[str, Any]) -> Iterator[Ask]:
    """Give a function that puts a question to tables (Arrow, pandas or DuckDB relations) by their names.

    Raises:
        TocsinError: by the function, where the question is wrong.
    """
    import duckdb

    connection = duckdb.connect(":memory:")

    def ask(query: str) -> pd.DataFrame:
        try:
            result: pd.DataFrame = connection.execute(query).df()
        except duckdb.Error as error:
            raise TocsinError(f"SQL: {error}") from None
        return result

    try:
        for name, table in tables.items():
            connection.register(name, table)
        for setting in (
            "SET python_enable_replacements = false",
            "SET enable_external_access = false",
            "SET lock_configuration = true",
        ):
            connection.execute(setting)
        yield ask
    finally:
        connection.close()
