"""What the tests of cleaning share."""

from __future__ import annotations

import pytest

from aigc_lab import clean, collect
from aigc_lab.collect import Dataset


@pytest.fixture(scope="session")
def unique() -> Dataset:
    """Animals without the 284 exact copies of the published set, which no corruption log knows of."""
    animals = collect.load("animals")
    return clean.drop(animals, clean.exact_duplicates(animals)).kept
