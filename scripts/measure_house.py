"""Measure the house: how many rooms it has, how they hang together, and which names stand twice.

    uv run --group lint python scripts/measure_house.py
    uv run --group lint python scripts/measure_house.py --map docs/development.md

The second writes the map of the files between two marks of a page, from the first sentence of each file. Imports
inside functions and under TYPE_CHECKING count like any other. The goals are means, not ends: see docs/design.md,
"The house".
"""

# ruff: noqa: T201  (a command prints)

from __future__ import annotations

import argparse
import ast
import re
from collections import Counter, defaultdict
from pathlib import Path

import networkx as nx

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "tocsin"
BEGIN, END = "<!-- map -->", "<!-- end of map -->"
LONG = 500  # lines of a file
FAMILIES = ("cli", "sources", "interventions", "charts")  # rooms that are reached by being there


def _files() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)


def _twice(names: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: sorted(places) for name, places in sorted(names.items()) if len(places) > 1}


def stems_used_twice(files: list[Path]) -> dict[str, list[str]]:
    """Return the stems of files that several folders use, with their folders."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in files:
        if path.stem != "__init__":
            found[path.stem].append(path.parent.name)
    return _twice(found)


def classes_used_twice(files: list[Path]) -> dict[str, list[str]]:
    """Return the names of classes that several files define, with these files."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(path.relative_to(PACKAGE).as_posix())
    return _twice(found)


def import_graph() -> nx.DiGraph[str]:
    """Return who imports whom, modules of the package only, with all imports."""
    import grimp  # of the group lint; the map of the files does without

    graph = grimp.build_graph("tocsin", cache_dir=None)
    found: nx.DiGraph[str] = nx.DiGraph()
    for module in graph.modules:
        found.add_node(module)
        found.add_edges_from((module, other) for other in graph.find_modules_directly_imported_by(module))
    return found


def largest_circle(graph: nx.DiGraph[str]) -> list[str]:
    """Return the modules of the largest circle of imports; empty where there is none."""
    circles = [sorted(circle) for circle in nx.strongly_connected_components(graph)]
    largest = max(circles, key=len)
    return largest if len(largest) > 1 else []


def single_importers(graph: nx.DiGraph[str]) -> list[str]:
    """Return the modules that one other module imports, and none else; families aside."""
    return sorted(
        module
        for module, importers in graph.in_degree()
        if importers == 1 and module.count(".") > 1 and module.split(".")[1] not in FAMILIES
    )


def measures() -> list[tuple[str, int, str]]:
    """Return each measure: what is counted, the count, and what stands behind it."""
    files = _files()
    folders = Counter(path.parent for path in files if path.stem != "__init__")
    fullest = max(folders, key=lambda folder: folders[folder])
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    long = [path.relative_to(PACKAGE).as_posix() for path, lines in lengths.items() if lines > LONG]
    stems, classes = stems_used_twice(files), classes_used_twice(files)
    graph = import_graph()
    circle, single = largest_circle(graph), single_importers(graph)
    return [
        ("modules", len([path for path in files if path.stem != "__init__"]), ""),
        ("files in the fullest folder", folders[fullest], fullest.name),
        (
            "stems used twice",
            len(stems),
            ", ".join(f"{stem} ({', '.join(at)})" for stem, at in stems.items()),
        ),
        ("class names used twice", len(classes), ", ".join(classes)),
        ("modules in the largest circle", len(circle), ", ".join(circle)),
        (f"files over {LONG} lines", len(long), ", ".join(long)),
        ("modules with a single importer", len(single), ", ".join(single)),
        ("lines", sum(lengths.values()), ""),
    ]


def first_sentence(path: Path) -> str:
    """Return the first sentence of a file's docstring."""
    doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return re.split(r"(?<=[.!?])\s", " ".join(doc.split("\n\n")[0].split()), maxsplit=1)[0]


def tests_of() -> dict[str, list[str]]:
    """Return the test files that import from each module of the package, by its dotted name."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "tests").glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("tocsin."):
                for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                    if path.stem not in found[name]:
                        found[name].append(path.stem)
    return found


def house_map() -> str:
    """Return the map of the files as Markdown: folder by folder, what each is, and the tests that import it."""
    tests, lines = tests_of(), []
    for folder in sorted({path.parent for path in _files()}):
        inside = [path for path in _files() if path.parent == folder and path.stem != "__init__"]
        name = folder.relative_to(PACKAGE).as_posix()
        if not inside:
            continue
        head = "The lowest floor, and the door" if name == "." else f"`{name}/`"
        lines += [f"### {head}", "", first_sentence(folder / "__init__.py") if name != "." else "", ""]
        lines += ["| file | what it is | tests that import it |", "|---|---|---|"]
        for path in inside:
            dotted = ".".join(("tocsin", *path.relative_to(PACKAGE).with_suffix("").parts))
            by = ", ".join(f"`{each}`" for each in tests.get(dotted, []))
            lines.append(f"| `{path.name}` | {first_sentence(path).replace('|', chr(92) + '|')} | {by} |")
        lines.append("")
    return "\n".join(lines)


def with_map(page: str) -> str:
    """Return a page with the map between its marks."""
    before, rest = page.split(BEGIN, 1)
    return f"{before}{BEGIN}\n{house_map()}{END}{rest.split(END, 1)[1]}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--map", metavar="PAGE", type=Path, help="write the map of the files into a page")
    page = parser.parse_args().map
    if page is not None:
        page.write_text(with_map(page.read_text(encoding="utf-8")), encoding="utf-8")
        return
    for what, count, behind in measures():
        print(f"{count:>6}  {what}{': ' + behind if behind else ''}")


if __name__ == "__main__":
    main()
