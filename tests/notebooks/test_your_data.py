"""Notebook 21 on data that are not its own: it follows whatever the folder or file holds."""

from __future__ import annotations

from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from test_the_notebooks import FOLDER, smoke

from aigc_lab import collect
from aigc_lab.claims import MIME_TYPE

NOTEBOOK = FOLDER / "21_your_data.ipynb"
ITS_OWN = ("pagoda", "messy_folder")  # what only the folder holds that it makes by default


def grey_images(folder: Path) -> Path:
    """Two classes of grey digits, 28 x 28, and a copy."""
    digits = collect.load("digits").only("3", "8")
    for number, (image, which) in enumerate(zip(digits.data[:160], digits.labels[:160], strict=True)):
        place = folder / f"digit {digits.class_names[which]}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).resize((28, 28)).save(place / f"{number:03d}.png")
    (place / "twin.png").write_bytes((place / f"{number:03d}.png").read_bytes())
    return folder


def text_files(folder: Path) -> Path:
    """Eighty short texts, without classes."""
    folder.mkdir()
    for number, text in enumerate(collect.load("dialogues").only("english").data[::7][:80]):
        (folder / f"{number:02d}.txt").write_text(text, encoding="utf-8")
    return folder


def table(folder: Path) -> Path:
    """A hundred and twenty rows of two numbers that belong together, and a word."""
    folder.mkdir()
    random = np.random.default_rng(0)
    weight = random.gamma(4.0, 2.0, 120).round(1)
    length = (3 * weight + random.normal(0, 2, 120)).round(1)
    sex = np.where(random.random(120) < 0.5, "female", "male")
    pd.DataFrame({"weight": weight, "length": length, "sex": sex}).to_csv(folder / "fish.csv", index=False)
    return folder / "fish.csv"


def shown(executed: nbformat.NotebookNode) -> str:
    """All text that the cells of sections 1 to 7 put out."""
    words = []
    for cell in executed.cells:
        if cell.source.startswith("## The same for texts"):
            break
        for output in cell.get("outputs", ()):
            words.append(output.get("text", "") + str(output.get("data", {}).get("text/plain", "")))
    return "\n".join(words)


@pytest.mark.slow
@pytest.mark.parametrize("make", [grey_images, text_files, table], ids=lambda make: make.__name__)
def test_it_follows_what_the_folder_holds(make, tmp_path):
    path = make(tmp_path / "own")
    executed = smoke(NOTEBOOK, tmp_path / "run", folder=str(path), licence="my own work")
    words = shown(executed)
    assert not [name for name in ITS_OWN if name in words]
    assert "nothing, the data are yours" in words
    assert "no file was changed, moved or deleted" in words
    assert "the same new items as above: True" in words
    assert "licence: my own work" in words
    assert (tmp_path / "run" / f"results_{path.stem}" / "report.html").stat().st_size > 10_000
    found = [
        output.data[MIME_TYPE]["id"]
        for cell in executed.cells
        for output in cell.get("outputs", ())
        if MIME_TYPE in output.get("data", {})
    ]
    assert found == ["C06"]


@pytest.mark.slow
def test_too_little_and_nothing_at_all_end_in_one_sentence(tmp_path):
    from papermill import PapermillExecutionError

    few = tmp_path / "few"
    few.mkdir()
    for number in range(5):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(few / f"{number}.png")
    for path, words in (
        (few, r"different items are left, and 40 are needed"),
        (tmp_path / "no", "there is no"),
    ):
        with pytest.raises(PapermillExecutionError) as caught:
            smoke(NOTEBOOK, tmp_path / f"run {path.name}", folder=str(path))
        assert words in caught.value.evalue
