"""The manifest: all that is needed to repeat a replay to the bit, and to see whether it was."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Group
from rich.text import Text

from tocsin.ensemble.parameter_draws import Draws
from tocsin.errors import TocsinError
from tocsin.files.csv_for_people import write_tables
from tocsin.files.format import format_fault
from tocsin.files.reading import read_text
from tocsin.files.results import SUPPORT, stopped
from tocsin.report.terminal import frame_table

if TYPE_CHECKING:
    from tocsin.history.history import History
    from tocsin.model.model import Model
    from tocsin.support.allocate import Allocation

_PACKAGES = ("tocsin", "numpy", "scipy", "numba", "pandas", "pyarrow", "altair", "vl-convert-python")

_NEEDED = (
    "history",
    "model",
    "parameters",
    "seed",
    "worlds",
    "interventions",
    "window",
    "wave",
    "fit",
    "files",
)


@dataclass(frozen=True)
class Manifest:
    """What was run, as the content of `manifest.json`."""

    content: dict[str, Any]

    @staticmethod
    def read(path: Path) -> Manifest:
        """Read a manifest; raise TocsinError if it is missing, broken or of another form."""
        try:
            content = json.loads(read_text(path, 2**30))
        except (OSError, UnicodeDecodeError) as error:
            missing_because = stopped(path.parent) if isinstance(error, FileNotFoundError) else ""
            reason = missing_because or getattr(error, "strerror", None) or str(error)
            raise TocsinError(f"{path}: cannot be read: {reason}") from None
        except json.JSONDecodeError as error:
            raise TocsinError(f"{path}, line {error.lineno}: not JSON: {error.msg}") from None
        if not isinstance(content, dict) or content.get("verb") != "replay":
            raise TocsinError(f"{path}: not the manifest of a replay")
        fault = format_fault(content)
        if fault is not None:
            raise TocsinError(f"{path}: this manifest cannot be read: {fault}")
        missing = [key for key in _NEEDED if key not in content]
        if missing:
            raise TocsinError(f"{path}: the manifest lacks {', '.join(missing)}")
        _check_kinds(content, path)
        return Manifest(content)

    def check_worlds(self, path: Path) -> None:
        """Refuse a manifest whose worlds or seed are not those of the ensemble beside it, if there is one.

        Parameters:
            path: the manifest's own.
        """
        from tocsin.ensemble.on_disk import facts_of

        beside = path.with_name("ensemble.parquet")
        if not beside.is_file():
            return
        facts = facts_of(beside)
        for key in ("worlds", "seed"):
            if facts.get(key) != self.content[key]:
                raise TocsinError(
                    f"{path}: {key} is {self.content[key]}, but {beside.name} beside it has {facts.get(key)}"
                )

    @property
    def parameters(self) -> dict[str, float]:
        """Return the stored parameters, exact."""
        return {name: float(value) for name, value in self.content["parameters"].items()}

    @property
    def draws(self) -> Draws | None:
        """Return the stored draws of the parameters, exact; None where all worlds are at the best estimates."""
        return Draws.read(self.content.get("draws"))

    def changed_versions(self) -> list[str]:
        """Return what differs between the machine of the manifest and this one, as 'numpy 2.0 -> 2.1'."""
        then, now = self.content.get("versions", {}), versions()
        return [f"{key} {then.get(key)} -> {now.get(key)}" for key in now if then.get(key) != now.get(key)]


def _check_kinds(content: dict[str, Any], path: Path) -> None:
    def refuse(what: str) -> TocsinError:
        return TocsinError(f"{path}: the manifest's {what} cannot be read")

    for key, inner in (("history", "digest"), ("model", "toml")):
        if not isinstance(content[key], dict) or not isinstance(content[key].get(inner), str):
            raise refuse(key)
    if not isinstance(content["fit"], dict) or not isinstance(content["fit"].get("learned"), dict):
        raise refuse("fit")
    for key in ("seed", "worlds"):
        if not isinstance(content[key], int) or isinstance(content[key], bool) or content[key] < 0:
            raise refuse(key)
    for key in ("interventions", "window"):
        if not isinstance(content[key], list):
            raise refuse(key)
    for key, usual in (("given", "nothing"), ("clocks", "cause")):  # older manifests have neither
        if not isinstance(content.get(key, usual), str):
            raise refuse(key)
    if (
        len(content["window"]) != 2
        or not isinstance(content["files"], dict)
        or not isinstance(content["wave"], str)
    ):
        raise refuse("window, files or wave")
    try:
        for value in content["parameters"].values():
            float(value)
    except (AttributeError, TypeError, ValueError):
        raise refuse("parameters") from None
    try:
        Draws.read(content.get("draws"))
    except ValueError:
        raise refuse("draws") from None


def versions() -> dict[str, str]:
    """Return the versions of what a result depends on."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def facts_of(source: str, history: History, model_source: str, model: Model) -> dict[str, Any]:
    """Return what was run upon, and by which versions, as a manifest has it."""
    toml = model.to_toml()
    return {
        "versions": versions(),
        "history": {
            "source": source,
            "title": history.title,
            "digest": history.digest,
            **({"scope": history.scope} if history.scope else {}),
        },
        "model": {
            "source": model_source,
            "toml": toml,
            "digest": hashlib.sha256(toml.encode()).hexdigest(),
        },
    }


def run_folder(name: str, digest: str) -> Path:
    """Return ``runs/NAME-<date>-<digest>``, with letters that any file system takes."""
    kept = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)
    return Path("runs") / f"{kept}-{date.today().isoformat()}-{digest}"


def short_digest(*parts: object) -> str:
    """Return eight hexadecimal digits that name a run."""
    text = "\x1f".join(str(part) for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


# --- A plan for scarce support in a terminal: the plan, what else was tried, and what neither can
#     say


def plan_table(allocation: Allocation) -> pd.DataFrame:
    """Return the plan as it is read: place, days, weight, and the gain with its interval."""
    plan = allocation.plan
    table = pd.DataFrame({"place": plan["place"]})
    if "weight" in plan:
        table["from"], table["to"] = (_days(plan[column]) for column in ("start", "end"))
        table["weight"] = plan["weight"]
    if "kind" in plan:
        table["in the record then"] = [kind or "nothing of a named kind" for kind in plan["kind"]]
    table["gain, on top of those above"] = [
        _range(*row) for row in plan[["gain", "lower", "upper"]].to_numpy()
    ]
    return table


def compared_table(allocation: Allocation) -> pd.DataFrame:
    """Return the comparison as it is read: budget, outcome, gain over nothing, and how far behind the plan."""
    compared = allocation.compared
    table = compared[["allocation", "budget", "outcome"]].copy()
    table["gain over nothing"] = [_range(*row) for row in compared[["gain", "lower", "upper"]].to_numpy()]
    table["worlds changed, of 100"] = [f"{100 * share:.1f}" for share in compared["worlds_changed"]]
    behind = compared[["behind_plan", "behind_lower", "behind_upper"]].to_numpy()
    table["behind the plan"] = [
        "" if name == "plan" else _range(*row)
        for name, row in zip(compared["allocation"], behind, strict=True)
    ]
    return table


def support_page(allocation: Allocation) -> Group:
    """Return the whole answer for a terminal."""
    parts = [
        frame_table(
            plan_table(allocation),
            f"Where it does most: {allocation.outcome}",
            ("in the record then", "weight", "to"),
        )
        if len(allocation.plan)
        else Text("No candidate gains anything in the worlds of the search: the plan is to spend nothing."),
        frame_table(
            compared_table(allocation),
            f"Beside other ways, in {allocation.fresh:,} fresh worlds",
            ("worlds changed, of 100", "outcome", "budget"),
        ),
    ]
    return Group(*parts, *(Text(note) for note in allocation.notes()))


def write_plan(allocation: Allocation, folder: Path) -> None:
    """Write plan.csv and compared.csv; raise TocsinError if the folder cannot be written."""
    write_tables(folder, SUPPORT, {"plan": allocation.plan, "compared": allocation.compared})


def _range(middle: float, low: float, high: float) -> str:
    return f"{figure(middle)} ({figure(low)} to {figure(high)})"


def figure(value: float) -> str:
    """Return a number in three figures, and a large one whole."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _days(column: pd.Series[Any]) -> list[str]:
    return [f"{cell:g}" if isinstance(cell, float) else str(cell)[:10] for cell in column]
