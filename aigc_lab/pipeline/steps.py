"""The stages joined: look, decide, split, train, draw, score, export, and one page about all of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aigc_lab.pipeline.parts import Result, Seen

if TYPE_CHECKING:
    import pandas as pd


def kind_of(path: str | os.PathLike[str], text_column: str | None = None, **how: Any) -> str:
    """``"images"``, ``"text"`` or ``"table"``: what a folder or file holds.

    Raises:
        FileNotFoundError: no such path.
        ValueError: an empty folder, or one that holds both images and texts; a file of no known suffix.
    """
    raise NotImplementedError


def look(
    path: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    kind: str = "auto",
    seed: int = 0,
    progress: bool = True,
    **options: Any,
) -> Seen:
    """Stages 1 to 3 of the kind that ``path`` holds; ``folder`` takes the page that shows all issues."""
    raise NotImplementedError


def decide(
    seen: Seen,
    decisions: str | os.PathLike[str] | None = None,
    *,
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
) -> pd.DataFrame:
    """What stays: a row for each item, in their order: ``name``, ``proposed``, ``decision``, ``by``, ``why``.

    What is proposed is dropped, unless a person decided otherwise: in the file ``decisions`` (which ``run``
    writes, and in which ``decision`` may be changed to keep or drop), or here by name, which goes first. A
    copy stays if all that it repeats is dropped for other reasons. ``by`` is ``proposal`` or ``you``.

    Raises:
        ValueError: an unknown item, a file of another data set, or a decision that is neither keep nor drop.
    """
    raise NotImplementedError


def split(seen: Seen, decisions: pd.DataFrame, share: float = 0.2, seed: int = 0) -> tuple[Any, Any]:
    """The kept items as a training and a held-out part; copies and near copies stand on one side."""
    raise NotImplementedError


def run(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str] = "results",
    *,
    licence: str = "",
    kind: str = "auto",
    only_look: bool = False,
    seconds: float = 60,
    steps: int | None = None,
    seed: int = 0,
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
    progress: bool = True,
    **options: Any,
) -> Result:
    """All seven stages. See ``python -m aigc_lab.pipeline --help`` for what the options mean."""
    raise NotImplementedError
