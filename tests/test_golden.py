"""What a dozen models and histories give is what it was: to the bit here, to nine digits elsewhere."""

from __future__ import annotations

import json

import pytest
from helpers import golden

KEPT = json.loads(golden.FILE.read_text(encoding="utf-8"))


def test_every_case_is_kept() -> None:
    assert KEPT["cases"].keys() == golden.CASES.keys()


@pytest.mark.parametrize("name", golden.CASES)
def test_the_same_numbers(name: str) -> None:
    assert not golden.compare(
        name, KEPT["cases"][name], golden.compute(name), KEPT["platform"] == golden.here()
    )
