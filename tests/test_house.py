"""The house: upward imports stand in methods of the façades only, and nobody imports by a name made at run time."""

from __future__ import annotations

import ast
import importlib.util
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "tocsin"
CONTRACT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
    "contracts"
][0]
PAIRS = [tuple(pair.split(" -> ")) for pair in CONTRACT["ignore_imports"]]
FACADES = {
    "tocsin.model.model": ("Model",),
    "tocsin.program.program": ("Program",),
    "tocsin.fit.parameterised": ("Parameterised",),
    "tocsin.fit.estimates": ("Fit",),
    "tocsin.ensemble.ensemble": ("Ensemble",),
}  # fmt: skip


def _tree(module: str) -> ast.Module:
    path = ROOT / "src" / Path(*module.split("."))
    return ast.parse(path.with_suffix(".py").read_text(encoding="utf-8"))


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)


def _allowed(tree: ast.Module, classes: tuple[str, ...]) -> set[ast.AST]:
    """The imports under TYPE_CHECKING, and those in methods of the façade's classes."""
    found: set[ast.AST] = set()
    for node in tree.body:
        checking = (
            isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        )
        facade = isinstance(node, ast.ClassDef) and node.name in classes
        if checking:
            found.update(ast.walk(node))
        if facade:
            for method in node.body:
                if isinstance(method, ast.FunctionDef):
                    found.update(ast.walk(method))
    return found


def test_only_facades_import_upwards() -> None:
    assert {source for source, _ in PAIRS} <= set(FACADES)
    assert not [pair for pair in CONTRACT["ignore_imports"] if "*" in pair]


@pytest.mark.parametrize("facade", FACADES)
def test_upward_imports_stand_in_methods(facade: str) -> None:
    upward = {target for source, target in PAIRS if source == facade}
    tree = _tree(facade)
    allowed = _allowed(tree, FACADES[facade])
    for node in ast.walk(tree):
        if upward & set(_imported(node)):
            assert node in allowed, (
                f"{facade}, line {node.lineno}: an upward import outside the façade's methods"
            )  # type: ignore[attr-defined]


def test_nobody_imports_by_a_name_made_at_run_time() -> None:
    found = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
            if name in ("import_module", "__import__"):
                found.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert not found


def test_the_map_of_the_files_is_current() -> None:
    spec = importlib.util.spec_from_file_location("measure_house", ROOT / "scripts" / "measure_house.py")
    assert spec is not None and spec.loader is not None
    measure_house = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(measure_house)
    page = (ROOT / "docs" / "development.md").read_text(encoding="utf-8")
    assert measure_house.with_map(page) == page, "run scripts/measure_house.py --map docs/development.md"
