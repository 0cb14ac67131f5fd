"""An ensemble that stays on disk: the same questions, answered part by part."""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from tocsin.ensemble.ensemble import Answer, Ensemble
from tocsin.ensemble.frame import Frame
from tocsin.ensemble.parameter_draws import Draws, Stopped
from tocsin.errors import TocsinError
from tocsin.files.format import FORMAT, format_fault
from tocsin.files.reading import TABLE, FileRefused, ask, read_text
from tocsin.files.results import check_file, digest_of_file
from tocsin.files.whole import clear_parts, whole, write_whole

if TYPE_CHECKING:
    from tocsin.history.history import History


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


# --- A folder of worlds: a manifest, the frame, and Parquet parts, each a fixed range of worlds
#
# What a part holds follows from the manifest alone, not from threads or machines. A part is written under a
# temporary name, flushed to disk and moved into place, so that a part with its name is whole; each page of it
# has a checksum, and its schema says which worlds of which run it holds, so that damage shows. When the last part is
# there, the manifest takes the digest of every file: a folder whose manifest names no files is not finished.

MANIFEST, FRAME = "manifest.json", "frame.json"

_OURS = re.compile(rf"part-\d{{6,}}\.parquet|{re.escape(MANIFEST)}|{re.escape(FRAME)}")

_KEY = b"tocsin.part"

_STOPPED = b"tocsin.stopped"

_ENCODING = {"world": "DELTA_BINARY_PACKED", "time": "BYTE_STREAM_SPLIT"}

# What tells one run from another, in the order in which a difference is told, and how it is called.
_TELLING = {
    "history": "history",
    "model": "model",
    "parameters": "parameters",
    "interventions": "interventions",
    "given": "what worlds are given",
    "seed": "seed",
    "worlds": "number of worlds",
    "shares": "number of shares",
    "versions": "versions",
    "run": "arrays of the program",
}


@dataclass(frozen=True)
class Parts:
    """A folder of parts and what its manifest says.

    Attributes:
        folder: where the parts lie.
        content: the manifest: format, run, seed, worlds, size (worlds a part), history, model, parameters,
            interventions, given, frame (digest of frame.json), versions.
    """

    folder: Path
    content: dict[str, Any]

    @property
    def worlds(self) -> int:
        """Return the number of worlds of the whole run."""
        return int(self.content["worlds"])

    def __len__(self) -> int:
        return -(-self.worlds // int(self.content["size"]))

    def bounds(self, number: int) -> tuple[int, int]:
        """Return the worlds [first, last) of a part."""
        size = int(self.content["size"])
        return number * size, min((number + 1) * size, self.worlds)

    def path(self, number: int) -> Path:
        """Return where a part lies."""
        return self.folder / f"part-{number:06d}.parquet"

    def label(self, number: int) -> dict[str, Any]:
        """Return what the schema of a part says of it."""
        first, last = self.bounds(number)
        return {"format": FORMAT, "run": self.content["run"], "first": first, "last": last}

    def fault(self, number: int, whole: bool = False) -> str | None:
        """Return why a part cannot be used, or None; with `whole`, the checksum of every page is tested."""
        path = self.path(number)
        try:
            ask(path, TABLE)
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                metadata = file.schema_arrow.metadata or {}
                if json.loads(metadata.get(_KEY, b"null")) != self.label(number):
                    return "it belongs to another run"
                if whole:
                    for group in range(file.num_row_groups):
                        file.read_row_group(group, use_threads=False)
        except FileNotFoundError:
            return "it is missing"
        except (OSError, pa.ArrowException, ValueError) as error:
            return f"it is damaged ({str(error).splitlines()[0][:100]})"
        return None

    def read(self, number: int, columns: list[str] | None = None) -> pa.Table:
        """Read a part; raise TocsinError if it is missing, damaged or of another run."""
        try:
            ask(self.path(number), TABLE)
            with pq.ParquetFile(self.path(number), page_checksum_verification=True) as file:
                metadata = file.schema_arrow.metadata or {}
                if json.loads(metadata.get(_KEY, b"null")) == self.label(number):
                    table = file.read(columns, use_threads=False)
                    return table.replace_schema_metadata(None)
        except (OSError, pa.ArrowException, ValueError):
            pass
        raise self.refused(number)

    def stopped(self) -> tuple[Stopped, ...]:
        """Return the worlds that were stopped, as all parts tell them; none where parameters are not drawn."""
        if self.content.get("draws") is None:
            return ()
        found: list[Stopped] = []
        for number in range(len(self)):
            try:
                found += stopped_in(pq.read_schema(self.path(number)))
            except (OSError, pa.ArrowException, ValueError):
                raise self.refused(number) from None
        return tuple(found)

    def refused(self, number: int) -> TocsinError:
        """Return the error for a part that cannot be used."""
        fault = self.fault(number, whole=True) or "it changed while it was read"
        return TocsinError(
            f"{self.path(number)}: {fault}; simulate again with the same folder, and it is made anew"
        )

    def write(self, number: int, content: bytes) -> None:
        """Put a part in its place."""
        write_whole(self.path(number), content, clear=False)

    def clear(self) -> None:
        """Remove what an interrupted run left under temporary names."""
        clear_parts(self.folder, lambda name: _OURS.fullmatch(name) is not None)

    def seal(self) -> Parts:
        """Put the digest of every file into the manifest: the run is finished."""
        names = [FRAME, *(self.path(number).name for number in range(len(self)))]
        files = {name: digest_of_file(self.folder / name) for name in names}
        if files == self.content.get("files"):
            return self
        content = {**self.content, "files": files}
        write_whole(self.folder / MANIFEST, _json(content))
        return Parts(self.folder, content)

    @property
    def sealed(self) -> bool:
        """Return whether the manifest has the digests of the files: the run was finished."""
        return isinstance(self.content.get("files"), dict)

    def changed(self, number: int) -> str | None:
        """Return why a part is not the one that the manifest names, or None."""
        path = self.path(number)
        if self.sealed and digest_of_file(path) != self.content["files"].get(path.name):
            return self.fault(number, whole=True) or "it is not the file that the manifest names"
        return None


def encode(table: pa.Table, label: dict[str, Any], stopped: Sequence[Stopped] = ()) -> bytes:
    """Return a table of events as the bytes of a part; the same events give the same bytes.

    Parameters:
        stopped: worlds of the part that were stopped.
    """
    sink = pa.BufferOutputStream()
    said = {_KEY: json.dumps(label, sort_keys=True).encode()}
    if stopped:
        said[_STOPPED] = json.dumps(stopped).encode()
    labelled = table.unify_dictionaries().replace_schema_metadata(said)
    # LZ4 reads three times as fast as Zstandard here and is a twentieth larger.
    pq.write_table(
        labelled,
        sink,
        compression="lz4",
        use_dictionary=[name for name in labelled.column_names if name not in _ENCODING],
        column_encoding=_ENCODING,
        write_statistics=["world"],
        write_page_checksum=True,
    )
    content: bytes = sink.getvalue().to_pybytes()
    return content


def decode(content: bytes) -> tuple[pa.Table, list[Stopped]]:
    """Return the events in the bytes of a part, and its worlds that were stopped."""
    table = pq.read_table(pa.BufferReader(content))
    return table.replace_schema_metadata(None), stopped_in(table.schema)


def stopped_in(schema: pa.Schema) -> list[Stopped]:
    """Return the worlds that were stopped, as the schema of a part tells them."""
    return [Stopped(*each) for each in json.loads((schema.metadata or {}).get(_STOPPED, b"[]"))]


def open_parts(folder: Path) -> tuple[Parts, Frame]:
    """Read the manifest and the frame of a folder; raise TocsinError if it is not one of ours."""
    try:
        content = json.loads(read_text(folder / MANIFEST))
        text = read_text(folder / FRAME)
    except FileNotFoundError as error:
        raise TocsinError(
            f"{folder}: not a folder of worlds: it has no {Path(error.filename).name}"
        ) from None
    except (OSError, ValueError) as error:
        raise TocsinError(f"{folder}: its manifest cannot be read: {error}") from None
    if isinstance(content, dict):
        content.setdefault("given", "nothing")  # as folders were before worlds could be given something
        content.setdefault("draws", None)
        content.setdefault("shares", None)
    needed = {"size", "frame", *_TELLING}
    if not isinstance(content, dict) or not needed <= set(content):
        raise TocsinError(f"{folder / MANIFEST}: not the manifest of a folder of worlds")
    fault = format_fault(content)
    if fault is not None:
        raise TocsinError(f"{folder}: these worlds cannot be read: {fault}")
    if digest(text) != content["frame"]:
        raise TocsinError(f"{folder / FRAME}: it does not belong to the manifest beside it")
    return Parts(folder, content), Frame.from_json(text)


def claim(folder: Path, content: dict[str, Any], frame: Frame) -> Parts:
    """Make a folder ready for a run, or find the run already there.

    Raises:
        TocsinError: the folder holds another run, or other files.
    """
    if (folder / MANIFEST).exists():
        found, _ = open_parts(folder)
        for key, name in _TELLING.items():
            if found.content[key] != content[key]:
                difference = _shown(found.content[key], content[key])
                raise TocsinError(
                    f"{folder} holds the worlds of another run: {name} {difference}; "
                    "name another folder, or delete this one"
                )
        return found
    try:
        folder.mkdir(parents=True, exist_ok=True)
        others = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
        if (folder / MANIFEST).exists():  # another process has begun meanwhile
            return claim(folder, content, frame)
        if set(others) - {FRAME}:
            raise TocsinError(f"{folder} holds other files, {others[0]} among them; name an empty folder")
        text = frame.to_json()
        write_whole(folder / FRAME, text.encode())
        # The manifest comes last: a folder that has one has its frame.
        whole = {**content, "format": FORMAT, "frame": digest(text)}
        write_whole(folder / MANIFEST, _json(whole))
    except OSError as error:
        raise TocsinError(f"{folder}: cannot be written: {error.strerror or error}") from None
    return Parts(folder, whole)


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def _shown(there: Any, here: Any) -> str:
    if isinstance(there, dict) and isinstance(here, dict):
        changed = sorted(key for key in {*there, *here} if there.get(key) != here.get(key))
        key = changed[0]
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        return f"{key} {_shown(there.get(key), here.get(key))}{more}"
    texts = [str(each if each or each == 0 else "none") for each in (there, here)]
    if max(map(len, texts)) > 80:
        return "differ"
    return f"{texts[0]} there, {texts[1]} here"


def digest(content: str | bytes) -> str:
    """Return the SHA-256 of text in hexadecimal."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


# --- Ensembles as Parquet files: the table, and in its schema what the table does not say

_SCHEMA_KEY = b"tocsin.ensemble"


def write_ensemble(ensemble: Ensemble, path: Path) -> Path:
    """Write an ensemble under a temporary name and move it into place; raise TocsinError if that fails."""
    facts = {
        "format": FORMAT,
        "worlds": ensemble.worlds,
        "seed": ensemble.seed,
        "interventions": list(ensemble.interventions),
        "given": ensemble.given,
        "draws": None if ensemble.draws is None else ensemble.draws.content(),
        "stopped": [list(each) for each in ensemble.stops],
    }
    metadata = {
        _SCHEMA_KEY: json.dumps(facts, sort_keys=True).encode(),
        _SCHEMA_KEY + b".frame": ensemble.frame.to_json().encode(),
    }
    writer: pq.ParquetWriter | None = None
    with whole(path) as temporary:
        try:
            # Worlds that lie in parts are copied part by part, never all in memory.
            for first, last in ensemble._bounds():
                # One chunk and one dictionary a column: bytes depend on events, not on how they were gathered.
                table = ensemble._range(first, last).unify_dictionaries().combine_chunks()
                table = table.replace_schema_metadata(metadata)
                if writer is None:
                    writer = pq.ParquetWriter(
                        temporary, table.schema, compression="zstd", compression_level=3
                    )
                writer.write_table(table)
        finally:
            if writer is not None:
                writer.close()
    return path


def facts_of(path: Path) -> dict[str, Any]:
    """Return what a file of worlds says of itself, such as their number; raise TocsinError if it is none."""
    try:
        return _facts(pq.read_schema(path).metadata or {}, path)
    except (OSError, pa.ArrowException) as error:
        raise TocsinError(f"{path}: not a Parquet file that can be read: {error}") from None


def _facts(metadata: Mapping[bytes, bytes], path: Path) -> dict[str, Any]:
    if _SCHEMA_KEY not in metadata:
        raise TocsinError(f"{path}: a Parquet file, but not an ensemble of Tocsin")
    try:
        facts: dict[str, Any] = json.loads(metadata[_SCHEMA_KEY])
    except (ValueError, RecursionError) as error:
        raise TocsinError(f"{path}: what it says of its worlds cannot be read: {error}") from None
    fault = format_fault(facts)
    if fault is not None:
        raise TocsinError(f"{path}: these worlds cannot be read: {fault}")
    return facts


def read_ensemble(path: Path, history: History | None = None) -> Ensemble:
    """Read what `write_ensemble` wrote; raise TocsinError if it is missing, broken or another file."""
    from tocsin.ensemble.ensemble import Ensemble

    try:
        ask(path, TABLE)
        check_file(path)
        table = pq.read_table(path)
    except FileNotFoundError:
        raise TocsinError(f"{path}: there is no such file") from None
    except FileRefused as error:
        raise TocsinError(f"{path}: cannot be read: {error.strerror}") from None
    except (OSError, pa.ArrowException) as error:
        raise TocsinError(f"{path}: not a Parquet file that can be read: {error}") from None
    metadata = table.schema.metadata or {}
    facts = _facts(metadata, path)
    frame = Frame.from_json(metadata[_SCHEMA_KEY + b".frame"].decode())
    return Ensemble(
        table.replace_schema_metadata(None),
        facts["worlds"],
        facts["seed"],
        frame,
        history=history,
        interventions=facts["interventions"],
        given=facts.get("given", "nothing"),
        draws=Draws.read(facts.get("draws")),
        stops=[Stopped(*each) for each in facts.get("stopped", ())],
    )
