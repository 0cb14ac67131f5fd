"""The page without a server: one classic script, and the answers that it will ask for, computed beforehand.

A page that is opened from a file may not load modules and may not fetch. So the modules of the page are joined
into one script (`classic_script`), and each answer lies in a script of its own that puts it where the page looks
(`store_script`), under the address that the page would have asked a server for (`address`). `answers` computes
them. What the page finds, in this order:

    <script src="edition.js"></script>      window.tocsinEdition = {store, files, vega}   (`edition_script`)
    <script src="explorer.js"></script>     the page itself                               (`classic_script`)
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from tocsin.explorer import answers, assets, downloads, unit_story
from tocsin.explorer import page_data as about_
from tocsin.explorer.outlines import outlines_of
from tocsin.explorer.questions import Question

if TYPE_CHECKING:
    from tocsin.explorer.run import Laboratory
    from tocsin.model.followed_state import Wave

WEEK = 7  # days from one count to the next, which keeps an edition small

ORDER = ("view", "cut", "unit", "say", "table", "show", "worlds", "seed", "do", "base", "given")

_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([\w-]+\.js)";\n', re.MULTILINE)

_EXPORT = re.compile(r"^export (?=(?:async )?function|class|const|let)", re.MULTILINE)


def address(name: str, asked: Mapping[str, Any] | None = None) -> str:
    """Return the address of a question, letter for letter as the page writes it (`addressOf` in data.js)."""
    pairs = []
    for key in ORDER:
        value = (asked or {}).get(key)
        for each in [] if value is None else value if isinstance(value, list | tuple) else [value]:
            # As URLSearchParams writes it: the star stays, the tilde does not.
            pairs.append(f"{key}={quote_plus(str(each), safe='*').replace('~', '%7E')}")
    return f"api/{name}" + (f"?{'&'.join(pairs)}" if pairs else "")


def classic_script(entry: str = "main.js") -> str:
    """Return the modules of the page as one script."""
    return '"use strict";\n(() => {\n' + _joined(entry) + "})();\n"


def module_script(entry: str) -> str:
    """Return a module and those that it imports from as one, which exports `render` as notebooks ask for it."""
    return _joined(entry) + "\nexport default { render };\n"


def _joined(entry: str) -> str:
    """Return modules one after the other, each after those that it imports from."""
    order: list[str] = []

    def visit(name: str) -> None:
        for found in _IMPORT.finditer(assets.static_text(name)):
            if found.group(2) not in order:
                visit(found.group(2))
        if name not in order:
            order.append(name)

    visit(entry)
    parts = []
    for name in order:
        text = assets.static_text(name)
        # Modules share one scope here: what a module does not export is kept in a block of its own.
        names = re.findall(r"^export (?:async )?(?:function|class|const|let) (\w+)", text, re.MULTILINE)
        body = _EXPORT.sub("", _IMPORT.sub("", text))
        given = f"return {{{', '.join(names)}}};"
        parts.append(f"// {name}\nconst {{{', '.join(names)}}} = (() => {{\n{body}\n{given}\n}})();\n")
    return "\n".join(parts)


def page_html(scripts: Sequence[str], folder: str = "page/") -> str:
    """Return the page's HTML with classic scripts in place of its module, and its parts in a folder."""
    text = assets.static_text("index.html").replace('"page/', f'"{folder}')
    tags = "\n".join(f'<script defer src="{script}"></script>' for script in scripts)
    return re.sub(r'<script type="module"[^>]*></script>', lambda _: tags, text)


def edition_script(store: Mapping[str, Any], files: Mapping[str, str], vega: str) -> str:
    """Return the script that tells the page what there is.

    Parameters:
        store: answers by address, there from the start (`api/about` at least).
        files: the script file of each further address.
        vega: the file of Vega's bundle (`assets.vega_bundle`).
    """
    return f"window.tocsinEdition = {_plain({'store': store, 'files': files, 'vega': vega})};\n"


def store_script(found: Mapping[str, Any]) -> str:
    """Return a script that puts answers where the page looks for them."""
    return f"Object.assign(window.tocsinEdition.store, {_plain(found)});\n"


def _plain(content: Any) -> str:
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    # What would end a script, or a line of one, is written so that it cannot.
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def about_edition(
    laboratory: Laboratory, scenarios: Iterable[Mapping[str, Any]], ours: bool = False
) -> dict[str, Any]:
    """Return what the page is told once, with the scenarios of the edition as its examples.

    Parameters:
        scenarios: each with `do` (its sentences in their plain form) and `words` (what its button says).
        ours: whether it holds answers of our own world.
    """
    return {
        **about_.about(laboratory),
        "examples": [dict(each) for each in scenarios],
        "edition": True,
        "ours": ours,
    }


def prepared_answers(
    laboratory: Laboratory,
    scenarios: Sequence[Sequence[str]],
    states: Sequence[Wave] | None = None,
    step: int = WEEK,
    ours: bool = False,
) -> Iterator[tuple[str, Any]]:
    """Yield the address and the content of every answer that the page may ask for, but `api/about`.

    Parameters:
        laboratory: where they come from.
        scenarios: the sentences of each what-if, in their plain form; the unchanged worlds are added.
        states: the states that can be shown; all by default.
        step: days from one count to the next.
        ours: whether what-ifs of the wave are asked of our own world as well.
    """
    history, limits, seed = laboratory.history, laboratory.limits, laboratory.seed
    told = about_.about(laboratory)
    yield address("ties"), about_.ties(laboratory)
    for view in told["views"]:
        for cut in range(len(told["cuts"])):
            yield address("outlines", {"view": view, "cut": cut}), outlines_of(history, view, cut)
    for show in states or laboratory.pairs:
        for unit in history.numbers.units:
            yield address("unit", {"unit": unit, "show": str(show)}), unit_story.story(laboratory, unit, show)
    for do in dict.fromkeys([(), *map(tuple, scenarios)]):
        scenario, plain = laboratory.reader.scenarios(do, (), limits.worlds, seed)
        for show in states or laboratory.pairs:
            asked = {"show": str(show), "seed": seed, "do": do}
            yield address("worlds", asked), answers.worlds_scene(laboratory, scenario, show, step)
            question = Question(scenario, plain, show)
            yield address("difference", asked), answers.difference_scene(laboratory, question)
            if ours and show == laboratory.wave:
                own = Question(*laboratory.reader.scenarios(do, (), limits.worlds, seed, True), show)
                asked = {**asked, "given": "history"}
                yield address("worlds", asked), answers.worlds_scene(laboratory, own.scenario, show, step)
                yield address("difference", asked), answers.difference_scene(laboratory, own)


def tables(laboratory: Laboratory, do: Sequence[str], show: Wave) -> Iterator[tuple[str, str, str]]:
    """Yield the address, a file name and the content of the CSV tables of one scenario."""
    limits, seed = laboratory.limits, laboratory.seed
    question = Question(*laboratory.reader.scenarios(do, (), limits.worlds, seed), show)
    for table in downloads.TABLES:
        asked = {"table": table, "show": str(show), "seed": seed, "do": list(do)}
        name = f"{assets.file_name(laboratory, table)}.csv"
        yield address("download", asked), name, downloads.table_csv(laboratory, table, question)
