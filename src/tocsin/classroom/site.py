"""The making of a class edition: answers computed, pages written, and a manifest to repeat it."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from tocsin.classroom import pages, worksheets
from tocsin.classroom.lesson import lesson_pages
from tocsin.classroom.one_file import one_file
from tocsin.classroom.outcomes import PreparedOutcome, outcome_of
from tocsin.classroom.prepared import Lesson, Prepared, lesson_of
from tocsin.classroom.tour import Tour, read_tour
from tocsin.errors import TocsinError
from tocsin.explorer import assets, downloads, edition
from tocsin.explorer.questions import Limits, Question, QuestionReader
from tocsin.explorer.run import Laboratory
from tocsin.files.format import FORMAT
from tocsin.files.reading import read_bytes
from tocsin.files.results import Kind, replacing
from tocsin.files.whole import to_json, write_whole
from tocsin.history.describe import TOUR, beside, short_labels
from tocsin.interventions.asked import given_by
from tocsin.model.followed_state import Wave, wave_of
from tocsin.program.condition import Condition
from tocsin.report.manifest import short_digest, versions
from tocsin.report.replay import Progress, fitted, open_history, open_model, plain_parameters, quiet

if TYPE_CHECKING:
    from tocsin.history.history import History
    from tocsin.model.model import Model

_PAGES = re.compile(
    r"(index|laboratory|answers|lesson|predict|how-we-know|quiz|words|sources|tour-\d+|worksheet-\d+)\.html"
)

SITE = Kind("manifest.json", rf"parts-[0-9a-f]{{8}}/[\w.-]+|{_PAGES.pattern}", ("made_by", "tocsin publish"))


@dataclass(frozen=True)
class SitePlan:
    """What an edition is made of, all checked before anything is fitted.

    Attributes:
        source, history, model: what it is about.
        wave: the state that is followed.
        lesson: the prepared what-ifs, and what a class is asked and given beside them.
        tour: the guided tour, or None where the history brings none.
        worlds, seed: of every answer.
        command: the command line that makes it again.
        given: what worlds are given; None for what the question of the history says.
    """

    source: str
    history: History
    model: Model
    wave: Wave
    lesson: Lesson
    tour: Tour | None
    worlds: int
    seed: int
    command: str
    given: str | None = None

    @property
    def scenarios(self) -> tuple[Prepared, ...]:
        """Return the prepared what-ifs."""
        return self.lesson.scenarios

    @property
    def shown(self) -> tuple[Wave, ...]:
        """Return the states whose worlds are in the edition: the wave, and those that the tour looks at."""
        steps = self.tour.steps if self.tour else ()
        return tuple(dict.fromkeys([self.wave, *(step.show for step in steps)]))


def plan(
    history: str | Path | History,
    model: Path | None = None,
    scenarios: Path | None = None,
    worlds: int = 2000,
    seed: int = 1917,
    wave: str | None = None,
    borders: Path | None = None,
    scope: str | None = None,
    given: str | None = None,
) -> SitePlan:
    """Return what an edition will be made of; raise TocsinError where a file of it is wrong.

    Parameters:
        history: a packaged name, a folder, or a history.
        model: a model's file in place of the history's own.
        scenarios: a file of scenarios in place of the history's own.
        worlds, seed: of every answer.
        wave: the state to follow, such as ``regime=soviet``.
        borders: a file of outlines in place of the history's own.
        scope: a reading of the record, where the history has several.
        given: ``nothing`` or ``until DATE``; by default what the question of the history says.
    """
    from tocsin.report.claims import claims_of

    source, record = open_history(history, (None, None), borders, scope)
    _, declared = open_model(record, model)
    followed = wave_of(declared, wave, record)
    Condition.parse(given_by(record, given), "cause", record)
    reader = QuestionReader(record, declared, followed, Limits(worlds=worlds), seed, given)
    lesson = lesson_of(record, reader, scenarios)
    # A tour names the history's own scenarios, and is left out beside others.
    path = beside(record, TOUR) if scenarios is None else None
    tour = None
    if path is not None:
        tour = read_tour(path, record, reader, claims_of(record).answered(record), lesson.scenarios)
    words = ["tocsin", "publish", source, "--to", "DIR", "--worlds", str(worlds), "--seed", str(seed)]
    for option, value in (
        ("--model", model),
        ("--scenarios", scenarios),
        ("--wave", wave),
        ("--borders", borders),
        ("--scope", scope),
        ("--given", given),
    ):
        words += [option, str(value)] if value is not None else []
    return SitePlan(source, record, declared, followed, lesson, tour, worlds, seed, shlex.join(words), given)


def publish(
    planned: SitePlan,
    to: Path | None = None,
    progress: Progress | None = None,
    folder: Path | None = None,
    zipped: Path | None = None,
) -> list[Path]:
    """Make an edition and write it: in one file, into a folder, or as an archive of that; return what to open.

    Other files of the folder are kept. An earlier edition stays whole until this one is made, and is then replaced;
    while it is, there is no manifest (see `tocsin.files.results`).

    Parameters:
        planned: what it is made of.
        to: one file that holds it all, ending in ``.html``; any other name is that of a folder.
        progress: called with what is being done, steps done and steps in all (0 where unknown).
        folder: a folder for a web host, made if need be.
        zipped: an archive of that folder.

    Raises:
        TocsinError: the model cannot be fitted, a name is no place to write to, or the folder holds pages of others.
    """
    tell = progress or quiet
    file = to if to is not None and to.suffix.lower() in (".html", ".htm") else None
    folders = [each for each in (folder, to if file is None else None) if each is not None]
    _check_names(file, folders, zipped)
    with ExitStack() as stack:
        # Held from here on: a folder that cannot be written, or is in use, is found out before anything is computed.
        stages = [stack.enter_context(replacing(each, SITE)) for each in folders]
        laboratory = _laboratory(planned, tell)
        edition_ = Edition(planned, laboratory, tell)
        tell("writing", 0, 0)
        files = edition_.files() if stages or zipped is not None else {}
        written = {**files, SITE.manifest: _manifest(planned, laboratory, files).encode()}
        for stage in stages:
            for name, content in written.items():
                write_whole(stage / name, content, clear=False)
    if file is not None:
        write_whole(file, edition_.one_file())
    if zipped is not None:
        write_whole(zipped, _archive(written))
    return [
        *([file] if file else []),
        *(each / "index.html" for each in folders),
        *([zipped] if zipped else []),
    ]


def _archive(files: Mapping[str, bytes]) -> bytes:
    """Return files in one archive, the same bytes for the same files."""
    import io
    import zipfile

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            # A file is no newer than the format can say.
            archive.writestr(zipfile.ZipInfo(f"class/{name}"), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


class Edition:
    """Answers and pages of an edition, computed once for whatever they are written into.

    Parameters:
        planned: what it is made of.
        laboratory: where the worlds come from.
        tell: called with what is being done.
    """

    def __init__(self, planned: SitePlan, laboratory: Laboratory, tell: Progress) -> None:
        self.planned, self.laboratory = planned, laboratory
        sentences = [each.do for each in planned.scenarios]
        ours = _ours(laboratory)
        total = _count(planned, laboratory, ours)
        self.answers: dict[str, Any] = {}
        prepared = edition.prepared_answers(laboratory, sentences, planned.shown, ours=ours)
        for done, (address, content) in enumerate(prepared):
            tell("computing what the pages may ask for", done, total)
            self.answers[address] = content
        examples = [{"do": list(each.do), "words": each.title} for each in planned.scenarios]
        self.about = edition.about_edition(laboratory, examples, ours)
        self.outcomes = {show: self._outcomes(show) for show in planned.shown}

    def _outcomes(self, show: Wave) -> dict[str, PreparedOutcome]:
        """Return what every what-if did to a state, also to that of our own world where it was asked."""
        found, seed = {}, self.planned.seed
        for each in self.planned.scenarios:
            asked = {"show": str(show), "seed": seed, "do": each.do, "given": "history"}
            own = self.answers.get(edition.address("difference", asked))
            found[each.key] = replace(outcome_of(self.laboratory, each, show), ours=own)
        return found

    def _pages(self, folder: str) -> tuple[pages.Site, list[pages.Page], list[pages.MapPage]]:
        """Return the pages of text, the cover first, and those with the map."""
        planned, laboratory, outcomes = self.planned, self.laboratory, self.outcomes
        tour = planned.tour
        links = [
            ("index.html", "Start"),
            ("lesson.html", "Lesson"),
            *([("tour-1.html", "Tour")] if tour else []),
            ("laboratory.html", "Laboratory"),
            ("predict.html", "Predict"),
            ("how-we-know.html", "How do we know?"),
            ("quiz.html", "Quiz"),
            ("words.html", "Words"),
            ("sources.html", "Sources"),
            ("index.html#print", "To print"),
        ]
        history = laboratory.history
        site = pages.Site(
            history.title or history.name, folder, planned.shown, tuple(links), short_labels(history)
        )
        waves = list(outcomes[planned.wave].values())
        sheets = worksheets.sheets_of(laboratory, site, tour, waves)
        titles = [sheet.title for sheet in sheets]
        printed = [(f"worksheet-{n}.html", f"{n}. {title}") for n, title in enumerate(titles, start=1)]
        printed.append(("answers.html", "Answers, for the teacher"))
        texts = [
            pages.cover(site, laboratory, tour, waves, printed),
            *lesson_pages(site, laboratory, planned.lesson, waves, titles),
            *(worksheets.sheet_page(site, number, sheet) for number, sheet in enumerate(sheets, start=1)),
            worksheets.answers_page(site, sheets),
        ]
        maps = [pages.laboratory_page()]
        for number, step in enumerate(tour.steps if tour else (), start=1):
            assert tour is not None
            outcome = outcomes[step.show][step.scenario.key]
            maps.append(pages.step_page(site, tour, number, laboratory, outcome))
        return site, texts, maps

    def files(self) -> dict[str, bytes]:
        """Return every file of the folder by its name."""
        parts = _parts(self.planned, self.laboratory, self.answers, self.about)
        folder = f"parts-{short_digest(*(f'{name}{content!r}' for name, content in sorted(parts.items())))}/"
        site, texts, maps = self._pages(folder)
        every: list[pages.Page | pages.MapPage] = [*texts, *maps]
        found = {page.name: page.html(site).encode() for page in every}
        return found | {f"{folder}{name}": content for name, content in parts.items()}

    def one_file(self) -> str:
        """Return the whole edition as one document."""
        site, texts, maps = self._pages("")
        return one_file(site, texts, maps, self.about, self.answers)


def _laboratory(planned: SitePlan, tell: Progress) -> Laboratory:
    fit = fitted(planned.model, planned.history, tell)
    from tocsin.fit.draws_kept import kept_draws

    parameters = plain_parameters(fit)
    limits = Limits(worlds=planned.worlds, kept=len(planned.scenarios) * len(planned.shown) + 6)
    return Laboratory(
        planned.source,
        planned.history,
        planned.model,
        parameters,
        limits,
        planned.seed,
        planned.wave,
        learned=fit.learned,
        draws=kept_draws(fit),
        given=planned.given,
    )


def _ours(laboratory: Laboratory) -> bool:
    """Return whether what-ifs can be asked of our own world: not of every model can they."""
    try:
        laboratory.worlds(
            laboratory.reader.scenarios((), (), laboratory.limits.worlds, laboratory.seed, True)[0]
        )
    except TocsinError:
        return False
    return True


# --- the parts ------------------------------------------------------------------------------------------


def _parts(
    planned: SitePlan, laboratory: Laboratory, answers: Mapping[str, Any], about: Mapping[str, Any]
) -> dict[str, bytes]:
    """Return scripts, styles, data and tables by name."""
    stored: dict[str, dict[str, Any]] = {}
    named: dict[str, str] = {}
    for address, content in answers.items():
        stored.setdefault(_file_of(address, named), {})[address] = content
    files = {address: name for name, found in stored.items() for address in found}
    tables = _tables(planned, laboratory, files)
    parts = {name: _packed(found).encode() for name, found in stored.items()} | tables
    # Addresses of files are seen from the pages, which lie a folder above: the folder's name is put in by the page.
    script = edition.edition_script({"api/about": about}, files, "vega.js")
    parts["edition.js"] = (script + pages.class_text("edition.js")).encode()
    parts["class.js"] = pages.class_text("class.js").encode()
    parts["class.css"] = pages.class_text("class.css").encode()
    parts["explorer.js"] = edition.classic_script().encode()
    for name in ("vega.js", "theme.css", "style.css", "icon.svg"):
        part = assets.asset(name)
        assert part is not None
        parts[name] = part.content
    return parts


def _count(planned: SitePlan, laboratory: Laboratory, ours: bool) -> int:
    from tocsin.explorer.outlines import days_of_cuts, views_of

    history = laboratory.history
    maps = len(views_of(history)) * len(days_of_cuts(history))
    places = len(history.numbers.units)
    asked = 2 * (len(planned.scenarios) + 1)
    return 1 + maps + len(planned.shown) * (places + asked) + (asked if ours else 0)


def _file_of(address: str, named: dict[str, str]) -> str:
    """Return the file of an answer: one for each map, place and scenario."""
    name, _, query = address.partition("?")
    asked = parse_qs(query)
    kind = name.removeprefix("api/")
    if kind == "outlines":
        return f"map-{asked['view'][0]}-{asked['cut'][0]}.js"
    if kind not in ("unit", "worlds", "difference"):
        return f"{kind}.js"
    what = "place" if kind == "unit" else "worlds"
    key = f"{what} {asked.get('unit') or asked.get('do')}"
    if key not in named:
        named[key] = f"{what}-{sum(name.startswith(what) for name in named.values())}.js"
    return named[key]


def _packed(found: Mapping[str, Any]) -> str:
    """Return a script that puts answers, compressed, where the page looks for them (see static/edition.js)."""
    texts = {
        address: base64.b64encode(
            gzip.compress(json.dumps(content, separators=(",", ":"), allow_nan=False).encode(), 9, mtime=0)
        ).decode("ascii")
        for address, content in found.items()
    }
    return f"window.tocsinEdition.put({json.dumps(texts)});\n".replace("<", "\\u003c")


def _tables(planned: SitePlan, laboratory: Laboratory, files: dict[str, str]) -> dict[str, bytes]:
    """Return the tables to take away, and name them in `files`."""
    found: dict[str, bytes] = {}
    for number, do in enumerate([(), *(each.do for each in planned.scenarios)]):
        key = planned.scenarios[number - 1].key if number else "unchanged"
        for show in planned.shown:
            question = Question(*laboratory.reader.scenarios(do, (), planned.worlds, planned.seed), show)
            for table, name in (
                ("differences", f"places-{key}-{show.variable}.csv"),
                ("record", "record.csv"),
            ):
                asked = {"table": table, "show": str(show), "seed": planned.seed, "do": list(do)}
                files[edition.address("download", asked)] = name
                if name not in found:
                    found[name] = downloads.table_csv(laboratory, table, question).encode()
    return found


# --- the folder -----------------------------------------------------------------------------------------


def _manifest(planned: SitePlan, laboratory: Laboratory, files: Mapping[str, bytes]) -> str:
    import hashlib

    tour = planned.tour
    return to_json(
        {
            "format": FORMAT,
            "made_by": "tocsin publish",
            "command": planned.command,
            "history": {
                "source": planned.source,
                "name": planned.history.name,
                "digest": planned.history.digest,
            },
            "model": planned.model.to_toml(),
            "parameters": laboratory.parameters,
            "learned": {} if laboratory.learned is None else laboratory.learned.to_dict(),
            "wave": str(planned.wave),
            "shown": [str(show) for show in planned.shown],
            "worlds": planned.worlds,
            "seed": planned.seed,
            "scenarios": [
                {"key": each.key, "title": each.title, "do": list(each.do)} for each in planned.scenarios
            ],
            "tour": [step.answer.claim.id for step in tour.steps] if tour else [],
            "versions": versions(),
            "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
        }
    )


def _check_names(file: Path | None, folders: Sequence[Path], zipped: Path | None) -> None:
    """Refuse names that cannot be written to, before anything is computed."""
    if file is None and zipped is None and not folders:
        raise TocsinError("say where to write: --to class.html, --folder DIR or --zip FILE")
    for path in (file, zipped):
        if path is not None and path.is_dir():
            raise TocsinError(f"{path}: is a folder: name a file, or write the pages into it with --folder")
    for folder in folders:
        _check_pages(folder)


def _check_pages(to: Path) -> None:
    """Refuse a folder with pages that are others' under the names of ours."""
    if to.exists() and not to.is_dir():
        raise TocsinError(f"{to}: is no folder")
    try:
        for path in to.iterdir() if to.is_dir() else ():
            if _PAGES.fullmatch(path.name) and pages.MAKER not in read_bytes(path).decode("utf-8", "replace"):
                raise TocsinError(
                    f"{path}: is no page of a class edition and would be replaced: choose another folder"
                )
    except OSError as error:
        raise TocsinError(f"{to}: cannot be read: {error.strerror or error}") from None
