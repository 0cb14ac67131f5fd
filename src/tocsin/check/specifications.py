"""The specifications of a multiverse: choices that others could have made, read from a small TOML file."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tocsin.errors import ModelError, suggestion
from tocsin.model.declaration import Baseline, Contagion, Transition, contagion
from tocsin.model.declaration import baseline as home
from tocsin.model.model import Model
from tocsin.model.toml import load_toml, refuse_format
from tocsin.states import StateVariable

FILE = ("format", "title", "note", "worlds", "seed", "move", "vary")
MOVE = ("variable", "from", "to", "when", "always")
DATA = ("scope", "dates", "confidence", "coding")
VARY: dict[str, list[Any]] = {  # what stands where a file does not vary it
    "scope": [None],
    "dates": ["record"],
    "confidence": ["any"],
    "coding": ["record"],
    "layers": [],
    "memory": ["none"],
    "normalise": ["none"],
    "covariates": ["1"],
}
RATED = ("any", "low", "medium", "high")


@dataclass(frozen=True)
class Specification:
    """One choice of each kind.

    Attributes:
        choices: what was chosen, by kind, as the file has it.
    """

    choices: Mapping[str, Any]

    @property
    def data(self) -> str:
        """Return the choices that make the data, as text."""
        return json.dumps([self.choices[kind] for kind in DATA], sort_keys=True)

    def words(self, kind: str) -> str:
        """Return a choice as a cell of a table."""
        value = self.choices[kind]
        if isinstance(value, dict):
            return str(value.get("name") or f"largest of {', '.join(value['largest'])}")
        if isinstance(value, list):
            return ", ".join(pooled(each)[0] for each in value)
        return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class MultiversePlan:
    """What a file asks.

    Attributes:
        where: what messages call the file.
        variable, origin, to: the move that is explained.
        when: the states of the sources.
        always: contagions that belong to home and stand in every specification.
        worlds, seed: how often units' courses are dealt out anew for the joint test, and from which seed.
        specifications: all combinations of the choices.
    """

    where: str
    title: str
    variable: str
    origin: str
    to: str
    when: str
    always: tuple[Contagion, ...]
    worlds: int
    seed: int
    specifications: tuple[Specification, ...] = field(repr=False)

    @property
    def largest(self) -> list[list[str]]:
        """Return the sets of layers of which the largest tie is asked for."""
        found = {
            tuple(part["largest"]): None
            for each in self.specifications
            for part in _parts(each.choices["layers"])
            if isinstance(part, dict)
        }
        return [list(names) for names in found]

    def model(self, specification: Specification, variables: Sequence[StateVariable]) -> tuple[Model, Model]:
        """Return the models of a specification: home alone, and with example."""
        chosen = specification.choices
        memory = None if chosen["memory"] == "none" else chosen["memory"]
        normalise = None if chosen["normalise"] == "none" else chosen["normalise"]
        example = []
        for part in _parts(chosen["layers"]):
            layer = pooled(part)[0]
            name = f"example {layer}"
            example.append(contagion(layer, self.when, half_life=memory, normalise=normalise, name=name))
        base: list[Baseline | Contagion] = [home(chosen["covariates"]), *self.always]
        return (
            Model(variables, [Transition(self.variable, self.origin, self.to, *base)]),
            Model(variables, [Transition(self.variable, self.origin, self.to, *base, *example)]),
        )


def pooled(part: str | Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return the name of a layer and the layers that it is made of."""
    if isinstance(part, str):
        return part, [part]
    return "largest of " + " and ".join(part["largest"]), list(part["largest"])


def _parts(layers: Any) -> list[Any]:
    return layers if isinstance(layers, list) else [layers]


def read_plan(source: str | Path) -> MultiversePlan:
    """Read a SPEC.toml; raise ModelError that names the file, the key, the value and the nearest name."""
    content, where = load_toml(source, "multiverse")
    refuse_format(content, where)
    _keys(content, FILE, where, ("move", "vary"))
    move = _keys(content["move"], MOVE, f"{where}, move", ("variable", "from", "to"))
    for key in ("variable", "from", "to", "when"):
        if key in move and not isinstance(move[key], str):
            raise ModelError(f"{where}, move: {key} is text, not {move[key]!r}")
    when = move.get("when", f"{move['variable']}={move['to']}")
    always = []
    for number, entry in enumerate(move.get("always", []), 1):
        place = f"{where}, move, always {number}"
        fields = _keys(entry, ("layer", "when", "half_life", "normalise"), place, ("layer",))
        try:
            always.append(contagion(**({"when": when} | dict(fields))))
        except ModelError as error:
            raise ModelError(f"{place}: {error}") from None
    vary = _keys(content["vary"], tuple(VARY), f"{where}, vary", ("layers",))
    for kind, values in vary.items():
        _check(kind, values, f"{where}, vary, {kind}")
    kinds = VARY | dict(vary)
    kinds["memory"] = [float(x) if isinstance(x, int) else x for x in kinds["memory"]]
    given = [
        Specification(dict(zip(kinds, each, strict=True))) for each in itertools.product(*kinds.values())
    ]
    numbers = {}
    for key, least, default in (("worlds", 0, 99), ("seed", 0, 1917)):
        value = content.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ModelError(f"{where}: {key} is a whole number of at least {least}, not {value!r}")
        numbers[key] = value
    names = (move["variable"], move["from"], move["to"], when, tuple(always))
    return MultiversePlan(
        where, str(content.get("title", "")), *names, numbers["worlds"], numbers["seed"], tuple(given)
    )


def _keys(value: Any, known: Sequence[str], where: str, needed: Sequence[str] = ()) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ModelError(f"{where}: a table is expected, not {value!r}")
    for key in value:
        if key not in known:
            raise ModelError(f"{where}: unknown key {key!r}" + suggestion(key, known))
    for key in needed:
        if key not in value:
            raise ModelError(f"{where}: the key {key!r} is missing")
    return value


def _check(kind: str, values: Any, where: str) -> None:
    """Refuse what cannot be chosen; names of layers, scopes, columns and codings are for the history to know."""
    if not isinstance(values, list) or not values:
        raise ModelError(f"{where}: a list of choices is expected, not {values!r}")
    for value in values:
        if kind == "layers":
            for part in _parts(value):
                names = part
                if isinstance(part, dict):
                    names = _keys(part, ("largest",), where, ("largest",))["largest"]
                many = isinstance(names, list) and len(names) > 1 and all(isinstance(x, str) for x in names)
                if not (isinstance(part, str) or (isinstance(part, dict) and many)):
                    raise ModelError(
                        f'{where}: a choice is a layer, a list of layers, or {{ largest = ["a", "b"] }}, not {value!r}'
                    )
        elif kind == "memory":
            number = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
            if not (number or value in ("none", "estimate")):
                raise ModelError(
                    f"{where}: 'none', 'estimate' or a half-life in units of the clock, not {value!r}"
                )
        elif kind == "coding" and isinstance(value, dict):
            fields = _keys(value, ("name", "without"), where, ("name", "without"))
            if not isinstance(fields["without"], list) or not all(
                isinstance(x, str) for x in fields["without"]
            ):
                raise ModelError(
                    f'{where}: without is a list of "UNIT" or "UNIT DATE", not {fields["without"]!r}'
                )
        elif not isinstance(value, str):
            raise ModelError(f"{where}: a choice is text, not {value!r}")
        known = {"confidence": RATED, "normalise": ("none", "target")}.get(kind)
        if known is not None and value not in known:
            raise ModelError(f"{where}: {value!r} is none of {', '.join(known)}" + suggestion(value, known))
    if any(value in values[:place] for place, value in enumerate(values)):
        raise ModelError(f"{where}: the same choice stands twice")


def limited(plan: MultiversePlan, worlds: int | None, seed: int | None) -> MultiversePlan:
    """Return the plan with other numbers of worlds or another seed, where they are given."""
    return replace(
        plan, worlds=plan.worlds if worlds is None else worlds, seed=plan.seed if seed is None else seed
    )
