"""The standing attack: `python verify/attack.py [--seed N] [--count N] [--only KIND ...] [--show N]`.

Mangles the files that users write or keep (folders of a history in CSV and Parquet, models, ledgers, claims, scenarios,
tours, manifests, fits), reads each as Tocsin's commands do, and counts

    taken        the mangled file is still good
    refused      a TocsinError that names the file
    no place     a TocsinError that does not
    tracebacks   anything else: an error that is not for users
    hangs        more than `--patience` seconds

Every mangling has a number: `--first N --count 1` makes mangling N of a seed again. Some mangle letters (cut,
doubled, flipped, in another encoding), some values (a cell, a key or a whole table becomes something else). Ends with
status 1 if there is a traceback or a hang. Nothing is fetched, nothing outside a folder of its own is written.
"""

# ruff: noqa: T201  (a command prints)

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
import tomllib
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

# fmt: off
CELLS = (
    "", " ", "NA", "nan", "-", ".", "0", "-1", "1e999", "-1e999", "1_000", "٣", "１２", "1,5", "0x10", "1e", "--",
    "=1+1", "0000-00-00", "1919-02-30", "99999-01-01", "-0044-03-15", "1919-3-1", "21.03.1919",
    "1919-03-21T12:00:00+14:00", "true", "None", "null", "inf", "\x00", "\x1b[31m", "\u202e", "a" * 5000, "hungary ",
    "Hungary", "hungari", "*", "|", "regime", "regime=soviet", "old|soviet", "'", '"', "a,b", "a;b", "\t", "\r", "\n",
    "9" * 400, "é\u0301", "\ud83d\ude00", "../../etc/passwd", "/dev/zero", "con", "__class__", "{}", "%s", "\\",
    "1919-03-21/1919-04-01",
)
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**63, -(2**70), 10**400, 0.5, 1e308, float("nan"), float("inf"), "", "x", "0",
    "1e999", "a" * 5000, "\x00", "\x1b[31m", "regime=soviet", "1 + (", "exp(", "__import__('os')", "1919-02-30", [],
    [[]], [None], ["a", 1], {}, {"a": {"b": {}}}, [{}], "../../etc/passwd", "/dev/zero", [1.5] * 1000, "٣",
)
# fmt: on


class Slow(BaseException):
    """It took too long. No `except Exception` on its way stops it."""


class Found(NamedTuple):
    """What became of one mangling."""

    number: int
    kind: str
    what: str
    outcome: str
    words: str
    seconds: float


# --- what is mangled ----------------------------------------------------------------------------------------


def bytes_mangled(data: bytes, luck: random.Random) -> tuple[bytes, str]:
    """Return a file's bytes with something wrong in them, and what."""
    size = len(data)
    at, end = sorted(luck.randrange(size + 1) for _ in range(2))
    whole: list[tuple[str, Callable[[], bytes]]] = [
        ("empty", lambda: b""),
        ("cut", lambda: data[:at]),
        ("a hole", lambda: data[:at] + data[end:]),
        ("a part twice", lambda: data[:end] + data[at:]),
        ("noise", lambda: data[:at] + luck.randbytes(luck.choice((1, 8, 400))) + data[at:]),
        ("flipped", lambda: bytes(b ^ (luck.random() < 0.01) * luck.randrange(256) for b in data)),
        ("one letter", lambda: data[:at] + bytes([luck.randrange(256)]) + data[at + 1 :]),
        ("zeros", lambda: data[:at] + b"\0" * luck.choice((1, 1000)) + data[at:]),
        ("UTF-16", lambda: data.decode("utf-8", "replace").encode("utf-16")),
        ("Latin-1", lambda: data.replace(b"e", "é".encode("latin-1"), 3)),
        ("a mark at the front", lambda: b"\xef\xbb\xbf" + data),
        ("carriage returns", lambda: data.replace(b"\n", b"\r")),
        ("quotes", lambda: data[:at] + luck.choice((b'"', b"'", b'"""', b"'''")) + data[at:]),
        ("brackets", lambda: data[:at] + luck.choice((b"[", b"]", b"{", b"}", b"[" * 3000, b"{" * 3000)) + data[at:]),
        ("separators", lambda: data.replace(b",", luck.choice((b";", b"\t", b",,")))),
        ("lines mixed", lambda: b"\n".join(luck.sample(lines := data.split(b"\n"), len(lines)))),
        ("a long line", lambda: data[:at] + b"x" * 300_000 + data[at:]),
    ]  # fmt: skip
    name, make = luck.choice(whole)
    return make(), name


def table_mangled(data: bytes, luck: random.Random) -> tuple[bytes, str]:
    """Return a CSV with something wrong in its cells, columns or rows, and what."""
    rows = list(csv.reader(io.StringIO(data.decode("utf-8"))))
    row, column = luck.randrange(1, len(rows)) if len(rows) > 1 else 0, luck.randrange(len(rows[0]))
    name = luck.choice(
        ("cell", "cell", "cell", "cell", "column lost", "column twice", "heading", "row twice", "row short", "row long",
         "column all one", "no rows", "columns changed over")
    )  # fmt: skip
    cell = luck.choice(CELLS)
    if name == "cell":
        rows[row][column] = cell
    elif name == "column lost":
        rows = [each[:column] + each[column + 1 :] for each in rows]
    elif name == "column twice":
        rows = [[*each, each[column]] for each in rows]
    elif name == "heading":
        rows[0][column] = cell
    elif name == "row twice":
        rows.append(list(rows[row]))
    elif name == "row short":
        rows[row] = rows[row][:column]
    elif name == "row long":
        rows[row] = [*rows[row], cell, cell]
    elif name == "column all one":
        rows = [rows[0], *([*each[:column], cell, *each[column + 1 :]] for each in rows[1:])]
    elif name == "no rows":
        rows = rows[:1]
    else:
        other = luck.randrange(len(rows[0]))
        for each in rows[1:]:
            each[column], each[other] = each[other], each[column]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    what = f"{name}: {rows[0][min(column, len(rows[0]) - 1)][:20] if rows[0] else ''} {cell[:20]!r}"
    return text.getvalue().encode("utf-8", "surrogatepass"), what


def tree_mangled(content: Any, luck: random.Random) -> tuple[Any, str]:
    """Return nested tables with a value, a key or a part changed, and which."""
    places: list[tuple[Any, Any, str]] = []

    def visit(part: Any, path: str) -> None:
        items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
        for key, value in items:
            places.append((part, key, f"{path}.{key}"))
            visit(value, f"{path}.{key}")

    visit(content, "")
    if not places:
        return content, "nothing"
    part, key, path = luck.choice(places)
    name = luck.choice(("value", "value", "value", "value", "lost", "renamed", "twice", "deep", "another's"))
    if name == "lost":
        del part[key]
    elif name == "renamed" and isinstance(part, dict):
        part[luck.choice(("x", "", key + "s", key[:-1], key.upper(), "é", "a.b"))] = part.pop(key)
    elif name == "twice" and isinstance(part, list):
        part.insert(key, part[key])
    elif name == "deep":
        deep: Any = part[key]
        for _ in range(luck.choice((1, 30, 400))):
            deep = [deep] if luck.random() < 0.5 else {"a": deep}
        part[key] = deep
    elif name == "another's":
        other, there, _ = luck.choice(places)
        with contextlib.suppress(KeyError, IndexError):
            part[key] = other[there]
    else:
        name, part[key] = "value", luck.choice(VALUES)
        path += f" = {str(part[key])[:30]!r}"
    return content, f"{name}: {path[:80]}"


def toml_mangled(data: bytes, luck: random.Random) -> tuple[bytes, str]:
    """Return TOML with a value, a key or a part changed, and which."""
    import tomli_w

    content, what = tree_mangled(tomllib.loads(data.decode("utf-8")), luck)
    try:
        return tomli_w.dumps(content).encode("utf-8", "surrogatepass"), what
    except (TypeError, ValueError, RecursionError):  # TOML has no such value
        return bytes_mangled(data, luck)


def json_mangled(data: bytes, luck: random.Random) -> tuple[bytes, str]:
    """Return JSON with a value, a key or a part changed, and which."""
    content, what = tree_mangled(json.loads(data), luck)
    try:
        return json.dumps(content).encode(), what
    except (TypeError, ValueError, RecursionError):  # a part of itself
        return bytes_mangled(data, luck)


def parquet_mangled(path: Path, luck: random.Random) -> str:
    """Mangle a Parquet file where it stands: a column of another kind, lost, nested or with holes; return what."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    number = luck.randrange(table.num_columns)
    name, rows = table.column_names[number], table.num_rows
    makers: dict[str, Callable[[], Any]] = {
        "whole numbers": lambda: pa.array(range(rows)),
        "numbers": lambda: pa.array([luck.choice((0.5, float("nan"), float("inf"), -1e300)) for _ in range(rows)]),
        "nothing": lambda: pa.nulls(rows),
        "truths": lambda: pa.array([True] * rows),
        "bytes": lambda: pa.array([b"\xff\xfe"] * rows, pa.binary()),
        "lists": lambda: pa.array([["a"]] * rows),
        "tables": lambda: pa.array([{"a": 1}] * rows),
        "instants": lambda: pa.array([luck.randrange(-(2**62), 2**62)] * rows, pa.timestamp("us", "UTC")),
        "days": lambda: pa.array([luck.randrange(-(2**30), 2**30)] * rows, pa.date32()),
        "times of day": lambda: pa.array([5] * rows, pa.time64("us")),
        "decimals": lambda: pa.nulls(rows, pa.decimal128(38, 10)),
        "categories": lambda: pa.array(["x"] * rows).dictionary_encode(),
        "odd words": lambda: pa.array([luck.choice(CELLS[:30]) for _ in range(rows)]),
    }  # fmt: skip
    kind = luck.choice((*makers, "lost", "twice", "no rows"))
    if kind == "lost":
        table = table.drop_columns([name])
    elif kind == "twice":
        table = table.append_column(name, table.column(number))
    elif kind == "no rows":
        table = table.slice(0, 0)
    else:
        table = table.set_column(number, name, makers[kind]())
    pq.write_table(table, path)
    return f"{name}: {kind}"


# --- what is tried ------------------------------------------------------------------------------------------


class Trials:
    """How each kind of file is mangled and read.

    Parameters:
        base: the folder with the good files (`prepare`).
    """

    def __init__(self, base: Path) -> None:
        import tocsin as tc
        from tocsin.classroom.prepared import read_lesson
        from tocsin.classroom.tour import read_tour
        from tocsin.ensemble.paired import observed_world
        from tocsin.explorer.questions import Limits, QuestionReader
        from tocsin.history.describe import citations
        from tocsin.model.followed_state import wave_of
        from tocsin.report.claims import read_claims
        from tocsin.report.replay import open_model, replay_again

        self.base = base
        record = tc.load_history("1917")
        _, model = open_model(record, None)
        reader = QuestionReader(record, model, wave_of(model, None, record), Limits(), 1917)
        world = observed_world(record, model)
        tables = {
            name: record.table(name)
            for name in ("units", "events", "ties", "covariates", "episodes", "sources")
        }
        cited = citations(record)
        answers = read_claims(base / "claims.toml").answers(tables, cited)
        prepared = read_lesson(base / "scenarios.toml", record, reader).scenarios
        small = tc.load_history(base / "folder")

        def folder(path: Path) -> None:
            history = tc.load_history(path)
            _, declared = open_model(history, None)
            declared.compile(history)

        def model_file(path: Path) -> None:
            tc.Model.from_toml(path).compile(small)

        def ledger(path: Path) -> None:
            book = tc.load_ledger(path)
            book.in_fact(record)
            book.value(world)

        def fit(path: Path) -> None:
            found = tc.load_fit(path)
            found.summary()
            found = tc.load_fit(path, small)
            found.simulate(small, worlds=5, seed=1)

        self.read: dict[str, Callable[[Path], Any]] = {
            "folder": folder,
            "parquet": folder,
            "model": model_file,
            "ledger": ledger,
            "claims": lambda path: read_claims(path).answers(tables, cited),
            "scenarios": lambda path: read_lesson(path, record, reader),
            "tour": lambda path: read_tour(path, record, reader, answers, prepared),
            "manifest": replay_again,
            "fit": fit,
        }

    def mangled(self, kind: str, where: Path, luck: random.Random) -> tuple[Path, str, str]:
        """Make a mangled file or folder; return what to read, the file at fault, and what is wrong with it."""
        if kind in ("folder", "parquet"):
            shutil.copytree(self.base / kind, where / kind)
            files = sorted(
                each for each in (where / kind).iterdir() if each.suffix in (".csv", ".parquet", ".toml")
            )
            path = luck.choice(files)
            read = where / kind
            if path.suffix == ".parquet" and luck.random() < 0.7:
                return read, path.name, parquet_mangled(path, luck)
        elif kind == "manifest":
            shutil.copytree(self.base / "run", where / "run", copy_function=os.link)
            read = path = where / "run" / "manifest.json"
        else:
            name = {"fit": "fit.json"}.get(kind, f"{kind}.toml")
            read = path = where / name
            shutil.copy(self.base / name, path)
            for beside in ("claims.csv", "facts.csv", "brest_litovsk.csv") if kind == "claims" else ():
                shutil.copy(self.base / beside, where / beside)
        values = {".csv": table_mangled, ".toml": toml_mangled, ".json": json_mangled}.get(
            path.suffix, bytes_mangled
        )
        data, what = (values if luck.random() < 0.7 else bytes_mangled)(path.read_bytes(), luck)
        path.unlink()  # it may share its place on the disk with the good one
        path.write_bytes(data)
        return read, path.name, what

    def tried(self, seed: int, number: int, kinds: list[str], patience: float) -> Found:
        """Make a mangling, read it, and return what became of it."""
        from tocsin.errors import TocsinError

        luck = random.Random(f"{seed}:{number}")
        kind = kinds[number % len(kinds)]
        with tempfile.TemporaryDirectory(dir=self.base) as place:
            read, name, what = self.mangled(kind, Path(place), luck)
            begun = time.monotonic()
            signal.setitimer(signal.ITIMER_REAL, patience)
            words = ""
            try:
                self.read[kind](read)
                outcome = "taken"
            except Slow as slow:
                outcome, words = "hangs", "".join(traceback.format_tb(slow.__traceback__)[-4:])
            except TocsinError as error:
                words = str(error)
                outcome = "refused" if named(words, name, kind) else "no place"
            except Exception:
                outcome, words = "tracebacks", traceback.format_exc()
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            return Found(number, kind, f"{name}: {what}", outcome, words, time.monotonic() - begun)


MODEL = """
[variables.regime]
states = ["old", "soviet", "restored"]
[variables.army]
states = ["loyal", "mutinous"]
recurrent = true
[[transition]]
variable = "regime"
from = ["old", "restored"]
to = "soviet"
[transition.baseline]
formula = "1 + hunger + army"
[[transition.contagion]]
layer = "border"
when = "regime=soviet"
susceptibility = "1 + size"
half_life = 30
[[transition]]
variable = "regime"
from = "soviet"
to = "restored"
[transition.baseline]
formula = "1"
"""


def prepare(base: Path) -> None:
    """Write the good files: a small history of five places with a run and a fit, and the files of 1917."""
    import pyarrow.csv
    import pyarrow.parquet

    import tocsin as tc
    from tocsin.cli.main import app
    from tocsin.history.read_folder import find_folder

    units = ["hungary", "bavaria", "austria", "slovakia", "italy"]
    pairs = [(a, b) for a in units for b in units if a != b]
    noted = {"citation": "a book", "confidence": "high", "note": "a note"}
    history = tc.History(
        units={
            "unit": units,
            "label": [each.title() for each in units],
            "enter": ["1919-01-01"] * 3 + ["1919-02-10", "1919-01-01"],
            "exit": ["1919-12-31"] * 5,
            "lon": [19.0, 11.5, 16.4, 20.0, 12.5],
            "lat": [47.5, 48.1, 48.2, 48.7, 41.9],
            "size": [1.0, 2.0, 0.5, 0.25, 4.0],
        },
        events={
            "unit": ["italy", "hungary", "bavaria", "slovakia", "hungary"],
            "variable": ["army", "regime", "regime", "regime", "regime"],
            "state": ["mutinous", "soviet", "soviet", "soviet", "restored"],
            "time": ["1919-03-02", "1919-03-21", "1919-04-06", "1919-06-16", "1919-08-01"],
            **noted,
        },
        ties={
            "layer": ["border"] * len(pairs),
            "source": [a for a, _ in pairs],
            "target": [b for _, b in pairs],
            "weight": [1.0 + n for n in range(len(pairs))],
            "start": ["1919-01-01"] * len(pairs),
            "end": ["1919-12-31"] * len(pairs),
            **noted,
        },
        covariates={
            "unit": units + units,
            "covariate": ["hunger"] * 10,
            "value": [0.5, 1.0, 2.0, 1.5, 0.0, 1.0, 1.5, 1.0, 0.5, 0.5],
            "start": ["1919-01-01"] * 5 + ["1919-07-01"] * 5,
            "end": ["1919-06-30"] * 5 + ["1919-12-31"] * 5,
            **noted,
        },
        variables=[
            tc.StateVariable("regime", ["old", "soviet", "restored"]),
            tc.StateVariable("army", ["loyal", "mutinous"], recurrent=True),
        ],
        window=("1919-01-01", "1919-12-31"),
        layers=["border"],
    )
    for name in ("folder", "parquet"):
        history.write(base / name)
        (base / name / "model.toml").write_text(MODEL, encoding="utf-8")
    for path in (base / "parquet").glob("*.csv"):
        pyarrow.parquet.write_table(pyarrow.csv.read_csv(path), path.with_suffix(".parquet"))
        path.unlink()
    small = tc.load_history(base / "folder")
    tc.load_history(base / "parquet")
    (base / "model.toml").write_text(MODEL, encoding="utf-8")
    fit = tc.Model.from_toml(base / "model.toml").fit(small, prior=tc.weak_prior())
    fit.save(base / "fit.json")
    words = ["replay", str(base / "folder"), "--worlds", "20", "--out", str(base / "run")]
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            app(words, standalone_mode=False)
    except SystemExit as ended:
        if ended.code:
            raise RuntimeError("the good replay fails") from ended
    record = find_folder("1917")
    for each in ("ledger", "claims", "scenarios", "tour"):
        shutil.copy(record / f"{each}.toml", base)
    for name in ("claims.csv", "facts.csv", "brest_litovsk.csv"):
        shutil.copy(record / name, base)


# --- many at once -------------------------------------------------------------------------------------------

_trials: Trials | None = None


def _begin(base: str) -> None:
    global _trials

    def late(*_: Any) -> None:
        raise Slow

    signal.signal(signal.SIGALRM, late)
    warnings.simplefilter("ignore")
    _trials = Trials(Path(base))


def _one(asked: tuple[int, int, list[str], float]) -> Found:
    assert _trials is not None
    seed, number, kinds, patience = asked
    return _trials.tried(seed, number, kinds, patience)


def named(words: str, name: str, kind: str) -> bool:
    """Return whether a refusal says where: the file, or in a folder any file and its line."""
    if kind in ("folder", "parquet") and re.search(r"\w\.(csv|parquet|toml)\b", words):
        return True
    return name in words or re.search(rf"\b{re.escape(name.rpartition('.')[0])} \d", words) is not None


OUTCOMES = ("taken", "refused", "no place", "tracebacks", "hangs")
KINDS = ("folder", "folder", "parquet", "model", "ledger", "claims", "scenarios", "tour", "manifest", "fit")


def attack(
    seed: int, first: int, count: int, kinds: list[str], patience: float, hands: int
) -> Iterator[Found]:
    """Yield what became of each mangling, in order."""
    with tempfile.TemporaryDirectory(prefix="tocsin-attack-") as base:
        prepare(Path(base))
        spawn = multiprocessing.get_context("spawn")
        # An executor ends where a process of it cannot begin; a pool would begin others for ever.
        with ProcessPoolExecutor(hands, spawn, _begin, (base,)) as pool:
            asked = [(seed, number, kinds, patience) for number in range(first, first + count)]
            for each, one in zip(pool.map(_one, asked, chunksize=4), asked, strict=True):
                assert each.number == one[1]
                yield each


def main() -> None:
    """Attack, print the table, and end with 1 if anything gave a traceback or hung."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument(
        "--only", nargs="+", choices=sorted(set(KINDS)), metavar="KIND", help="kinds of files"
    )
    parser.add_argument("--patience", type=float, default=20.0, metavar="SECONDS")
    parser.add_argument("--hands", type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument("--show", type=int, default=20, metavar="N", help="how many faults to print in full")
    parser.add_argument("--all", action="store_true", help="print every refusal")
    asked = parser.parse_args()
    kinds = list(KINDS if not asked.only else asked.only)
    counted: Counter[tuple[str, str]] = Counter()
    slowest = Found(-1, "", "", "", "", 0.0)
    shown = 0
    for each in attack(asked.seed, asked.first, asked.count, kinds, asked.patience, asked.hands):
        counted[each.kind, each.outcome] += 1
        slowest = max(slowest, each, key=lambda found: found.seconds)
        fault = each.outcome in OUTCOMES[2:]
        if asked.all or (fault and shown < asked.show):
            shown += fault
            print(
                f"--- {each.number} {each.outcome} ({each.kind}) {each.what}\n{each.words[-2500:]}",
                flush=True,
            )
    names = list(dict.fromkeys(kinds))
    print(f"\nseed {asked.seed}, manglings {asked.first} to {asked.first + asked.count - 1}")
    print(f"{'':10}" + "".join(f"{name:>12}" for name in OUTCOMES))
    for kind in names:
        print(f"{kind:10}" + "".join(f"{counted[kind, name]:12}" for name in OUTCOMES))
    total = {name: sum(counted[kind, name] for kind in names) for name in OUTCOMES}
    print(f"{'all':10}" + "".join(f"{total[name]:12}" for name in OUTCOMES))
    print(f"slowest: {slowest.number} ({slowest.kind}) {slowest.what}, {slowest.seconds:.1f} s")
    if total["tracebacks"] or total["hangs"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
