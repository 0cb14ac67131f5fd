"""The whole command line: every verb, registered by being imported here."""

from __future__ import annotations

from tocsin.cli import (  # noqa: F401  (each verb puts itself on the app)
    verb_attribute,
    verb_check,
    verb_claims,
    verb_congress,
    verb_draw,
    verb_explore,
    verb_fit,
    verb_forecast,
    verb_gather,
    verb_histories,
    verb_intake,
    verb_ledger,
    verb_monitor,
    verb_multiverse,
    verb_new,
    verb_publish,
    verb_replay,
    verb_support,
    verb_validate,
    verb_what_if,
)
from tocsin.cli.command_line import app

__all__ = ["app"]
