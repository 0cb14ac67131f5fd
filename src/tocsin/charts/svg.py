"""Specifications of charts drawn as SVG, here or in a process beside this one; and the colours of the look."""

from __future__ import annotations

import hashlib
import html
import json
import re
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

# Name: (light, dark). Charts are drawn in the light colours; a page turns them into variables.
COLOURS = {
    "paper": ("#FBF8F1", "#15171A"),
    "ink": ("#1E1E1C", "#ECE7DB"),
    "quiet": ("#6F6B61", "#A39F94"),
    "hairline": ("#D8D2C4", "#34373B"),
    "old": ("#E4DECF", "#2C2F33"),
    "wave": ("#6A3D8F", "#B48FD6"),
    "band": ("#C9B8D8", "#4C3A5E"),
    "band-wide": ("#E6DCEC", "#2E2638"),
    "unrest": ("#E0A030", "#E0A030"),
    "mutiny": ("#4E9BC9", "#4E9BC9"),
    "rising": ("#D1662A", "#DD7A42"),
    "less": ("#2F6DA3", "#6FA8D6"),
    "more": ("#C8781E", "#E0973F"),
    # Causes beside those whose colour is one of the above.
    "home": ("#A39D8F", "#7F7A70"),
    "force": ("#3C7A57", "#5FA97F"),
    "kin": ("#B5628C", "#CF8BAF"),
    "news": ("#8C6A2F", "#B8975A"),
}


UNSEEN = "touch"  # names of layers that only carry what is read on hover begin so

_NUMBER = re.compile(r"-?\d+\.\d{2,}")

_CLIP = re.compile(r"\bclip\d+\b")

_PATH = re.compile(r' d="([^"]*)"')

_NAMED = re.compile(r"<title>.*?</title><desc>.*?</desc>", re.DOTALL)


def page_svg(spec: dict[str, Any]) -> str:
    """Return the SVG of a specification that names itself to a screen reader and follows the page's colours."""
    label = html.escape(str(spec.get("description", "")), quote=True)
    # In a page the description is the name; a title would also pop up wherever the pointer rests.
    svg = _NAMED.sub("", svg_of(spec), count=1)
    return with_variables(svg.replace('<svg role="img" ', f'<svg role="img" aria-label="{label}" ', 1))


def with_variables(svg: str) -> str:
    """Return an SVG whose colours are the page's variables, so that it follows light and dark."""
    for name, (light, _) in COLOURS.items():
        svg = svg.replace(f'"{light}"', f'"var(--{name})"').replace(f'"{light.lower()}"', f'"var(--{name})"')
    return svg


def svg_of(spec: dict[str, Any]) -> str:
    """Return the SVG of a specification with a title and a description that a screen reader reads out.

    Coordinates of paths are rounded to a tenth of a pixel, which halves the size of a map.
    """
    import vl_convert

    svg: str = vl_convert.vegalite_to_svg(still(spec))
    svg = _PATH.sub(lambda found: f' d="{_rounded(found.group(1))}"', svg)
    title, description = html.escape(title_of(spec)), html.escape(str(spec.get("description", "")))
    # The renderer numbers clips from where it left off: named by content, a picture has the same bytes again,
    # and several of them can stand in one page.
    digest = hashlib.sha256(_CLIP.sub("clip", svg).encode()).hexdigest()[:8]
    names: dict[str, str] = {}
    svg = _CLIP.sub(lambda found: names.setdefault(found.group(0), f"clip-{digest}-{len(names)}"), svg)
    start = svg.index(">", svg.index("<svg")) + 1
    opening = svg[:start].replace("<svg ", '<svg role="img" ', 1)
    return f"{opening}<title>{title}</title><desc>{description}</desc>{svg[start:]}"


def still(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a specification without the unseen layers that only answer to a pointer."""
    if "layer" not in spec:
        return spec
    layers = [each for each in spec["layer"] if not str(each.get("name", "")).startswith(UNSEEN)]
    return {**spec, "layer": layers}


def _rounded(path: str) -> str:
    return _NUMBER.sub(lambda found: f"{float(found.group(0)):.1f}", path)


def title_of(spec: dict[str, Any]) -> str:
    """Return the finding of a specification, or its title."""
    about = spec.get("usermeta") or {}
    title = about.get("finding") if isinstance(about, dict) else None
    title = title or spec.get("title") or ""
    title = title.get("text", "") if isinstance(title, dict) else title
    return " ".join(title) if isinstance(title, list) else str(title)


class Pictures:
    """Pictures of a page, drawn by a process of their own while this one makes the next specification.

    Drawing keeps the interpreter, so a thread would not do. A machine that starts no process draws them here.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        # Nothing of the folder that the user stands in is imported, and the packages are those of this process.
        start = f"import sys; sys.path[:] = {sys.path!r}; from tocsin.charts.svg import _draw_asked; _draw_asked()"
        if sys.executable:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-c", start],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
            except OSError:
                self._process = None
        self._pool = ThreadPoolExecutor(1)
        self._drawn: list[Future[str]] = []

    def __enter__(self) -> Pictures:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def add(self, spec: dict[str, Any]) -> str:
        """Have a specification drawn, and return what stands for its picture until then."""
        text = json.dumps(spec, separators=(",", ":"))
        self._drawn.append(self._pool.submit(self._ask, text))
        return _mark(len(self._drawn) - 1)

    def filled(self, page: str) -> str:
        """Return a page with its pictures in place."""
        for number, each in enumerate(self._drawn):
            page = page.replace(_mark(number), each.result())
        return page

    def _ask(self, text: str) -> str:
        process = self._process
        if process is not None and process.stdin is not None and process.stdout is not None:
            try:
                process.stdin.write(text.encode() + b"\n")
                process.stdin.flush()
                answer = process.stdout.readline()
            except OSError:
                answer = b""
            if answer.endswith(b"\n"):
                return str(json.loads(answer))
        return page_svg(json.loads(text))


def _mark(number: int) -> str:
    return f"\0picture {number}\0"


def _draw_asked() -> None:
    """Draw specifications, one a line of standard input, until there are no more; a line of JSON answers each."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asks is told, and closes the input
    page_svg({"data": {"values": [{"x": 1}]}, "mark": "point", "encoding": {"x": {"field": "x"}}})  # wakes it
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(json.dumps(page_svg(json.loads(line))).encode() + b"\n")
        sys.stdout.buffer.flush()
