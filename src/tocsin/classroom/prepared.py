"""What-ifs prepared for a class: `scenarios.toml` beside a history, or some made from its layers.

question = "Did it spread by example, by hunger, or by bayonets?"    # what the lesson is about

[[document]]                                     # a primary source that a teacher can open
title = "Decree on Peace, 8 November 1917"
address = "https://..."
about = "what to look for in it"

[[word]]                                         # of the glossary
word = "soviet"
means = "a council of workers' or soldiers' deputies"

[[scenario]]
key = "no-comintern"
title = "Without the Comintern"
do = ["remove layer comintern"]
why = "Moscow sent delegates, money and emissaries. What did they change?"
source = "a key of sources.csv, or words"        # needed only where `why` claims something
explains = "by example"                          # which answer to the question it tests
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tocsin.classroom.toml import Faults, checked_row, read_tables, text_of, texts_of
from tocsin.errors import TocsinError
from tocsin.explorer.questions import QuestionReader, Refused
from tocsin.history.describe import SCENARIOS, beside, citations

if TYPE_CHECKING:
    from tocsin.history.history import History

MOST = 20  # scenarios of an edition, each answered in worlds like ours and in our world: 40 answers at most

_KEY = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


@dataclass(frozen=True)
class Prepared:
    """One prepared what-if.

    Attributes:
        key: a short name in plain letters.
        title: what its button says.
        do: its sentences, in their plain form.
        why: why it is of interest.
        source: where that is said, written out.
        explains: which answer to the question of the lesson it tests.
    """

    key: str
    title: str
    do: tuple[str, ...]
    why: str = ""
    source: str = ""
    explains: str = ""


@dataclass(frozen=True)
class Lesson:
    """What a class is asked and given.

    Attributes:
        scenarios: the prepared what-ifs.
        question: the central question; "" where the file has none.
        documents: primary sources as title, address, and what to look for.
        words: of the glossary, each with its meaning.
    """

    scenarios: tuple[Prepared, ...]
    question: str = ""
    documents: tuple[tuple[str, str, str], ...] = ()
    words: tuple[tuple[str, str], ...] = ()

    @property
    def tested(self) -> tuple[Prepared, ...]:
        """Return the what-ifs that weigh the answers to the question; the first three where none says so."""
        return tuple(each for each in self.scenarios if each.explains) or self.scenarios[:3]


def lesson_of(history: History, reader: QuestionReader, file: Path | None = None) -> Lesson:
    """Return the lesson of a file, of the history's own, or without any one made from its layers.

    Parameters:
        history: what they are about.
        reader: reads their sentences.
        file: a file in place of the history's own.

    Raises:
        TocsinError: the file is wrong; every fault is listed.
    """
    path = file if file is not None else beside(history, SCENARIOS)
    return Lesson(tuple(generic(history, reader))) if path is None else read_lesson(path, history, reader)


def read_lesson(path: Path, history: History, reader: QuestionReader) -> Lesson:
    """Read a file of scenarios; raise TocsinError with every fault."""
    faults = Faults(path)
    content, rows = read_tables(path, "scenario", ("question",), faults, ("document", "word"))
    if len(rows) > MOST:
        faults.add(f"at most {MOST} scenarios make an edition, not {len(rows)}")
    cited = citations(history)
    found: list[Prepared] = []
    for number, row in enumerate(rows, start=1):
        key = row.get("key")
        place = f"scenario {number}" + (f" ({key})" if isinstance(key, str) and key else "")
        checked_row(row, place, ("key", "title", "do"), ("why", "source", "explains"), faults)
        told = ("key", "title", "why", "source", "explains")
        words = {name: text_of(row, name, place, faults) for name in told}
        if words["key"] and not _KEY.fullmatch(words["key"]):
            faults.add(f"{place}: a key has small letters, digits and hyphens, as in no-comintern")
        if any(each.key == words["key"] for each in found):
            faults.add(f"{place}: there are two scenarios of this key")
        do = plain(texts_of(row, "do", place, faults), place, reader, faults)
        source = cited.get(words["source"], words["source"])
        found.append(Prepared(words["key"], words["title"], do, words["why"], source, words["explains"]))
    documents = _listed(content, "document", ("title", "address", "about"), faults)
    words_ = _listed(content, "word", ("word", "means"), faults)
    for title, address, _ in documents:
        if not address.startswith(("https://", "http://")):
            faults.add(f"document {title!r}: its address must begin with https://, not {address!r}")
    faults.refuse()
    return Lesson(tuple(found), str(content.get("question", "")), documents, words_)


def _listed(content: Any, kind: str, keys: tuple[str, ...], faults: Faults) -> tuple[Any, ...]:
    """Return the `[[kind]]` tables of a file, each as the texts of its keys."""
    found = []
    for number, row in enumerate(content.get(kind, []), start=1):
        place = f"{kind} {number}"
        checked_row(row, place, keys, (), faults)
        found.append(tuple(text_of(row, key, place, faults) for key in keys))
    return tuple(found)


def plain(sentences: list[str], place: str, reader: QuestionReader, faults: Faults) -> tuple[str, ...]:
    """Return sentences in their plain form; one that cannot be read is noted, and the rest are read without it."""
    good: list[str] = []
    for sentence in sentences:
        try:
            good = list(reader.sentences([*good, sentence], "do"))
        except Refused as error:
            faults.add(f"{place}: {error}")
    return tuple(good)


def generic(history: History, reader: QuestionReader) -> list[Prepared]:
    """Return scenarios made from a history itself: each layer that has ties taken away, one after the other."""
    from tocsin.interventions.on_ties import remove_layer

    tied = dict.fromkeys(history.ties["layer"].astype(str))
    found = []
    for number, layer in enumerate([name for name in history.layers if name in tied], start=1):
        try:
            do = reader.sentences([str(remove_layer(layer))], "do")
        except TocsinError:
            continue  # a layer that the model does not know moves nothing
        words = history.called(layer)
        why = f"What did ties of {words} carry? Their worlds are those of the model without them."
        found.append(Prepared(f"no-layer-{number}", f"Without {words}", do, why))
    return found[:12]
