"""Run the tutorials and write them down with all that they print: `uv run python scripts/run_tutorials.py`.

A tutorial is a Python file in docs/tutorials in jupytext's percent format. It is run from top to bottom in a fresh
kernel; its text, its code and its output become a Markdown file of the same name, its pictures SVG files beside it.
Needs the group `docs` (jupytext, nbclient, ipykernel).
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "tutorials"
MADE = "<!-- Made by scripts/run_tutorials.py from {name}: change that file and run it again. -->"


def run(path: Path, folder: Path) -> Path:
    """Run one tutorial and write it into a folder as Markdown; errors in a cell end it."""
    import jupytext  # type: ignore[import-untyped]
    from nbclient import NotebookClient

    notebook = jupytext.read(path)
    client = NotebookClient(
        notebook, timeout=3600, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    )
    client.execute()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{path.stem}.md"
    target.write_text(rendered(notebook, path, folder), encoding="utf-8")
    return target


def rendered(notebook: Any, path: Path, folder: Path) -> str:
    """Return an executed notebook as Markdown; its pictures are written into the folder."""
    parts = [MADE.format(name=path.name)]
    pictures = 0
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source.strip())
            continue
        if cell.source.strip():
            parts.append(f"```python\n{cell.source.strip()}\n```")
        for output in cell.get("outputs", ()):
            if output.output_type == "stream":
                if output.name == "stdout":
                    parts.append(_printed(output.text))
                continue
            data = output.get("data", {})
            if "text/markdown" in data:
                parts.append(data["text/markdown"].strip())
            elif "image/svg+xml" in data:
                pictures += 1
                name = f"{path.stem}-{pictures}.svg"
                (folder / name).write_text(data["image/svg+xml"], encoding="utf-8")
                title = re.search(r"<title>([^<]*)</title>|aria-label=\"([^\"]*)\"", data["image/svg+xml"])
                said = next((text for text in title.groups() if text), "picture") if title else "picture"
                parts.append(f"![{said.replace('[', '(').replace(']', ')')}]({name})")
            elif "text/plain" in data:
                parts.append(_printed(data["text/plain"]))
    return "\n\n".join(parts) + "\n"


def _printed(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```"


def main() -> None:
    """Run the tutorials named, or all."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("names", nargs="*", help="tutorials, such as what_if_1917; all of them by default")
    asked.add_argument("--worlds", type=int, help="how many worlds; by default what each tutorial says")
    asked.add_argument("--out", type=Path, default=FOLDER, help="where to write")
    given = asked.parse_args()
    if given.worlds is not None:
        os.environ["TOCSIN_TUTORIAL_WORLDS"] = str(given.worlds)
    paths = [FOLDER / f"{name}.py" for name in given.names] or sorted(FOLDER.glob("*.py"))
    for path in paths:
        sys.stdout.write(f"{run(path, given.out)}\n")


if __name__ == "__main__":
    main()
