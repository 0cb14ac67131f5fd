"""The main job: fit a model to a history, simulate worlds, compare them with what happened, write it down."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tocsin.ensemble.comparison import Comparison
from tocsin.errors import ModelError, TocsinError
from tocsin.files.csv_for_people import csv_of
from tocsin.files.format import FORMAT
from tocsin.files.results import RUN, check_run, digest_of_file, digests, replacing, target
from tocsin.files.whole import to_json, write_whole
from tocsin.fit.save import fit_content
from tocsin.interventions.asked import given_by
from tocsin.model.followed_state import wave_of
from tocsin.model.learned import Learned
from tocsin.program.condition import Condition
from tocsin.report.manifest import Manifest, facts_of, run_folder, short_digest, versions

if TYPE_CHECKING:
    from tocsin.ensemble.parameter_draws import Draws
    from tocsin.fit.estimates import Fit
    from tocsin.history.history import History
    from tocsin.model.model import Model

Progress = Callable[[str, int, int], None]

MOST_IN_MEMORY = 50_000  # worlds; of 1917 they take a gigabyte


@dataclass(frozen=True, eq=False)
class Replay:
    """A finished replay.

    Attributes:
        comparison: the record beside the worlds.
        parameters: the parameters that the worlds were drawn with, by name.
        fit: the estimates as plain content, as in `fit.json`.
        source: the packaged name or the folder that the history came from.
        window: the window asked for, as text; None where the history's own was kept.
        given, clocks: what the worlds are given, and how they are coupled to it.
        model_source: where the model came from.
        draws: the parameters of the worlds, None where all are at the best estimates.
        again: the manifest that was repeated, or None.
    """

    comparison: Comparison
    parameters: dict[str, float]
    fit: dict[str, Any]
    source: str
    window: tuple[str | None, str | None] = (None, None)
    model_source: str = ""
    again: Manifest | None = None
    given: str = "nothing"
    clocks: str = "cause"
    draws: Draws | None = None
    borders: str | None = None
    _written: dict[str, str] = field(default_factory=dict)

    @cached_property
    def default_folder(self) -> Path:
        """Return ``runs/HISTORY-<date>-<digest>``."""
        c = self.comparison
        digest = short_digest(
            c.history.digest,
            c.model.to_toml(),
            c.ensemble.worlds,
            c.ensemble.seed,
            c.ensemble.interventions,
            c.wave,
            *([c.ensemble.given] if self.given != "nothing" else []),
            "best" if self.draws is None else self.draws.said,
        )
        return run_folder(c.history.name, digest)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Return the content of the manifest, without the digests of the files."""
        c = self.comparison
        return {
            "format": FORMAT,
            "verb": "replay",
            **facts_of(self.source, c.history, self.model_source, c.model),
            "window": list(self.window),
            "worlds": c.ensemble.worlds,
            "seed": c.ensemble.seed,
            "interventions": list(c.ensemble.interventions),
            "given": self.given,
            "clocks": self.clocks,
            "wave": str(c.wave),
            "parameters": self.parameters,
            "draws": None if self.draws is None else self.draws.content(),
            "stopped": [list(each) for each in c.ensemble.stops],
            "fit": self.fit,
            # Their place is for who repeats it to say: a manifest opens no file but those of its history.
            **({} if self.borders is None else {"borders": self.borders}),
        }

    def write(self, folder: str | Path | None = None) -> Path:
        """Write report.html, ensemble.parquet, summary.csv, fit.json and, last, manifest.json.

        The folder is whole or has no manifest (see `tocsin.files.results`); other files in it stay. Where something was
        changed, the unchanged worlds are kept as baseline.parquet.

        Raises:
            TocsinError: the folder cannot be written, or another process writes there.
        """
        from tocsin.report.report import report_html

        c = self.comparison
        where = target(folder, self.default_folder)
        with replacing(where, RUN) as stage:
            with ThreadPoolExecutor(1) as pool:
                # Compressing and counting leave the interpreter to the pictures, so the two go side by side.
                pending: list[Future[Any]] = [pool.submit(c.ensemble.write, stage / "ensemble.parquet")]
                if c.baseline is not None:
                    pending.append(pool.submit(c.baseline.write, stage / "baseline.parquet"))
                pending.append(pool.submit(self._write_summary, stage / "summary.csv"))
                write_whole(stage / "fit.json", to_json(self.fit))
                write_whole(stage / "report.html", report_html(self))
                for each in pending:
                    each.result()
            self._written.update(digests(stage))
            made = {**self.facts, "made": date.today().isoformat(), "files": dict(self._written)}
            write_whole(stage / RUN.manifest, to_json(made))
        return where

    def clear(self) -> None:
        """Forget worlds that were kept on disk because they outgrow memory; no more can be asked of them."""
        from tocsin.ensemble.on_disk import EnsembleParts

        for ensemble in (self.comparison.ensemble, self.comparison.baseline):
            if isinstance(ensemble, EnsembleParts):
                shutil.rmtree(ensemble.folder)

    def _write_summary(self, path: Path) -> None:
        write_whole(path, csv_of(self.comparison.all_states()))

    def differing_files(self) -> list[str]:
        """Return the files whose bytes differ from those of the manifest that was repeated."""
        if self.again is None:
            return []
        then = self.again.content["files"]
        return [name for name in self._written if name in then and then[name] != self._written[name]]


def replay(
    history: str | Path | History,
    model: str | Path | Model | None = None,
    *,
    worlds: int = 10_000,
    seed: int = 1917,
    start: str | None = None,
    end: str | None = None,
    do: Sequence[str] = (),
    wave: str | None = None,
    given: str | None = None,
    clocks: str = "cause",
    draws: Any = "fit",
    borders: str | Path | None = None,
    scope: str | None = None,
    progress: Progress | None = None,
) -> Replay:
    """Fit a model to a history, simulate worlds, and set them beside what happened.

    Parameters:
        history: a history, a packaged name, or a folder.
        model: a model or its TOML file; by default the model that comes with the history.
        worlds: how many worlds.
        seed: the seed; the same seed gives the same worlds.
        start, end: a narrower window.
        do: interventions as sentences, such as ``remove layer comintern``; the same worlds are then also
            simulated unchanged.
        wave: the state to follow, such as ``regime=soviet``; by default the model's own (see `wave_of`).
        given: ``nothing``, ``until DATE`` or ``history``: what the worlds share with what happened; by default what
            the question of the history says, unless a change reaches further back.
        clocks: under ``history`` how they are coupled to it: ``cause``, ``source`` or ``fresh``.
        draws: which parameters worlds have: ``fit`` (200 draws), ``best``, a number of draws, or draws themselves.
        borders: a file of outlines in place of the history's own.
        scope: a reading of the record, such as ``strict``, where the history has several.
        progress: called with what is being done, steps done and steps in all (0 where unknown).

    Raises:
        TocsinError: the history, the model or a sentence is wrong, or the model cannot be fitted.
    """
    from tocsin.fit.draws_kept import draws_for

    tell = progress or quiet
    tell("loading the history", 0, 0)
    source, record = open_history(history, (start, end), borders, scope)
    model_source, declared = open_model(record, model)
    followed = wave_of(declared, wave, record)
    interventions = _parsed(do, record, declared)
    given = given_by(record, given, interventions)
    Condition.parse(given, clocks, record)  # what is wrong with it is said before the model is fitted
    fit = fitted(declared, record, tell)
    parameters = plain_parameters(fit)
    drawn = draws_for(fit, fit.program(record), draws)
    # From here on the worlds come from the parameters as stored, as a repeated replay has them.
    having = (parameters, fit.learned, drawn)
    simulated = _simulate(declared, having, record, worlds, seed, interventions, (given, clocks), tell)
    return Replay(
        Comparison(record, declared, followed, *simulated),
        parameters,
        # Plain as it will be read from the manifest, so that a repeated replay writes the same bytes.
        json.loads(to_json(fit_content(fit))),
        source,
        (start, end),
        model_source,
        given=given,
        clocks=clocks,
        draws=drawn,
        borders=None if borders is None else digest_of_file(Path(borders)),
    )


def replay_again(
    manifest: str | Path, *, borders: str | Path | None = None, progress: Progress | None = None
) -> Replay:
    """Repeat a replay from its manifest, with the stored parameters and without fitting.

    Parameters:
        borders: the file of outlines, where the replay was drawn with another than the history's own.

    Raises:
        TocsinError: the manifest cannot be read, a file of the run is not the one that was written, or the
            history is no longer the one that was replayed.
    """
    from tocsin.model.model import Model

    tell = progress or quiet
    stored = Manifest.read(Path(manifest))
    content = stored.content
    check_run(Path(manifest), content["files"])
    stored.check_worlds(Path(manifest))
    tell("loading the history", 0, 0)
    start, end = content["window"]
    said = content["history"]
    source, record = open_history(said.get("source", ""), (start, end), borders, said.get("scope"))
    outlines = None if borders is None else digest_of_file(Path(borders))
    if outlines != content.get("borders"):
        wanted = "give that file" if content.get("borders") is not None else "give none"
        raise TocsinError(f"{manifest}: its maps were drawn with other outlines: {wanted} (--borders)")
    if record.digest != content["history"]["digest"]:
        raise TocsinError(
            f"the history {source!r} is not the one of {manifest}: its digest is {record.digest[:12]}... "
            f"and was {content['history']['digest'][:12]}...; restore it, or run a new replay"
        )
    given, clocks = content.get("given", "nothing"), content.get("clocks", "cause")
    try:
        declared = Model.from_toml(content["model"]["toml"])
        interventions = _parsed(content["interventions"], record, declared)
        followed = wave_of(declared, content["wave"], record)
        simulated = _simulate(
            declared,
            (stored.parameters, Learned.from_dict(content["fit"].get("learned", {})), stored.draws),
            record,
            content["worlds"],
            content["seed"],
            interventions,
            (given, clocks),
            tell,
        )
    except TocsinError as error:
        raise TocsinError(f"{manifest}: {error}") from None  # a file is wrong, not the command line
    return Replay(
        Comparison(record, declared, followed, *simulated),
        stored.parameters,
        content["fit"],
        source,
        (start, end),
        content["model"].get("source", ""),
        again=stored,
        given=given,
        clocks=clocks,
        draws=stored.draws,
        borders=outlines,
    )


def quiet(what: str, done: int, total: int) -> None:
    """Tell nothing."""


def open_history(
    history: str | Path | History,
    window: tuple[str | None, str | None] = (None, None),
    borders: str | Path | None = None,
    scope: str | None = None,
) -> tuple[str, History]:
    """Return where a history comes from (a packaged name or a whole path) and the history in its window.

    Parameters:
        borders: a file of outlines in place of the history's own.
        scope: a reading of the record; see `load_history`.

    Raises:
        TocsinError: there is no such history, it is wrong, or the window is not within its own.
    """
    from tocsin.history.describe import packaged
    from tocsin.history.history import History, load_history

    if isinstance(history, History):
        source, record = history.name, history
    else:
        record = load_history(history, scope)
        # A folder may be replayed again from another place, so its whole path is kept.
        source = str(history) if str(history) in packaged() else str(Path(history).resolve())
    if borders is not None:
        record = record.with_borders(borders)
    return source, record if window == (None, None) else record.select(window=window)


def open_model(record: History, model: str | Path | Model | None = None) -> tuple[str, Model]:
    """Return where a model comes from, and the model: the one given, or the one that the history brings.

    Raises:
        ModelError: the file is wrong, or the history brings none.
    """
    from tocsin.model.model import Model

    if isinstance(model, Model):
        return "given in Python", model
    if model is not None:
        return str(model), Model.from_toml(Path(model))
    if record.model_path is None:
        raise ModelError(
            f"the history {record.name!r} brings no model of its own (model.toml in its folder): "
            "name one with --model FILE"
        )
    return f"the model of {record.name}", Model.from_toml(record.model_path)


def fitted(model: Model, record: History, tell: Progress) -> Fit:
    """Return the fit of a model to a history, and tell that it is being made."""
    tell("fitting the model (the first use compiles the kernels, about half a minute)", 0, 0)
    return model.fit(record, progress=tell)


def plain_parameters(fit: Fit) -> dict[str, float]:
    """Return the estimates of a fit by name."""
    return {str(name): float(value) for name, value in fit.params.items()}


def _parsed(sentences: Sequence[str], record: History, model: Model) -> list[Any]:
    from tocsin.interventions.sentences import parse_all

    return list(parse_all(sentences, record, model))


def _simulate(
    model: Model,
    parameters: tuple[dict[str, float], Learned | None, Draws | None],
    record: History,
    worlds: int,
    seed: int,
    interventions: Sequence[Any],
    condition: tuple[str, str],
    tell: Progress,
) -> tuple[Any, Any]:
    best, learned, drawn = parameters
    having = model.with_params(best, learned)
    given, clocks = condition

    def worlds_of(changes: Sequence[Any], what: str) -> Any:
        tell(what, 0, worlds)
        values = [value.hex() for value in best.values()] if drawn is None else drawn.content()
        told = [str(each) for each in changes]
        return having.simulate(
            record,
            worlds,
            seed,
            interventions=changes,
            progress=lambda done, total: tell(what, done, total),
            folder=_room(record.digest, model.to_toml(), values, worlds, seed, told, condition, versions())
            if worlds > MOST_IN_MEMORY
            else None,
            given=given,
            clocks=clocks,
            draws="best" if drawn is None else drawn,
        )

    if not interventions:
        return worlds_of((), "simulating worlds"), None
    return worlds_of(interventions, "simulating changed worlds"), worlds_of((), "simulating unchanged worlds")


def _room(*simulated: object) -> Path:
    """Return the folder in which worlds that outgrow memory are kept until they are written.

    It follows from what is simulated, so that a replay that was interrupted goes on from its finished parts.
    """
    import platformdirs

    return Path(platformdirs.user_cache_dir("tocsin")) / "worlds" / short_digest(*simulated)
