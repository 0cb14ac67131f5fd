"""Questions in SQL (DuckDB) to tables in memory; no file and no network can be reached."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tocsin.errors import TocsinError

if TYPE_CHECKING:
    import pandas as pd

LONGEST = 20_000  # letters; a name of a hundred thousand takes DuckDB minutes to say what it is like

PATIENCE = 60.0  # seconds for one question

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
        if len(query) > LONGEST:
            raise TocsinError(f"SQL: a question has at most {LONGEST:,} letters, and this one {len(query):,}")
        late = threading.Timer(PATIENCE, connection.interrupt)
        late.daemon = True
        late.start()
        try:
            result: pd.DataFrame = connection.execute(query).df()
        except duckdb.InterruptException:
            raise TocsinError(f"SQL: no answer within {PATIENCE:g} seconds") from None
        except duckdb.Error as error:
            raise TocsinError(f"SQL: {error}") from None
        finally:
            late.cancel()
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
