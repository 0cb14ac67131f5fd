"""history.toml: what a history says about itself beside its tables."""

from __future__ import annotations

import math
import re
from bisect import bisect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from tocsin.errors import ModelError, TocsinError, nearest
from tocsin.files.format import format_fault
from tocsin.files.reading import read_bytes, read_toml
from tocsin.history.assemble import Declared
from tocsin.history.question import Question, read_question
from tocsin.history.tables.frames import decode
from tocsin.history.tables.schema import misspelt
from tocsin.history.time import Clock, read_clock
from tocsin.states import StateVariable, parse_clause

if TYPE_CHECKING:
    from pathlib import Path

    from tocsin.history.tables.schema import Report

FILE = "history.toml"

_WORDS = re.compile(r"\w+")

TEXTS = ("title", "description", "citation", "licence", "default_model", "borders")

TABLES = ("variables", "layers", "covariates", "columns", "waves", "words", "question", "scopes")

KEYS = ("format", *TEXTS, "window", "clock", "extra", *TABLES)

COMBINE = ("max", "sum")


@dataclass
class Head:
    """What history.toml says; `model_line` and `borders_line` are where it names a model and outlines."""

    clock: Clock
    declared: Declared
    texts: dict[str, str] = field(default_factory=dict)
    model_line: int | None = None
    borders_line: int | None = None
    waves: dict[str, tuple[str, str]] = field(default_factory=dict)
    layer_labels: dict[str, str] = field(default_factory=dict)
    question: Question | None = None
    scopes: dict[str, str] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)


def read_head(path: Path, report: Report) -> Head | None:
    """Read history.toml; None where it cannot be read at all."""
    try:
        content = read_bytes(path, inside=path.parent)
    except FileNotFoundError:
        report.add(FILE, "the file is missing")
        return None
    except OSError as error:
        report.add(FILE, f"the file cannot be read: {error.strerror or error}")
        return None
    if not content.strip():
        report.add(FILE, "the file is empty", line=1)
        return None
    decoded = decode(FILE, content, report)
    if decoded is None or decoded[1]:
        return None
    text = decoded[0]
    try:
        data = read_toml(FILE, text)
    except TocsinError as error:
        words = str(error).removeprefix(f"{FILE}: ")
        match = re.search(r"at line (\d+)", words)
        line = int(match[1]) if match else text.count("\n") + 1 if words.startswith("not TOML") else None
        report.add(FILE, f"broken TOML: {words.removeprefix('not TOML: ')}", line=line)
        return None
    return _Head(text, report).read(data)


class _Head:
    def __init__(self, text: str, report: Report) -> None:
        self.text = text.splitlines()
        self.words: dict[str, list[int]] | None = None  # the lines on which a word stands
        self.report = report
        self.broken: set[str] = set()  # variables that are declared, but not so that they can be used

    def read(self, data: dict[str, Any]) -> Head:
        for key in data:
            if key not in KEYS:
                self.bad(key, "unknown key", key, nearest(key, KEYS))
        fault = format_fault(data, required=False)
        if fault is not None:
            self.bad("format", fault, data["format"])
        texts = {}
        for key in TEXTS:
            if key in data:
                if isinstance(data[key], str):
                    texts[key] = data[key]
                else:
                    self.bad(key, f"{key} must be a text", data[key])
        clock = read_clock(
            data.get("window"),
            data.get("clock"),
            self.report,
            FILE,
            {"window": self.line("window"), "clock": self.line("clock")},
        )
        variables = self.variables(self.section(data, "variables"))
        layers = self.layers(self.section(data, "layers"))
        covariates = self.section(data, "covariates")
        outside, levels = self.outside(covariates), self.levels(covariates)
        text_columns = self.columns(self.section(data, "columns"))
        lines = {name: self.line(name) for name in [*layers, *outside, *levels]}
        declared = Declared(
            variables,
            layers,
            outside=outside,
            text_columns=text_columns,
            levels=levels,
            broken=frozenset(self.broken),
            extra=self.extra(data.get("extra", [])),
            file=FILE,
            lines=lines,
        )
        nouns = self.waves(self.section(data, "waves"), declared)
        return Head(
            clock,
            declared,
            texts,
            self.line("default_model"),
            self.line("borders"),
            nouns,
            self.labels(self.tables_of(data, "layers")),
            self.question(data.get("question", {})),
            self.scopes(data.get("scopes", {})),
            self.said(data.get("words", {}), declared),
        )

    def tables_of(self, data: Mapping[str, Any], key: str) -> dict[str, dict[str, Any]]:
        """The tables under one key; what is none has been reported by `section`."""
        value = data.get(key, {})
        return (
            {name: each for name, each in value.items() if isinstance(each, dict)}
            if isinstance(value, dict)
            else {}
        )

    def labels(self, tables: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
        found = {name: table["label"] for name, table in tables.items() if "label" in table}
        for name, label in found.items():
            if not isinstance(label, str):
                self.bad(name, f"layer {name!r}: label must be a text", label, at="label")
        return {name: label for name, label in found.items() if isinstance(label, str)}

    def question(self, table: Any) -> Question | None:
        if not isinstance(table, dict):
            self.bad("question", "question must be a table: [question]", table)
            return None
        self.known("question", table, [each.name for each in fields(Question)])
        return read_question(table, lambda message, at, value: self.bad("question", message, value, at=at))

    def scopes(self, table: Any) -> dict[str, str]:
        if not isinstance(table, dict) or not all(isinstance(text, str) for text in table.values()):
            self.bad("scopes", 'scopes must be a table of texts: [scopes] NAME = "what it counts"', table)
            return {}
        return dict(table)

    def said(self, table: Any, declared: Declared) -> dict[str, str]:
        """What sentences call layers, covariates and states: `[words] pow_return = "returned prisoners"`."""
        if not isinstance(table, dict):
            self.bad("words", 'words must be a table of texts: [words] NAME = "what people call it"', table)
            return {}
        states = [f"{each.name}={state}" for each in declared.variables for state in each.states]
        found = {}
        for name, text in table.items():
            if not isinstance(text, str) or not text.strip():
                self.bad(name, f"{name!r}: its words must be a text", text)
            elif "=" in name and name not in states:
                self.bad(name, f"{name!r} is no state of a variable", name, nearest(name, states))
            elif name not in declared.layers and (meant := misspelt(name, declared.layers)):
                self.bad(name, f"there is no layer {name!r}", name, meant)
            else:
                found[name] = text.strip()
        return found

    def extra(self, given: object) -> frozenset[str]:
        if isinstance(given, list) and all(isinstance(name, str) for name in given):
            return frozenset(given)
        self.bad("extra", 'extra = ["...", ...] is a list of names of columns', given)
        return frozenset()

    def variables(self, tables: Mapping[str, Mapping[str, Any]]) -> tuple[StateVariable, ...]:
        found: list[StateVariable] = []
        for name, table in tables.items():
            self.known(name, table, ("states", "initial", "recurrent"))
            self.broken.add(name)
            states = table.get("states")
            if not isinstance(states, list) or not all(isinstance(state, str) for state in states):
                self.bad(
                    name,
                    f'variable {name!r} needs states = ["...", ...], a list of names',
                    states,
                    at="states",
                )
                continue
            initial, recurrent = table.get("initial"), table.get("recurrent", False)
            if initial is not None and not isinstance(initial, str):
                self.bad(
                    name, f"variable {name!r}: initial must be the name of a state", initial, at="initial"
                )
                continue
            if not isinstance(recurrent, bool):
                self.bad(name, f"variable {name!r}: recurrent is true or false", recurrent, at="recurrent")
                continue
            try:
                found.append(StateVariable(name, states, initial, recurrent))
                self.broken.discard(name)
            except ModelError as error:
                unknown = initial is not None and initial not in states
                near = nearest(initial, states) if initial is not None and unknown else None
                self.bad(name, str(error), initial, near, at="initial" if unknown else "states")
        return tuple(found)

    def layers(self, tables: Mapping[str, Mapping[str, Any]]) -> dict[str, str | None]:
        rules: dict[str, str | None] = {}
        for name, table in tables.items():
            self.known(name, table, ("combine", "label"))
            rule = table.get("combine")
            if rule is not None and rule not in COMBINE:
                self.bad(
                    name,
                    f'layer {name!r}: combine is "max" or "sum"',
                    rule,
                    nearest(str(rule), COMBINE),
                    at="combine",
                )
                rule = "max"  # whatever was meant, parallel ties of this layer are no further fault
            rules[name] = (
                "max" if "combine" not in table and set(table) - {"label"} else rule
            )  # a misspelt key, reported above
        return rules

    def outside(self, tables: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, table in tables.items():
            self.known(name, table, ("outside", "levels"))
            if "outside" not in table:
                continue
            value = table["outside"]
            number = math.nan
            if isinstance(value, int | float) and not isinstance(value, bool):
                try:
                    number = float(value)
                except OverflowError:
                    number = math.inf
            if math.isfinite(number):
                found[name] = number + 0.0
            else:
                self.bad(
                    name,
                    f"bad number: the value of {name!r} outside must be a finite number",
                    value,
                    at="outside",
                )
        return found

    def levels(self, tables: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
        """The levels of covariates that are categories, in their order."""
        found: dict[str, tuple[str, ...]] = {}
        for name, table in tables.items():
            if "levels" not in table:
                continue
            given = table["levels"]
            good = isinstance(given, list) and bool(given)
            words = [given_ for given_ in given if isinstance(given_, str) and given_.strip()] if good else []
            if not good or len(words) < len(given) or len(set(words)) < len(words):
                why = f'covariate {name!r}: levels = ["...", ...], different names in order, the reference first'
                self.bad(name, why, given, at="levels")
                continue
            found[name] = tuple(words)
        return found

    def columns(self, tables: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
        found = set()
        for name, table in tables.items():
            self.known(name, table, ("type",))
            if table.get("type") == "text":
                found.add(name)
            elif "type" in table:
                self.bad(
                    name,
                    f'column {name!r}: type is "text"',
                    table["type"],
                    nearest(str(table["type"]), ["text"]),
                    at="type",
                )
        return frozenset(found)

    def waves(
        self, tables: Mapping[str, Mapping[str, Any]], declared: Declared
    ) -> dict[str, tuple[str, str]]:
        found = {}
        for clause, table in tables.items():
            self.known(clause, table, WAVE_KEYS)
            checked = check_wave(clause, table, declared, self._bad_wave(clause))
            if checked is not None:
                found[checked[0]] = checked[1]
        return found

    def _bad_wave(self, clause: str) -> Callable[[str, str, object], None]:
        return lambda message, at, value: self.bad(clause, message, value, at=at or None)

    def section(self, data: Mapping[str, Any], key: str) -> dict[str, dict[str, Any]]:
        """The tables under one key; anything else there is reported."""
        value = data.get(key, {})
        if not isinstance(value, dict):
            self.bad(key, f"{key} must be tables: [{key}.NAME]", value)
            return {}
        found = {}
        for name, table in value.items():
            if isinstance(table, dict):
                found[name] = table
            else:
                self.bad(name, f"[{key}] holds tables: [{key}.{name}]", table)
        return found

    def known(self, name: str, table: Mapping[str, Any], keys: Iterable[str]) -> None:
        for key in table:
            if key not in keys:
                after = (self.line(name) or 1) - 1
                self.report.add(
                    FILE,
                    f"unknown key of {name!r}",
                    line=self.line(key, after),
                    column=key,
                    value=key,
                    nearest=nearest(key, keys),
                )

    def bad(
        self, key: str, message: str, value: object, near: str | None = None, at: str | None = None
    ) -> None:
        """Note a problem with a key; `at` is the key within the table of that name that is at fault."""
        line = self.line(key)
        if at is not None and line is not None:
            line = self.line(at, line - 1) or line
        self.report.add(FILE, message, line=line, column=key, value=value, nearest=near)

    def line(self, key: str, after: int = 0) -> int | None:
        """The first line on which a key or a table of that name stands, as far as a search can tell."""
        if self.words is None:
            # Each line is looked at once, whatever the number of keys.
            self.words = {}
            for number, text in enumerate(self.text, 1):
                for word in dict.fromkeys([text.strip(), *_WORDS.findall(text)]):
                    self.words.setdefault(word, []).append(number)
        quoted = re.escape(key)
        everywhere: Sequence[int] = range(1, len(self.text) + 1)
        numbers = min((self.words.get(word, []) for word in _WORDS.findall(key)), key=len, default=everywhere)
        heads = tuple(f"{sign}{key}{end}]" for sign, end in (("[", ""), (".", ""), ('"', '"'), ("'", "'")))
        pattern: re.Pattern[str] | None = None
        for number in numbers[bisect(numbers, after) :]:
            text = self.text[number - 1].strip()
            if text.startswith("[") and text.endswith(heads):  # the usual case, without a pattern made for it
                return number
            pattern = pattern or re.compile(
                rf"""(\[[^\]]*["'.]?{quoted}["']?\s*\]|["']?{quoted}["']?\s*[=.]|.*[{{,.]\s*["']?{quoted}["']?\s*=)"""
            )
            if pattern.match(text):
                return number
        return None


# --- What sentences call a state: `[waves."regime=soviet"] one = "soviet republic", many = "soviet
#     republics"`

WAVE_KEYS = ("one", "many")


def read_waves(
    waves: Mapping[str, Sequence[str]], declared: Declared, report: Report
) -> dict[str, tuple[str, str]]:
    """Return words by clause, `variable=state` without spaces; faults go to the report."""
    found = {}
    for clause, words in waves.items():
        pair = (words,) if isinstance(words, str) else tuple(words)
        nouns = dict(zip(WAVE_KEYS, pair, strict=False))
        checked = check_wave(
            str(clause),
            nouns,
            declared,
            lambda message, at, value, clause=clause: report.add(  # type: ignore[misc]
                "history", message, column=f"waves {clause}", value=value
            ),
        )
        if checked is not None:
            found[checked[0]] = checked[1]
    return found


def check_wave(
    clause: str, nouns: Mapping[str, object], declared: Declared, bad: Callable[[str, str, object], None]
) -> tuple[str, tuple[str, str]] | None:
    """Return clause and words of one wave, None after a fault.

    Parameters:
        clause: one state of one variable.
        nouns: `one`, and `many` (by default one with an s).
        declared: the variables that there are.
        bad: told of a fault: the message, the key at fault (empty for the clause), and its value.
    """
    try:
        named = parse_clause(clause, {each.name: each for each in declared.variables})
    except ModelError as error:
        # A variable whose declaration is at fault has been reported already.
        if clause.partition("=")[0].strip() not in declared.broken:
            bad(str(error), "", clause)
        return None
    if len(named) != 1 or any(len(states) != 1 for states in named.values()):
        bad("a wave is one state of one variable, such as regime=soviet", "", clause)
        return None
    variable, states = next(iter(named.items()))
    one = nouns.get("one")
    many = nouns.get("many", f"{one}s")
    for key, word in (("one", one), ("many", many)):
        if not isinstance(word, str) or not word.strip():
            bad(f'{clause!r}: {key} must be a word, such as "soviet republic"', key, word)
            return None
    return f"{variable}={next(iter(states))}", (str(one).strip(), str(many).strip())
