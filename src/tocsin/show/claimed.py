"""Claims and what the record says of them, in a terminal and as CSV, HTML and Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from tocsin.csvtext import csv_of
from tocsin.errors import TocsinError, suggestion
from tocsin.show.claims import VERDICTS, Answer, Claims
from tocsin.show.page import e, linked, section, whole_page
from tocsin.show.sentences import counted, listed
from tocsin.whole import write_whole

if TYPE_CHECKING:
    from rich.console import Group

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
