"""How the site is made: `uv run --group docs sphinx-build -W docs site`, from a clean clone and with no network.

Every code cell of a page is run in the build, and an error in one ends it; so does a link that leads nowhere. The
reference is made from `src/tocsin/__init__.pyi`, the docstrings and the command line.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PACKAGE = HERE.parent / "src" / "tocsin"
MADE = HERE / "reference" / "made"

project = "Tocsin"
author = "The Tocsin founders"
release = version_of("tocsin")
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",
    "sphinx_copybutton",
]
exclude_patterns = ["reference/made/*.py", "**/.ipynb_checkpoints", "tutorials/*.py", "_build"]
root_doc = "index"

html_theme = "furo"
html_title = "Tocsin"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False

# Cells are run once a build; what they print is kept beside the site and not in the repository.
nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE.parent / ".jupyter_cache")
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_execution_show_tb = True
myst_enable_extensions = ["dollarmath", "deflist", "attrs_block", "colon_fence"]
myst_heading_anchors = 3
# Links to files of the repository that are no pages: they lead to its own copy of the text.
REPOSITORY = "https://github.com/tocsin-lab/tocsin/blob/main/"

autosummary_generate = True
autosummary_imported_members = True
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_member_order = "bysource"
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Source", "notes"), ("Sources", "notes")]
napoleon_use_rtype = False
napoleon_attr_annotations = False  # their types are names that autodoc cannot resolve
suppress_warnings = ["autosummary.import_cycle", "mystnb.unknown_mime_type"]

GROUPS = {
    "history": "Record",
    "states": "Declare",
    "model": "Declare",
    "program": "Run",
    "interventions": "Change one thing",
    "ensemble": "Many worlds",
    "fit": "Fit",
    "bayes": "Fit",
    "attribution": "Attribute",
    "check": "Check",
    "forecasts": "Forecast",
    "what_if": "What if",
    "ledger": "Value and plan",
    "support": "Value and plan",
    "errors": "Errors",
}


def public_names() -> dict[str, list[str]]:
    """Return the public names by what they are for, as `src/tocsin/__init__.pyi` lists them."""
    found: dict[str, list[str]] = {}
    tree = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            group = GROUPS.get(
                node.module.split(".")[0], node.module.split(".")[0].replace("_", " ").capitalize()
            )
            found.setdefault(group, []).extend(alias.asname or alias.name for alias in node.names)
    return found


def chart_names(package: str) -> list[str]:
    """Return the public names of a package."""
    tree = ast.parse((PACKAGE / package / "__init__.pyi").read_text(encoding="utf-8"))
    return [
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]


def _table(names: list[str], module: str) -> str:
    listed = "\n".join(f"   {module}.{name}" for name in sorted(names, key=str.lower))
    return f".. autosummary::\n   :toctree: .\n   :nosignatures:\n\n{listed}\n"


PACKAGES = (("charts", "Charts"), ("maps", "Maps"), ("units", "Who is who"), ("ties", "Builders of ties"))


def python_page() -> str:
    """Return the page of all public names, as reStructuredText, which autosummary reads."""
    parts = ["Python\n======\n\nEvery public name, with what it takes, gives and refuses.\n"]
    for group, names in public_names().items():
        if names := [name for name in names if name not in dict(PACKAGES)]:
            parts.append(f"{group}\n{'-' * len(group)}\n\n{_table(names, 'tocsin')}")
    for package, title in PACKAGES:
        parts.append(f"{title}\n{'-' * len(title)}\n\n{_table(chart_names(package), f'tocsin.{package}')}")
    return "\n".join(parts)


def command_page() -> str:
    """Return the page of the command line: what `--help` says of every verb."""
    from typer.main import get_command

    from tocsin.cli.main import app

    command: Any = get_command(app)
    parts = ["# Command line\n\nWhat `tocsin --help` and `tocsin VERB --help` say.\n"]
    for words in ([], *([name] for name in sorted(command.commands))):
        told = io.StringIO()
        with contextlib.redirect_stdout(told), contextlib.suppress(SystemExit):
            command.main([*words, "--help"], prog_name="tocsin", standalone_mode=False)
        title = f"## tocsin {words[0]}" if words else "## tocsin"
        parts.append(f"{title}\n\n```text\n{told.getvalue().strip()}\n```\n")
    return "\n".join(parts)


def make_reference() -> None:
    """Write the pages of the reference that are made from the code."""
    MADE.mkdir(parents=True, exist_ok=True)
    for name, text in (("python.rst", python_page()), ("command_line.md", command_page())):
        target = MADE / name
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.write_text(text, encoding="utf-8")


def to_repository(app: Any, name: str, source: list[str]) -> None:
    """Turn links to files of the repository that are no pages into its addresses; refuse those that are not there."""
    place = Path(app.env.doc2path(name)).parent

    def turned(match: re.Match[str]) -> str:
        target, anchor = match["target"], match["anchor"] or ""
        whole = (place / target).resolve()
        if whole.is_relative_to(HERE) and whole.suffix in (".md", ".rst", ".svg", ".png", ".webp"):
            return match[0]
        if not whole.exists():
            raise FileNotFoundError(f"{name}: a link leads to {target}, which is not there")
        return f"]({REPOSITORY}{whole.relative_to(HERE.parent).as_posix()}{anchor})"

    source[0] = re.sub(r"\]\((?P<target>(?![a-z]+:|#)[^)#\s]+)(?P<anchor>#[^)\s]*)?\)", turned, source[0])


def setup(app: Any) -> dict[str, bool]:
    """Make the reference before autosummary looks for its names, and turn links as pages are read."""
    make_reference()
    app.connect("source-read", to_repository)
    return {"parallel_read_safe": True}
