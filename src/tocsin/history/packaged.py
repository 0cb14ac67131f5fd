"""The histories that come with Tocsin."""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def histories_folder() -> Path:
    """The folder of the packaged histories."""
    return Path(str(resources.files("tocsin"))) / "histories"


def packaged() -> list[str]:
    """Names of the packaged histories, sorted."""
    folder = histories_folder()
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if (path / "history.toml").is_file())
