"""Interventions: frozen changes of a program, which read and print as sentences."""

from tocsin.program.interventions.apply import Changed, checked, intervene
from tocsin.program.interventions.checks import check
from tocsin.program.interventions.declared import (
    Intervention,
    add_tie,
    change_parameter,
    delay,
    force,
    lift,
    prevent,
    remove_cause,
    remove_layer,
    remove_tie,
    remove_unit,
    rewire_layer,
    scale,
    scale_cause,
    scale_layer,
    scale_tie,
    set_covariate,
    shift,
)
from tocsin.program.interventions.sentences import parse, parse_all, read

__all__ = [
    "Changed",
    "Intervention",
    "add_tie",
    "change_parameter",
    "check",
    "checked",
    "delay",
    "force",
    "intervene",
    "lift",
    "parse",
    "parse_all",
    "prevent",
    "read",
    "remove_cause",
    "remove_layer",
    "remove_tie",
    "remove_unit",
    "rewire_layer",
    "scale",
    "scale_cause",
    "scale_layer",
    "scale_tie",
    "set_covariate",
    "shift",
]
