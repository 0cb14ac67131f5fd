"""A multiverse: one question answered under every combination of choices that others could have made.

Shares of specifications are no probabilities: specifications share their data, and somebody chose which to try. What
is tested is one summary of all of them at once, the median gain, against histories in which the courses of events are
dealt out anew among units, the same way for every specification (Simonsohn, Simmons & Nelson 2020; Steegen, Tuerlinckx,
Gelman & Vanpaemel 2016).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.check.other_data import OtherData, other_data
from tocsin.check.placebo import deal, dealt
from tocsin.check.specifications import VARY, MultiversePlan, Specification, read_plan
from tocsin.ensemble.simulate import threads
from tocsin.errors import TocsinError
from tocsin.files.reading import read_text
from tocsin.files.whole import to_json, write_whole
from tocsin.fit.maximum.imputation import solve
from tocsin.fit.predict import complete
from tocsin.history.history import History, load_history
from tocsin.model.declaration import BAR
from tocsin.program.compile import join

if TYPE_CHECKING:
    import pandas as pd

    from tocsin.fit.maximum.search import Task
    from tocsin.model.model import Model
    from tocsin.program.program import Program

Progress = Callable[[str, int, int], None]
FOLDER = "specifications"  # of the folder of results: what is done, one file each, from which a run goes on
NORMAL = 1.959963984540054  # 97.5% of the standard normal lie below
VERSION = 1  # of those files


@dataclass(frozen=True)
class Multiverse:
    """What all specifications say.

    Attributes:
        table: a row a specification: the choices; `data`, a letter for each set of events and rows at risk; events;
            the log-likelihoods of home alone and with example and their difference `gain`; `share`, the part of the
            events that the fit gives to example; `aic`, and `aic_behind` the best of the same data, the only ones with
            which a score can be compared.
        strengths: a row a specification and layer: the events a unit of the clock along a tie of weight 1, with the
            95% interval, the half-life, and `mass`, strength times half-life over ln 2 (events that one source sets
            off along such a tie).
        null: the median gain in each world whose courses were dealt out anew.
        same: combinations left out because another one has the same data and the same model.
        resumed: specifications that were taken from an earlier run.
    """

    plan: MultiversePlan = field(repr=False)
    table: pd.DataFrame = field(repr=False)
    strengths: pd.DataFrame = field(repr=False)
    null: np.ndarray = field(repr=False)
    same: int
    resumed: int

    @property
    def median_gain(self) -> float:
        """Return the median over the specifications of the gain in log-likelihood over home alone."""
        return float(np.nanmedian(self.table["gain"]))

    @property
    def p(self) -> float:
        r"""Return the p of the joint test, :math:`(1 + \#\{m_b \ge m\}) / (1 + B)`; NaN without worlds."""
        if not self.null.size:
            return math.nan
        return float((1 + (self.null >= self.median_gain - 1e-9).sum()) / (1 + self.null.size))


def multiverse(
    history: str | Path | History,
    plan: str | Path | MultiversePlan,
    folder: str | Path | None = None,
    worlds: int | None = None,
    seed: int | None = None,
    progress: Progress | None = None,
) -> Multiverse:
    """Fit every specification of a plan, and test the median gain of example against none.

    Parameters:
        history: a packaged name, a folder, or a history (whose scope then stays what it is).
        plan: a SPEC.toml.
        folder: where what is done is kept, so that a run that was stopped goes on; None to keep nothing.
        worlds, seed: of the joint test, in place of those of the plan.
        progress: called with what is being done, specifications done and in all.

    Raises:
        ModelError: the plan is wrong, or names what the history does not have.

    Source: Steegen et al. (2016); Simonsohn et al. (2020), whose joint inference shuffles likewise.

    >>> move = '[move]\\nvariable = "regime"\\nfrom = "old"\\nto = "soviet"\\n'
    >>> plan = f'worlds = 2\\n{move}[vary]\\nlayers = ["language"]'
    >>> _ = open("SPEC.toml", "w").write(plan)
    >>> tc.multiverse("1917", "SPEC.toml").table
    """
    from tocsin.check.specifications import limited

    asked = limited(plan if isinstance(plan, MultiversePlan) else read_plan(plan), worlds, seed)
    work = _Work(asked, history)
    todo, same = work.distinct(progress)
    kept = None if folder is None else Path(folder) / FOLDER
    done: dict[int, dict[str, Any]] = {}
    for number, key in enumerate(todo):
        found = None if kept is None else _earlier(kept / f"{key}.json")
        if found is not None:
            done[number] = found
    resumed = len(done)

    def one(number: int) -> tuple[int, dict[str, Any]]:
        key, specification = list(todo.items())[number]
        found = work.answer(specification)
        if kept is not None:
            write_whole(kept / f"{key}.json", to_json(found | {"version": VERSION}), clear=False)
        return number, found

    waiting = [number for number in range(len(todo)) if number not in done]
    with ThreadPoolExecutor(threads()) as pool:
        for number, found in pool.map(one, waiting):
            done[number] = found
            if progress is not None:
                progress("fitting specifications", len(done), len(todo))
    return _told(asked, list(todo.values()), [done[number] for number in range(len(todo))], same, resumed)


def _earlier(path: Path) -> dict[str, Any] | None:
    """Return what an earlier run found; None where it did not, or where the file is not what it wrote."""
    if not path.is_file():
        return None
    try:
        found = json.loads(read_text(path))
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.get("version") == VERSION else None


class _Work:
    """What specifications have in common: their data, worlds dealt out anew, and fits of home alone."""

    def __init__(self, plan: MultiversePlan, history: str | Path | History) -> None:
        self.plan, self.source = plan, history
        self.data: dict[str, OtherData] = {}
        self.deals: list[np.ndarray] = []
        self.homes: dict[tuple[str, str], list[float]] = {}
        self.dealt: dict[str, list[History]] = {}
        self.bases: dict[str | None, History] = {}

    def distinct(self, progress: Progress | None) -> tuple[dict[str, Specification], int]:
        """Return the specifications that differ in data or model, by a digest of all that their answer hangs on."""
        found: dict[str, Specification] = {}
        every = self.plan.specifications
        for done, each in enumerate(every, 1):
            if each.data not in self.data:
                self.data[each.data] = self._data(each)
            model = self._models(each)[1]
            said = (self.data[each.data].history.digest, repr(model), self.plan.worlds, self.plan.seed)
            found.setdefault(hashlib.sha256(repr(said).encode()).hexdigest()[:32], each)
            if progress is not None:
                progress("reading the data of each choice", done, len(every))
        first = next(iter(self.data.values())).history
        rngs = np.random.default_rng(self.plan.seed).spawn(self.plan.worlds)
        self.deals = [deal(first, rng) for rng in rngs]
        return found, len(every) - len(found)

    def _data(self, each: Specification) -> OtherData:
        chosen, scope = each.choices, each.choices["scope"]
        if scope not in self.bases:
            self.bases[scope] = self._read(scope)
        base = self.bases[scope]
        said = (chosen["dates"], chosen["confidence"], chosen["coding"])
        return other_data(base, *said, self.plan.largest, self.plan.where)

    def _read(self, scope: str | None) -> History:
        if not isinstance(self.source, History):
            return load_history(self.source, scope)
        if scope not in (None, self.source.scope):
            raise TocsinError(
                "a history that is read already keeps its scope: give its name or folder instead"
            )
        return self.source

    def _models(self, each: Specification) -> tuple[Model, Model]:
        return self.plan.model(each, self.data[each.data].history.variables)

    def answer(self, each: Specification) -> dict[str, Any]:
        """Return what a specification says, and its gain in every world dealt out anew."""
        data = self.data[each.data]
        small, large = self._models(each)
        events = self._events(data.history)
        rows = {"left_out": data.left_out, "moved": data.moved, "kept": data.kept, "data": events[1]}
        fit = large.fit(data.history)
        homes = self._homes(each, small)
        task = fit.search[0]
        ends = _in_worlds(task, large, self._dealt(each.data))
        first = large.transitions[0].name
        params, spread = fit.params, np.sqrt(np.diag(fit.vcov.to_numpy()))
        errors = dict(zip(params.index, spread, strict=True))
        strengths, share = [], 0.0
        for cause, part in zip(fit.causes["cause"], fit.causes["share"].to_numpy(), strict=True):
            if not str(cause).startswith("example "):
                continue
            share += float(part)
            name = f"{first}{BAR}{cause}{BAR}"
            level, half = f"{name}susceptibility{BAR}1", f"{name}memory{BAR}half_life"
            memory = each.choices["memory"]
            memory = (
                math.nan if memory == "none" else math.exp(params[half]) if memory == "estimate" else memory
            )
            values = [math.exp(float(params[level]) + z * errors[level]) for z in (0.0, -NORMAL, NORMAL)]
            mass = values[0] * memory / math.log(2)
            strengths.append([str(cause).removeprefix("example "), *values, memory, mass])
        return rows | {
            "events": fit.nobs, "home": homes[0], "loglik": fit.loglik, "share": share, "free": fit.df,
            "strengths": strengths, "gains": [b - a for a, b in zip(homes[1:], ends, strict=True)],
        }  # fmt: skip

    def _homes(self, each: Specification, small: Model) -> list[float]:
        """Return the log-likelihood of home alone on the data, then in every world."""
        key = (each.data, str(each.choices["covariates"]))
        if key not in self.homes:
            fit = small.fit(self.data[each.data].history)
            self.homes[key] = [fit.loglik, *_in_worlds(fit.search[0], small, self._dealt(each.data))]
        return self.homes[key]

    def _dealt(self, data: str) -> list[History]:
        if data not in self.dealt:
            self.dealt[data] = [dealt(self.data[data].history, new) for new in self.deals]
        return self.dealt[data]

    def _events(self, history: History) -> tuple[int, str]:
        """Return how many events the variable has, and a digest of its course in every unit."""
        numbers = history.numbers
        mine = numbers.event_variable == [v.name for v in history.variables].index(self.plan.variable)
        parts = [x[mine] for x in (numbers.event_unit, numbers.event_time, numbers.event_state)]
        parts += [numbers.enter, numbers.exit, numbers.initial[self.plan.variable]]
        digest = hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts))
        return int(mine.sum()), digest.hexdigest()[:16]


def _in_worlds(task: Task, model: Model, worlds: Sequence[History]) -> list[float]:
    """Return the maximum of the log-likelihood in each world; NaN where it cannot be fitted."""
    from tocsin.errors import FitError

    ends: list[float] = []
    program: Program | None = None
    for world in worlds:
        try:
            program = join(model, world, program)
            ends.append(solve(task.on(program)).loglik if complete(program) else math.nan)
        except FitError:
            ends.append(math.nan)
    return ends


def _told(
    plan: MultiversePlan,
    chosen: Sequence[Specification],
    found: Sequence[dict[str, Any]],
    same: int,
    resumed: int,
) -> Multiverse:
    import pandas as pd

    letters = {mark: _letters(k) for k, mark in enumerate(dict.fromkeys(each["data"] for each in found))}
    rows, strengths = [], []
    for number, (each, answer) in enumerate(zip(chosen, found, strict=True), 1):
        aic = 2.0 * answer["free"] - 2.0 * answer["loglik"]
        row: dict[str, Any] = {"specification": number} | {kind: each.words(kind) for kind in VARY}
        row |= {"data": letters[answer["data"]]}
        row |= {key: answer[key] for key in ("events", "left_out", "moved", "kept")}
        row |= {"loglik_home": answer["home"], "loglik": answer["loglik"]}
        row |= {"gain": answer["loglik"] - answer["home"], "share": answer["share"], "aic": aic}
        rows.append(row)
        for layer, *values in answer["strengths"]:  # a number that is not one is null in the file
            strengths.append([number, layer, *(math.nan if x is None else float(x) for x in values)])
    table = pd.DataFrame(rows)
    table["aic_behind"] = table["aic"] - table.groupby("data")["aic"].transform("min")
    gains = np.array([each["gains"] for each in found], dtype=float).reshape(len(found), -1)
    names = ["specification", "layer", "strength", "lower", "upper", "half_life", "mass"]
    fitted = gains[:, np.isfinite(gains).any(axis=0)]
    null = np.nanmedian(fitted, axis=0) if fitted.size else np.empty(0)
    return Multiverse(plan, table, pd.DataFrame(strengths, columns=names), null, same, resumed)


def _letters(number: int) -> str:
    """Return A to Z, then AA, AB and so on."""
    return (_letters(number // 26 - 1) if number >= 26 else "") + chr(ord("A") + number % 26)
