"""Claims about a history: each with the query that computes its figure, its verdict and its source.

`claims.toml` in the folder of a history holds them:

    tables = ["claims.csv", "facts.csv"]       # further tables of the folder that queries may ask
    setup = "CREATE VIEW ..."                  # what several queries need

    [[claim]]
    id = "c18"
    claim = "The Hungarian soviet republic fell after four months"
    sentence = "It lasted {days} days, from {began} to {fell}."
    query = "SELECT ... AS days, ... AS began, ... AS fell"
    stands = "days BETWEEN 105 AND 150"
    verdict = "true"
    citation = "a source, or the key of one"

The sentence is filled with the columns of the one row that the query gives; no figure is typed. `stands` is a
condition on these columns: whether the data, as they are, bear the verdict out. `claim`, `verdict` and `citation` may
stand in a table claims.csv under the same id instead, in columns of these names or of those that
`columns = {claim = "..."}` gives. A claim without a query cannot be computed from the
tables, and its sentence says so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tocsin.errors import TocsinError, suggestion
from tocsin.files.csv_for_people import csv_of
from tocsin.files.reading import ask, read_toml
from tocsin.files.whole import write_whole
from tocsin.history.describe import citations
from tocsin.report.page import e, linked, section, whole_page
from tocsin.sql import Ask, asking
from tocsin.wording.numbers import counted, listed

if TYPE_CHECKING:
    from rich.console import Group

    from tocsin.history.history import History

VERDICTS = ("true", "approximately", "contested", "false")

KEYS = ("id", "claim", "sentence", "query", "stands", "verdict", "citation")

HEAD = ("title", "about", "tables", "columns", "setup", "claim")

BESIDE = ("claim", "verdict", "citation")

FIELD = re.compile(r"\{(\w+)(?::([^{}]*))?\}")

FIGURES = re.compile(r"\d")

TABLE = re.compile(r"\w+\.csv")

SHARE = re.compile(r"\bof 100\b")  # a unit, as in "34 of 100 votes"


@dataclass(frozen=True)
class Claim:
    """One claim as it is declared; see the module."""

    id: str
    claim: str
    sentence: str
    query: str = ""
    stands: str = ""
    verdict: str = "contested"
    citation: str = ""


@dataclass(frozen=True)
class Answer:
    """A claim with its figure.

    Attributes:
        claim: what was asked.
        figure: the sentence, filled with what the query gave.
        values: what the query gave, by column.
        stands: whether the data bear the verdict out; None where the query does not say.
        source: the citation written out.
    """

    claim: Claim
    figure: str
    values: Mapping[str, Any]
    stands: bool | None
    source: str

    @property
    def verdict(self) -> str:
        """Return the verdict, or that the data no longer bear it out."""
        if self.stands is False:
            return f"was judged {self.claim.verdict}; these data do not bear it out"
        return self.claim.verdict if self.claim.query else f"{self.claim.verdict}; not computed"


@dataclass(frozen=True)
class Claims:
    """The claims of a history.

    Attributes:
        title: what they are, as a heading.
        about: who makes them.
        claims: in their order.
        tables: further tables by name.
        setup: SQL that comes before all queries.
        file: where they were read from.
    """

    title: str
    about: str
    claims: tuple[Claim, ...]
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    setup: str = ""
    file: str = "claims.toml"

    def answered(self, history: History) -> list[Answer]:
        """Return every claim with its figure, computed from the tables of a history.

        Raises:
            TocsinError: a query is wrong, gives not one row, or lacks a column that the sentence names.
        """
        names = ("units", "events", "ties", "covariates", "episodes", "sources")
        return self.answers({name: history.table(name) for name in names}, citations(history))

    def answers(self, tables: Mapping[str, Any], catalogue: Mapping[str, str] | None = None) -> list[Answer]:
        """Return every claim with its figure, computed from tables by name; see `answered`.

        Parameters:
            tables: frames of Arrow or pandas, those of a history.
            catalogue: citations by their keys.
        """
        with asking({**tables, **self.tables}) as ask:
            if self.setup:
                self._asked(ask, self.setup, "setup")
            return [self._answer(ask, claim, catalogue or {}) for claim in self.claims]

    def _answer(self, ask: Ask, claim: Claim, catalogue: Mapping[str, str]) -> Answer:
        source = "; ".join(
            _written(key.strip(), catalogue) for key in claim.citation.split("; ") if key.strip()
        )
        if not claim.query:
            return Answer(claim, claim.sentence.strip(), {}, None, source)
        borne = f"({claim.stands})" if claim.stands else "NULL"
        query = f"SELECT *, {borne} AS stands FROM (\n{claim.query.rstrip().rstrip(';')}\n)"
        rows = self._asked(ask, query, claim.id)
        if len(rows) != 1:
            raise TocsinError(
                f"{self.file}: the query of {claim.id!r} gives {len(rows)} rows, and must give one"
            )
        values = {str(key): value for key, value in rows.iloc[0].items()}
        stands = values.pop("stands", None)
        figure = self._filled(claim, values)
        return Answer(claim, figure, values, None if _missing(stands) else bool(stands), source)

    def _asked(self, ask: Ask, query: str, what: str) -> pd.DataFrame:
        try:
            return ask(query)
        except TocsinError as error:
            raise TocsinError(f"{self.file}: {what!r}: {error}") from None

    def _filled(self, claim: Claim, values: Mapping[str, Any]) -> str:
        def word(found: re.Match[str]) -> str:
            name, form = found.group(1), found.group(2) or ""
            if name not in values:
                raise TocsinError(
                    f"{self.file}: the sentence of {claim.id!r} names {name!r}, which its query does not give"
                    + suggestion(name, list(values))
                )
            try:
                return as_words(values[name], form)
            except (ValueError, TypeError) as error:
                raise TocsinError(f"{self.file}: {claim.id!r}: {{{name}:{form}}}: {error}") from None

        return FIELD.sub(word, claim.sentence).strip()


def as_words(value: Any, form: str = "") -> str:
    """Return a value as a sentence has it: dates written out, lists joined, numbers with their thousands."""
    if isinstance(value, list | tuple | np.ndarray):
        return listed([as_words(each) for each in value]) or "none"
    if _missing(value):
        return "unknown"
    if isinstance(value, pd.Timestamp) or hasattr(value, "isoformat"):
        day = pd.Timestamp(value)
        return day.strftime(form) if form else f"{day.day} {day.month_name()} {day.year}"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | float | np.number):
        whole = float(value).is_integer()
        return format(value, form or (",.0f" if whole else ",.6g"))
    return format(str(value), form)


def claims_of(history: History) -> Claims:
    """Return the claims that come with a history.

    Raises:
        TocsinError: it brings none (no `claims.toml` in its folder), or they cannot be read.
    """
    if history.claims_path is None:
        raise TocsinError(
            f"the history {history.name!r} brings no claims: write them in claims.toml in its folder "
            "(docs/claims.md says how)"
        )
    return read_claims(history.claims_path)


def read_claims(path: Path) -> Claims:
    """Read the claims of a file; raise TocsinError where it is wrong."""
    content = read_toml(path)
    _known(content, HEAD, path.name)
    named = content.get("tables", [])
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise TocsinError(f'{path.name}: tables must be a list of files, such as ["facts.csv"]')
    tables = {name.removesuffix(".csv"): _table(path, name) for name in named}
    columns = content.get("columns", {})
    if not isinstance(columns, dict) or not all(isinstance(name, str) for name in columns.values()):
        raise TocsinError(
            f'{path.name}: columns must name columns of claims.csv, such as {{claim = "words"}}'
        )
    _known(columns, BESIDE, path.name)
    beside = _beside(tables.get("claims"), columns)
    rows = content.get("claim", [])
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise TocsinError(f"{path.name}: there is no [[claim]]")
    claims = tuple(_claim(row, beside, path.name) for row in rows)
    twice = [claim.id for number, claim in enumerate(claims) if claim.id in [c.id for c in claims[:number]]]
    if twice:
        raise TocsinError(f"{path.name}: two claims have the id {twice[0]!r}")
    texts = {key: content.get(key, "") for key in ("title", "about", "setup")}
    for key, text in texts.items():
        if not isinstance(text, str):
            raise TocsinError(f"{path.name}: {key} must be a text")
    return Claims(texts["title"] or "Claims", texts["about"], claims, tables, texts["setup"], path.name)


def _claim(row: Mapping[str, Any], beside: Mapping[str, Mapping[str, str]], file: str) -> Claim:
    _known(row, KEYS, file)
    name = row.get("id")
    if not isinstance(name, str) or not name:
        raise TocsinError(f"{file}: a claim without an id")
    words = {**beside.get(name, {}), **row}
    for key, text in words.items():
        if not isinstance(text, str):
            raise TocsinError(f"{file}: {name!r}: {key} must be a text")
    for key in ("claim", "sentence", "verdict"):
        if not words.get(key):
            raise TocsinError(f"{file}: {name!r} has no {key}")
    if words["verdict"] not in VERDICTS:
        raise TocsinError(
            f"{file}: {name!r}: the verdict {words['verdict']!r} is none of {', '.join(VERDICTS)}"
            + suggestion(words["verdict"], VERDICTS)
        )
    if FIGURES.search(SHARE.sub("", FIELD.sub("", words["sentence"]))):
        raise TocsinError(
            f"{file}: {name!r}: a figure is typed in the sentence; let the query give it, from a table of "
            "sourced facts if the history does not hold it"
        )
    return Claim(**{key: words[key].strip() for key in KEYS if key in words})


def _known(table: Mapping[str, Any], keys: tuple[str, ...], file: str) -> None:
    for key in table:
        if key not in keys:
            raise TocsinError(f"{file}: unknown key {key!r}" + suggestion(key, keys))


def _table(path: Path, name: str) -> pd.DataFrame:
    if Path(name).name != name or not name.endswith(".csv") or not name.removesuffix(".csv").isidentifier():
        raise TocsinError(f"{path.name}: a table is a CSV file in the folder of its history, not {name!r}")
    try:
        ask(path.parent / name, 2**30, path.parent)
        return pd.read_csv(path.parent / name, keep_default_na=False, na_values=[""])
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TocsinError(f"{path.name}: {name} cannot be read: {reason}") from None


def _beside(table: pd.DataFrame | None, columns: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return what claims.csv says of each claim."""
    if table is None or "id" not in table:
        return {}
    names = {key: columns.get(key, key) for key in BESIDE if columns.get(key, key) in table}
    rows = table.fillna("").astype(str)
    return {row["id"]: {key: row[name] for key, name in names.items()} for row in rows.to_dict("records")}


def _written(key: str, catalogue: Mapping[str, str]) -> str:
    text = catalogue.get(key, key)
    return f"this record ({text})" if TABLE.fullmatch(text) else text


def _missing(value: Any) -> bool:
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


# --- Claims and what the record says of them, in a terminal and as CSV, HTML and Markdown

ENDINGS = (".csv", ".html", ".md")


def tally(answers: Sequence[Answer]) -> str:
    """Return how many claims have which verdict, as a sentence."""
    counts = Counter(answer.claim.verdict for answer in answers)
    parts = [f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict]]
    bare = sum(not answer.claim.query for answer in answers)
    doubted = sum(answer.stands is False for answer in answers)
    said = f"Of {counted(len(answers), 'claim')} {listed(parts)}"
    if bare:
        said += f"; {bare} cannot be computed from these tables"
    if doubted:
        said += f"; the data do not bear out the verdict on {doubted}"
    return said + "."


def claims_section(claims: Claims, answers: Sequence[Answer]) -> str:
    """Return the claims as a section of a page: claim, verdict, figure, source, and the query behind it."""
    items = []
    for answer in answers:
        query = (
            f"<details><summary>How this is computed</summary><pre>{e(answer.claim.query.strip())}</pre></details>"
            if answer.claim.query
            else ""
        )
        items.append(
            f'<li id="{e(answer.claim.id)}"><h3>{e(answer.claim.claim)}</h3>'
            f"<p><b>{e(_capital(answer.verdict))}.</b> {e(answer.figure)}</p>"
            f'<p class="source">Source: {linked(answer.source or "none")}</p>{query}</li>'
        )
    about = f"<p>Claims of: {linked(claims.about)}; in our words. " if claims.about else "<p>"
    return section(claims.title, f'{about}{e(tally(answers))}</p><ol class="claims">{"".join(items)}</ol>')


def write_claims(claims: Claims, answers: Sequence[Answer], path: Path) -> None:
    """Write claims by the ending of the path; raise TocsinError where it is none of CSV, HTML and Markdown."""
    kind = path.suffix.lower()
    if kind == ".csv":
        text = csv_of(frame_of(answers))
    elif kind == ".html":
        text = whole_page(claims.title, claims_section(claims, answers).replace("h2>", "h1>"))
    elif kind == ".md":
        text = _markdown(claims, answers)
    else:
        raise TocsinError(
            f"{path.name}: claims are written as .csv, .html or .md" + suggestion(kind, ENDINGS)
        )
    write_whole(path, text)


def frame_of(answers: Sequence[Answer]) -> pd.DataFrame:
    """Return claims as a table: id, claim, figure, verdict, stands, source, query."""
    rows = [
        (a.claim.id, a.claim.claim, a.figure, a.claim.verdict, a.stands, a.source, a.claim.query.strip())
        for a in answers
    ]
    return pd.DataFrame(rows, columns=["id", "claim", "figure", "verdict", "stands", "source", "query"])


def claims_page(claims: Claims, answers: Sequence[Answer], queries: bool = False) -> Group:
    """Return claims for a terminal, with their queries if asked for."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    parts: list[Text | Padding] = []
    if claims.about:
        parts.append(Text(f"Claims of: {claims.about}; in our words."))
    for answer in answers:
        parts.append(Text(f"\n{answer.claim.id}  {answer.claim.claim}", style="bold"))
        body = f"{_capital(answer.verdict)}. {answer.figure}\nSource: {answer.source or 'none'}"
        if queries and answer.claim.query:
            body += f"\n\n{answer.claim.query.strip()}"
        # Names and sentences come from files: they are text, never markup.
        parts.append(Padding(Text(body), (0, 0, 0, 5)))
    return Group(*parts, Text(f"\n{tally(answers)}"))


def chosen(answers: Sequence[Answer], name: str) -> list[Answer]:
    """Return the claim with an id, as a list; raise TocsinError with the nearest one if there is none."""
    found = [answer for answer in answers if answer.claim.id == name]
    if not found:
        ids = [answer.claim.id for answer in answers]
        raise TocsinError(f"there is no claim {name!r}" + suggestion(name, ids))
    return found


def _markdown(claims: Claims, answers: Sequence[Answer]) -> str:
    lines = [f"# {claims.title}", ""]
    if claims.about:
        lines += [f"Claims of: {claims.about}; in our words.", ""]
    lines += [tally(answers), ""]
    for answer in answers:
        lines += [f"## {answer.claim.id}: {answer.claim.claim}", ""]
        lines += [
            f"**{_capital(answer.verdict)}.** {answer.figure}",
            "",
            f"Source: {answer.source or 'none'}",
            "",
        ]
        if answer.claim.query:
            lines += ["```sql", answer.claim.query.strip(), "```", ""]
    return "\n".join(lines)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
