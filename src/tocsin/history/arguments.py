"""What `History` is handed besides tables: state variables, layers, values outside; faults go to the report."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from tocsin.errors import nearest
from tocsin.history.problems import Report
from tocsin.words import StateVariable


def read_variables(variables: object, report: Report) -> tuple[StateVariable, ...]:
    """Return the state variables that were handed in, each name once."""
    if isinstance(variables, StateVariable):
        variables = [variables]
    if not isinstance(variables, Iterable) or isinstance(variables, str | bytes):
        report.add(
            "history", "variables must be a list of StateVariable", column="variables", value=variables
        )
        return ()
    found = list(variables)
    wrong = [variable for variable in found if not isinstance(variable, StateVariable)]
    for variable in wrong:
        report.add("history", "variables must be a list of StateVariable", column="variables", value=variable)
    kept = [variable for variable in found if isinstance(variable, StateVariable)]
    names = [variable.name for variable in kept]
    for name in sorted({name for name in names if names.count(name) > 1}):
        report.add("history", "two state variables have this name", column="variables", value=name)
    return tuple({variable.name: variable for variable in kept}.values())


def read_layers(layers: object, report: Report) -> tuple[dict[str, str | None], bool]:
    """Return combine rules by layer, and whether these are all the layers there are (a plain list says so)."""
    if layers is None:
        return {}, False
    if isinstance(layers, Mapping):
        rules: dict[str, str | None] = {}
        for name, rule in layers.items():
            wanted = rule.get("combine") if isinstance(rule, Mapping) else rule
            if isinstance(rule, Mapping):
                for key in rule:
                    if key != "combine":
                        report.add(
                            "history",
                            f"unknown key of layer {name!r}",
                            column="layers",
                            value=key,
                            nearest=nearest(str(key), ["combine"]),
                        )
            if wanted not in (None, "max", "sum"):
                report.add(
                    "history",
                    f'layer {name!r}: combine is "max" or "sum"',
                    column="layers",
                    value=wanted,
                    nearest=nearest(str(wanted), ["max", "sum"]),
                )
                wanted = "max"  # whatever was meant, parallel ties of this layer are no further fault
            rules[str(name)] = wanted
        return rules, False
    if isinstance(layers, Iterable) and not isinstance(layers, str | bytes):
        return {str(name): None for name in layers}, True
    report.add(
        "history", "layers must be a list of names or a dict of combine rules", column="layers", value=layers
    )
    return {}, False


def read_outside(outside: Mapping[str, float] | None, report: Report) -> dict[str, float]:
    """Return values of covariates outside their rows, those that are finite numbers."""
    found: dict[str, float] = {}
    for name, value in (outside or {}).items():
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            report.add(
                "history",
                f"bad number: the value of {name!r} outside must be finite",
                column="outside",
                value=value,
            )
            continue
        found[str(name)] = number + 0.0
    return found
