"""An ensemble that stays on disk: the same questions, answered part by part."""

from __future__ import annotations

import html
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from tocsin.ensemble.draws import Draws
from tocsin.ensemble.ensemble import Answer, Ensemble
from tocsin.ensemble.frame import Frame
from tocsin.ensemble.parts import MANIFEST, Parts, open_parts
from tocsin.errors import TocsinError

if TYPE_CHECKING:
    from tocsin.history import History


class EnsembleParts(Ensemble):
    """Many simulated worlds in a folder of Parquet parts.

    Every question of an ensemble is answered as it is for a table in memory, and one part after another is in
    memory (on each thread); `sql` streams the parts through DuckDB. Only `events` loads them all.

    Parameters:
        parts: the folder and its manifest.
        frame, history, interventions: as for `Ensemble`.
    """

    __slots__ = ("parts",)

    parts: Parts

    def __init__(
        self, parts: Parts, frame: Frame, history: History | None = None, interventions: Sequence[str] = ()
    ) -> None:
        content = {
            "parts": parts,
            "worlds": parts.worlds,
            "seed": int(parts.content["seed"]),
            "frame": frame,
            "of": history,
            "interventions": tuple(interventions),
            "given": str(parts.content["given"]),
            "draws": Draws.read(parts.content.get("draws")),
            "stops": parts.stopped(),
            "_cache": {},
        }
        for name, value in content.items():
            object.__setattr__(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return EnsembleParts, (self.parts, self.frame, self.of, self.interventions)

    @property
    def events(self) -> pa.Table:
        """Load the events of all worlds into memory, as one table."""
        return self._range(0, self.worlds)

    @property
    def folder(self) -> Path:
        """Return the folder of the parts."""
        return self.parts.folder

    # --- pieces -----------------------------------------------------------------------------------------

    def _bounds(self) -> list[tuple[int, int]]:
        # Of no worlds there is no part, and one piece without events still has answers.
        return [self.parts.bounds(number) for number in range(len(self.parts))] or [(0, 0)]

    def _each(self, question: Callable[[Ensemble], Answer]) -> Iterator[Answer]:
        from tocsin.ensemble.simulate import threads

        count = threads()
        waiting = deque(self._bounds())
        pending: deque[Future[Answer]] = deque()
        with ThreadPoolExecutor(count) as pool:
            try:
                while waiting or pending:
                    while waiting and len(pending) < count + 1:
                        bounds = waiting.popleft()
                        pending.append(pool.submit(lambda bounds: question(self._piece(*bounds)), bounds))
                    yield pending.popleft().result()
            finally:
                for future in pending:
                    future.cancel()

    def _range(self, first: int, last: int) -> pa.Table:
        size = int(self.parts.content["size"])
        numbers = range(first // size, -(-last // size)) if last > first else range(0)
        tables = []
        for number in numbers:
            table = self.parts.read(number)
            begin, end = self.parts.bounds(number)
            if begin < first or end > last:
                world = table["world"]
                table = table.filter(pc.and_(pc.greater_equal(world, first), pc.less(world, last)))
            tables.append(table)
        if not tables:
            return self._schema().empty_table()
        return tables[0] if len(tables) == 1 else pa.concat_tables(tables).unify_dictionaries()

    def _schema(self) -> pa.Schema:
        text = pa.dictionary(pa.int32(), pa.string())
        fields = [("world", pa.int64()), ("time", pa.float64())]
        fields += [("date", pa.date32())] if self.frame.dated else []
        return pa.schema(
            fields + [(name, text) for name in ("unit", "variable", "from", "to", "cause", "source")]
        )

    def _relation(self) -> Any:
        if not len(self.parts):
            return self._schema().empty_table()
        for number in range(len(self.parts)):
            if self.parts.fault(number) is not None:
                raise self.parts.refused(number)
        paths = [str(self.parts.path(number)) for number in range(len(self.parts))]
        options = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
        form = ds.ParquetFileFormat(default_fragment_scan_options=options)
        return ds.dataset(paths, schema=self._schema(), format=form)

    # --- what is read from the folder -------------------------------------------------------------------

    def _repr_html_(self) -> str:
        # A cell that shows an ensemble must not wait for a walk over all parts.
        return f"<p>{html.escape(repr(self))}</p>"

    def __repr__(self) -> str:
        changed = f", interventions={list(self.interventions)}" if self.interventions else ""
        return f"EnsembleParts({str(self.folder)!r}, worlds={self.worlds}, seed={self.seed}{changed})"


def open_ensemble(folder: Path, history: History | None = None) -> EnsembleParts:
    """Return the ensemble in a folder of parts; raise TocsinError if it is not whole."""
    parts, frame = open_parts(folder)
    faults = {number: parts.fault(number) or parts.changed(number) for number in range(len(parts))}
    bad = {number: fault for number, fault in faults.items() if fault is not None}
    if bad:
        number, fault = next(iter(bad.items()))
        raise TocsinError(
            f"{folder} is not whole: {len(bad)} of {len(parts)} parts cannot be used, the first of them "
            f"{parts.path(number).name}: {fault}; simulate again with the same folder to finish it "
            f"(what was run stands in {MANIFEST})"
        )
    if not parts.sealed:
        raise TocsinError(
            f"{folder} is not whole: the run was stopped before it was finished; simulate again with the same folder"
        )
    if history is not None and not parts.content["history"].endswith(history.digest):
        raise TocsinError(f"{folder}: these worlds are of another history ({parts.content['history']})")
    return EnsembleParts(parts, frame, history, parts.content["interventions"])
