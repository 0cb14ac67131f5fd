"""A model as TOML, with the same words as the declaration in Python."""

from __future__ import annotations

import html
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tocsin.errors import ModelError, suggestion
from tocsin.files.format import FORMAT, format_fault
from tocsin.files.reading import read_text
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
    "note",
)


def load_toml(source: str | Path, unnamed: str) -> tuple[dict[str, Any], str]:
    """Return what a TOML file or text holds, and what messages call it: the file, or `unnamed`.

    Raises:
        ModelError: it cannot be read, or is not TOML.
    """
    is_file = isinstance(source, Path) or "\n" not in source
    where = str(source) if is_file else unnamed
    try:
        text = read_text(source) if is_file else str(source)
        return tomllib.loads(text), where
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"{where}: not TOML: {error}") from None
    except UnicodeDecodeError as error:
        raise ModelError(f"{where}: not UTF-8 at byte {error.start}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ModelError(f"{where}: cannot be read: {reason}") from None


def refuse_format(content: Mapping[str, Any], where: str) -> None:
    """Refuse a file that people write whose format is another one; raise ModelError."""
    fault = format_fault(content, required=False)
    if fault is not None:
        raise ModelError(f"{where}: {fault}")


def _table(value: object, where: str, keys: Sequence[str], needed: Sequence[str] = ()) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ModelError(f"{where}: a table is expected, not {value!r}")
    for key in value:
        if key not in keys:
            raise ModelError(f"{where}: unknown key {key!r}" + suggestion(key, keys))
    for key in needed:
        if key not in value:
            raise ModelError(f"{where}: the key {key!r} is missing")
    for key, content in value.items():
        if key not in _NOT_TEXT and not isinstance(content, str):
            raise ModelError(f"{where}: {key} is text, not {content!r}")
    return value


def _listed(value: object, where: str) -> list[object]:
    return value if isinstance(value, list) else [value]


def _transition(table: Mapping[str, Any], where: str) -> Transition:
    causes: list[Cause] = []
    for entry in _listed(table.get("baseline", []), where):
        if isinstance(entry, str):
            causes.append(baseline(entry))
        else:
            fields = _table(entry, f"{where}, baseline", _BASELINE)
            causes.append(baseline(fields.get("formula", "1"), fields.get("name", "baseline")))
    for number, entry in enumerate(_listed(table.get("contagion", []), where), start=1):
        fields = _table(entry, f"{where}, contagion {number}", _CONTAGION, ("layer", "when"))
        causes.append(contagion(**{key: value for key, value in fields.items() if key != "note"}))
    origin = table["from"]
    if not isinstance(origin, str | list):
        raise ModelError(f"{where}: from is a state or a list of states, not {origin!r}")
    return Transition(table["variable"], origin, table["to"], *causes, requires=table.get("requires"))


def read_model(source: str | Path, unnamed: str = "model") -> Model:
    """Read a model from a TOML file or text; raise ModelError that names the file, the place and the cure."""
    content, where = load_toml(source, unnamed)
    refuse_format(content, where)
    _table(
        content, where, ("format", "title", "note", "variables", "transition"), ("variables", "transition")
    )
    variables = []
    tables = content["variables"]
    if not isinstance(tables, dict):
        raise ModelError(f"{where}: [variables.NAME] tables are expected")
    for name, entry in tables.items():
        fields = _table(entry, f"{where}, variables.{name}", _VARIABLE, ("states",))
        if not isinstance(fields["states"], list) or not isinstance(fields.get("recurrent", False), bool):
            raise ModelError(f"{where}, variables.{name}: states is a list and recurrent is true or false")
        for each in fields["states"]:
            if isinstance(each, list | dict):
                raise ModelError(f"{where}, variables.{name}: a state is a name, not {each!r}")
        try:
            variables.append(StateVariable(name, **fields))
        except ModelError as error:
            raise ModelError(f"{where}, variables.{name}: {error}") from None
    transitions = []
    for number, entry in enumerate(_listed(content["transition"], where), start=1):
        place = f"{where}, transition {number}"
        fields = _table(entry, place, _TRANSITION, ("variable", "from", "to"))
        try:
            transitions.append(_transition(fields, place))
        except ModelError as error:
            message = str(error)
            raise ModelError(message if message.startswith(place) else f"{place}: {message}") from None
        except (TypeError, ValueError, AttributeError, ArithmeticError, LookupError, RecursionError) as error:
            # A value of a shape that nobody thought of: a sentence all the same.
            raise ModelError(f"{place}: cannot be read: {error}") from None
    try:
        return Model(variables, transitions, "" if where == "model" else where)
    except ModelError as error:
        raise ModelError(f"{where}: {error}") from None


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
