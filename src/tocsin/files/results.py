"""Folders of results: whole, or seen to be not.

A folder of results has a manifest, which names every other file with its digest. New results are made in a hidden
folder inside; then the old manifest goes first, the old files next, the new files come, and the new manifest last.
So at no instant does a manifest stand beside files that are not its own, and no file of one run beside those of
another; other files in the folder stay.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tocsin.errors import TocsinError
from tocsin.files.locks import alone
from tocsin.files.reading import TABLE, ask, read_bytes, read_text
from tocsin.files.whole import PART, clear_parts, finished, moving, settle, unfinished

LARGEST = 2**30  # bytes of a manifest, which may hold draws

_STAGE = ".tocsin-"

_NAMES = ".names.json"  # in the hidden folder: what is being replaced, so that the next run can clear it


@dataclass(frozen=True)
class Kind:
    """A kind of folder.

    Attributes:
        manifest: the file that says what was run and names the others.
        files: what its files are called, as a regular expression; nothing else is ever removed.
        mark: a key of the manifest and its value, by which it is known as ours.
    """

    manifest: str
    files: str
    mark: tuple[str, str]

    def owns(self, name: str) -> bool:
        """Return whether a file of this name, seen from the folder, is one of ours."""
        return name == self.manifest or re.fullmatch(self.files, name) is not None


RUN = Kind(
    "manifest.json",
    r"(ensemble|baseline)\.parquet|summary\.csv|fit\.json|report\.html",
    ("verb", "replay"),
)

WHAT_IF = Kind("what-if.json", r"(table|units|chains)\.csv|what-if\.html", ("verb", "whatif"))

ATTRIBUTION = Kind(
    "attribution.json", r"(causes|sources|totals|offspring|tree)\.csv|tree\.graphml", ("verb", "attribution")
)

CHECK = Kind(
    "check.json",
    r"(rivals|shocks|placebo|left_out|verdicts|misfits|rescaled|influence)\.csv",
    ("verb", "check"),
)

FORECAST = Kind(
    "forecast.json",
    r"(forecast|scores|parts|differences|reliability|coverage|exceedance|estimates|past)\.csv|draws\.parquet",
    ("verb", "forecast"),
)

LEDGER = Kind("ledger.json", r"(staked|returned|value)\.csv", ("verb", "ledger"))

CONGRESS = Kind("congress.json", r"(questions|worlds|parameters|scores)\.csv", ("verb", "congress"))

SUPPORT = Kind("support.json", r"(plan|compared)\.csv", ("verb", "support"))

MULTIVERSE = Kind(
    "multiverse.json",
    r"(multiverse|strengths|null)\.csv|multiverse\.parquet|curve\.svg",
    ("verb", "multiverse"),
)

KINDS = (RUN, WHAT_IF, ATTRIBUTION, CHECK, FORECAST, LEDGER, CONGRESS, SUPPORT, MULTIVERSE)


def digest_of_file(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    ask(path, TABLE)
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def target(folder: str | Path | None, default: Path) -> Path:
    """Return the folder to write to; raise TocsinError for an empty name, which would be the one we are in."""
    if folder is None:
        return default
    if str(folder) == "" or (isinstance(folder, str) and not folder.strip()):
        raise TocsinError("a folder to write to needs a name, and '' is none; '.' is the one you are in")
    return Path(folder)


@contextmanager
def replacing(folder: Path, kind: Kind) -> Iterator[Path]:
    """Give a hidden folder to write results into, its manifest among them; they replace those of `folder`.

    Raises:
        TocsinError: another process writes there, or the folder cannot be written.
    """
    with alone(folder, "writing results"):
        try:
            _check_manifest(folder / kind.manifest, kind)
            _clear(folder, kind)
            with staged(folder) as stage:
                yield stage
                _put(stage, folder, kind)
        except OSError as error:
            raise TocsinError(f"{folder}: cannot be written: {error.strerror or error}") from None


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Give a hidden folder inside a folder, which is gone afterwards; those that stopped runs left go first.

    Only who holds the folder's lock may ask for one.
    """
    for left in _stages(folder):
        shutil.rmtree(left, ignore_errors=True)
    stage = Path(tempfile.mkdtemp(prefix=_STAGE, suffix=PART, dir=folder))
    unfinished.add(stage)
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        unfinished.discard(stage)


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of every file below a folder by its name, for a manifest."""
    return {name: digest_of_file(folder / name) for name in _below(folder)}


def faults(folder: Path, files: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the files that a manifest names, in words."""
    found = []
    for name, digest in sorted(files.items()):
        path = folder / name
        if not _inside(name) or not path.is_file():
            found.append(f"{name} is missing")
        elif digest_of_file(path) != digest:
            found.append(f"{name} is not the file that was written")
    return found


def check_run(manifest: Path, files: Mapping[str, Any]) -> None:
    """Refuse a run some of whose files are missing or changed; a manifest on its own may be repeated.

    Raises:
        TocsinError: the folder is not whole.
    """
    folder = manifest.parent
    try:
        wrong = faults(folder, files)
    except OSError as error:
        raise TocsinError(f"{folder}: cannot be read: {error.strerror or error}") from None
    by_itself = len(wrong) == len(files) and not any(
        (folder / name).exists() for name in files if _inside(name)
    )
    if wrong and not by_itself:
        more = f", and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise TocsinError(
            f"{folder}: this run is not whole: {'; '.join(wrong[:5])}{more}; run it anew into another folder, "
            f"or repeat it from a copy of {manifest.name} that stands alone"
        )


def check_file(path: Path) -> None:
    """Refuse a file of a run that is not the one its manifest names, or that a stopped run left.

    Raises:
        TocsinError: it is not.
    """
    folder = path.parent
    kinds = [kind for kind in KINDS if kind.owns(path.name) and path.name != kind.manifest]
    for kind in kinds:
        try:
            digest = json.loads(read_bytes(folder / kind.manifest, LARGEST))["files"][path.name]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if path.is_file() and digest_of_file(path) != digest:
            raise TocsinError(
                f"{path}: it is not the file that {kind.manifest} beside it names: this run is not whole"
            )
        return
    if kinds and (told := stopped(folder)):
        raise TocsinError(f"{path}: {told}")


def stopped(folder: Path) -> str:
    """Return a sentence about a run that was stopped while it was written, or ""."""
    if not _stages(folder):
        return ""
    return "a run was stopped here while it was written, or is being written; run it again"


def _check_manifest(path: Path, kind: Kind) -> None:
    """Refuse to replace a manifest that is another's: of a user, or of another kind of folder."""
    if not path.exists():
        return
    try:
        content = json.loads(read_bytes(path, LARGEST))
    except ValueError:
        content = None
    if not isinstance(content, dict) or content.get(kind.mark[0]) != kind.mark[1]:
        raise TocsinError(f"{path}: is the manifest of something else: choose another folder")


def _put(stage: Path, folder: Path, kind: Kind) -> None:
    new = _below(stage)
    assert kind.manifest in new and all(map(kind.owns, new)), (
        "a folder of results has other files than its kind"
    )
    for name in new:
        if (folder / name).is_dir():
            raise TocsinError(f"{folder / name}: a folder stands where a file is to be written")
        settle(stage / name)
    (stage / _NAMES).write_text(json.dumps(sorted({*new, *_named(folder / kind.manifest)})), encoding="utf-8")
    with moving:
        _remove(folder, kind, json.loads(read_text(stage / _NAMES)))
        for name in sorted(new, key=lambda name: (name == kind.manifest, name.endswith(".html"), name)):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (stage / name).replace(folder / name)
        finished.append(folder)


def _clear(folder: Path, kind: Kind) -> None:
    """Remove what stopped runs left; only who holds the folder's lock may."""
    for stage in _stages(folder):
        with suppress(OSError, ValueError):
            # A run that was stopped while it replaced files has already removed the manifest.
            if not (folder / kind.manifest).exists():
                _remove(folder, kind, json.loads(read_text(stage / _NAMES)))
        shutil.rmtree(stage, ignore_errors=True)
    clear_parts(folder, kind.owns)


def _remove(folder: Path, kind: Kind, names: Iterable[Any]) -> None:
    """Remove files of ours, the manifest first, and folders that are left empty."""
    ours = [name for name in names if isinstance(name, str) and _inside(name) and kind.owns(name)]
    for name in sorted(ours, key=lambda name: name != kind.manifest):
        (folder / name).unlink(missing_ok=True)
    for parent in {(folder / name).parent for name in ours} - {folder}:
        with suppress(OSError):
            parent.rmdir()


def _named(manifest: Path) -> list[str]:
    """Return the files that a manifest names, and its own."""
    try:
        files = json.loads(read_bytes(manifest, LARGEST))["files"]
        return [manifest.name, *map(str, files)]
    except (OSError, ValueError, KeyError, TypeError):
        return [manifest.name]


def _below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _stages(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.glob(f"{_STAGE}*{PART}") if path.is_dir() and not path.is_symlink()]
    except OSError:
        return []


def _inside(name: str) -> bool:
    parts = Path(name).parts
    return bool(parts) and not Path(name).is_absolute() and ".." not in parts and os.sep + os.sep not in name
