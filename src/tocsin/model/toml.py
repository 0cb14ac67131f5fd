"""A model as TOML, with the same words as the declaration in Python."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tocsin.errors import ModelError, check_text, listed, shown, suggestion
from tocsin.files.format import FORMAT, format_fault
from tocsin.files.reading import read_toml
from tocsin.model.declaration import Baseline, Cause, Contagion, Transition, baseline, contagion
from tocsin.model.model import Model
from tocsin.states import StateVariable

_NOT_TEXT = (
    "format",
    "variables",
    "transition",
    "states",
    "recurrent",
    "half_life",
    "shared",
    "pooled",
    "baseline",
    "contagion",
    "from",
)

_VARIABLE = ("states", "initial", "recurrent")

_TRANSITION = ("variable", "from", "to", "requires", "baseline", "contagion", "note")

_BASELINE = ("formula", "name", "note")

_CONTAGION = (
    "layer",
    "when",
    "susceptibility",
    "infectiousness",
    "half_life",
    "normalise",
    "response",
    "name",
    "by",
    "shared",
    "pooled",
    "note",
)


def load_toml(source: str | Path, unnamed: str) -> tuple[dict[str, Any], str]:
    """Return what a TOML file or text holds, and what messages call it: the file, or `unnamed`.

    Raises:
        ModelError: it cannot be read, or is not TOML.
    """
    is_file = isinstance(source, Path) or (isinstance(source, str) and "\n" not in source)
    if not is_file:
        check_text(f"a {unnamed} to read", source)
    where = str(source) if is_file else unnamed
    return read_toml(where, None if is_file else str(source), ModelError), where


def refuse_format(content: Mapping[str, Any], where: str) -> None:
    """Refuse a file that people write whose format is another one; raise ModelError."""
    fault = format_fault(content, required=False)
    if fault is not None:
        raise ModelError(f"{where}: {fault}")


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


class _Faults:
    """The faults of a file, gathered before it is refused."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.found: list[str] = []

    @contextmanager
    def at(self, place: str) -> Iterator[None]:
        """Note what is wrong with what is read here, which stays unread."""
        try:
            yield
        except ModelError as error:
            lines = str(error).splitlines()
            self.found += [line if line.startswith(self.where) else f"{place}: {line}" for line in lines]
        except (TypeError, ValueError, AttributeError, ArithmeticError, LookupError, RecursionError):
            # A value of a shape that nobody thought of: a sentence all the same.
            self.found.append(f"{place}: a value of this table is of another kind than it must be")

    def table(
        self, value: object, place: str, keys: Sequence[str], needed: Sequence[str] = ()
    ) -> dict[str, Any] | None:
        """Return what is right in a table; None where it is none, or something needed is missing or wrong."""
        if not isinstance(value, dict):
            self.found.append(f"{place}: a table is expected, not {shown(value)}")
            return None
        found = [f"unknown key {key!r}" + suggestion(key, keys) for key in value if key not in keys]
        found += [f"the key {key!r} is missing" for key in needed if key not in value]
        right = {key: content for key, content in value.items() if key in keys}
        for key in [key for key in right if key not in _NOT_TEXT and not isinstance(right[key], str)]:
            found.append(f"{key} is text, not {shown(right.pop(key))}")
        self.found += [f"{place}: {each}" for each in found]
        return right if set(needed) <= set(right) else None

    def refuse(self) -> None:
        """Raise ModelError with every fault, if there is one."""
        if len(self.found) == 1:
            raise ModelError(self.found[0])
        if self.found:
            raise ModelError(
                listed(self.where, [each.removeprefix(self.where).lstrip(":, ") for each in self.found])
            )


def _causes(table: Mapping[str, Any], where: str, faults: _Faults) -> list[Cause]:
    causes: list[Cause] = []
    for entry in _listed(table.get("baseline", [])):
        with faults.at(f"{where}, baseline"):
            home = {"formula": entry} if isinstance(entry, str) else entry
            fields = faults.table(home, f"{where}, baseline", _BASELINE)
            if fields is not None:
                causes.append(baseline(fields.get("formula", "1"), fields.get("name", "baseline")))
    for number, entry in enumerate(_listed(table.get("contagion", [])), start=1):
        place = f"{where}, contagion {number}"
        with faults.at(place):
            fields = faults.table(entry, place, _CONTAGION, ("layer", "when"))
            if fields is not None:
                causes.append(contagion(**{key: value for key, value in fields.items() if key != "note"}))
    return causes


def _variables(tables: object, where: str, faults: _Faults) -> list[StateVariable]:
    if not isinstance(tables, dict):
        raise ModelError(f"{where}: [variables.NAME] tables are expected")
    variables = []
    for name, entry in tables.items():
        place = f"{where}, variables.{name}"
        with faults.at(place):
            fields = faults.table(entry, place, _VARIABLE, ("states",))
            if fields is None:
                continue
            if not isinstance(fields["states"], list) or not isinstance(fields.get("recurrent", False), bool):
                raise ModelError("states is a list and recurrent is true or false")
            for each in fields["states"]:
                if isinstance(each, list | dict):
                    raise ModelError(f"a state is a name, not {shown(each)}")
            variables.append(StateVariable(name, **fields))
    return variables


def read_model(source: str | Path, unnamed: str = "model") -> Model:
    """Read a model from a TOML file or text; raise ModelError that lists every fault with its place."""
    content, where = load_toml(source, unnamed)
    refuse_format(content, where)
    faults = _Faults(where)
    keys = ("format", "title", "note", "variables", "transition")
    if faults.table(content, where, keys, ("variables", "transition")) is None:
        faults.refuse()
    variables = _variables(content["variables"], where, faults)
    transitions = []
    for number, entry in enumerate(_listed(content["transition"]), start=1):
        place = f"{where}, transition {number}"
        with faults.at(place):
            before = len(faults.found)
            fields = faults.table(entry, place, _TRANSITION, ("variable", "from", "to"))
            causes = _causes(entry if isinstance(entry, dict) else {}, place, faults)
            if fields is None or (not causes and len(faults.found) > before):
                continue
            origin, requires = fields["from"], fields.get("requires")
            transitions.append(
                Transition(fields["variable"], origin, fields["to"], *causes, requires=requires)
            )
    faults.refuse()
    with faults.at(where):
        return Model(variables, transitions, "" if where == unnamed == "model" else where)
    faults.refuse()
    raise AssertionError("a model that cannot be made has a fault")


def _cause_table(cause: Cause) -> dict[str, Any]:
    if isinstance(cause, Baseline):
        return {"formula": cause.formula, "name": cause.name}
    fields = {key: getattr(cause, key) for key in _CONTAGION if key != "note"}
    if cause.name == cause.layer:
        del fields["name"]
    fields["shared"] = list(cause.shared)
    return {key: value for key, value in fields.items() if value is not None and value not in ([], False)}


def write_model(model: Model) -> str:
    """Return the model as TOML text."""
    import tomli_w

    variables: dict[str, Any] = {}
    for variable in model.variables:
        variables[variable.name] = {"states": list(variable.states), "initial": variable.initial}
        if variable.recurrent:
            variables[variable.name]["recurrent"] = True
    transitions = []
    for transition in model.transitions:
        table: dict[str, Any] = {
            "variable": transition.variable,
            "from": "|".join(transition.origin),
            "to": transition.to,
        }
        if transition.requires is not None:
            table["requires"] = transition.requires
        homes = [_cause_table(cause) for cause in transition.causes if isinstance(cause, Baseline)]
        abroad = [_cause_table(cause) for cause in transition.causes if isinstance(cause, Contagion)]
        if homes:
            table["baseline"] = homes
        if abroad:
            table["contagion"] = abroad
        transitions.append(table)
    return tomli_w.dumps({"format": FORMAT, "variables": variables, "transition": transitions})


def describe_html(model: Model) -> str:
    """Return the model as an HTML table: one row a cause."""
    rows = []
    for transition in model.transitions:
        for cause in transition.causes:
            if isinstance(cause, Baseline):
                cells = [transition.name, cause.name, cause.formula, "", ""]
            else:
                memory = "while" if cause.half_life is None else f"half-life {cause.half_life}"
                cells = [transition.name, cause.name, cause.susceptibility, cause.when, memory]
            rows.append("".join(f"<td>{html.escape(cell)}</td>" for cell in cells))
    head = "".join(f"<th>{name}</th>" for name in ("transition", "cause", "terms", "when", "memory"))
    return f"<table><tr>{head}</tr>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"
