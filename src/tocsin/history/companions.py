"""Files that may lie beside a history and say more of it: its ledger, what-ifs for a class, and a tour."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tocsin.history.record import History

LEDGER, SCENARIOS, TOUR = "ledger.toml", "scenarios.toml", "tour.toml"


def beside(history: History, name: str) -> Path | None:
    """Return a file of the folder that a history was read from, or None where it has none."""
    known = [path for path in (history.model_path, history.claims_path) if path is not None]
    for path in known:
        if (found := path.parent / name).is_file():
            return found
    return None
