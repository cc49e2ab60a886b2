"""The stages of images: sizes, colours, classes, and what cannot be judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aigc_lab import deploy
from aigc_lab.collect.dataset import Dataset, own_card
from aigc_lab.pipeline import images


def shapes(count: int, classes: int = 2, side: int = 28, channels: int = 3, seed: int = 0) -> Dataset:
    """Plain pictures, a brightness for each class, with grain."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    levels = 40 + 170 * labels[:, None, None, None] / max(1, classes - 1)
    data = np.clip(levels + random.normal(0, 12, (count, side, side, channels)), 0, 255).astype("uint8")
    data = data[..., 0] if channels == 1 else data
    return Dataset(data, labels, tuple(f"c{number}" for number in range(classes)))


def test_a_file_of_arrays_is_brought_to_the_size(tmp_path: Path):
    data = shapes(30, side=20, channels=1).data
    np.savez(tmp_path / "set.npz", images=data, labels=np.repeat(["a", "b"], 15))
    seen = images.look(tmp_path / "set.npz", tmp_path, size=36, progress=False)
    assert seen.items.data.shape == (30, 36, 36) and seen.items.class_names == ("a", "b")
    assert seen.names[:2] == ("item 0", "item 1") and seen.page.is_file()
    np.save(tmp_path / "same.npy", shapes(30, side=32, channels=1).data[..., None])
    seen = images.look(tmp_path / "same.npy", tmp_path, labels=False, progress=False)
    assert seen.items.data.shape == (30, 32, 32) and seen.items.labels is None
    np.save(tmp_path / "four.npy", np.zeros((30, 32, 32, 4), "uint8"))
    with pytest.raises(ValueError, match="images of 4 channels are not trained on"):
        images.look(tmp_path / "four.npy", tmp_path)
    (tmp_path / "words.txt").write_text("some\nlines")
    with pytest.raises(ValueError, match="words holds text, not images"):
        images.look(tmp_path / "words.txt", tmp_path)


@pytest.mark.parametrize("size", [30, 24, 132])
def test_a_size_that_no_model_takes_is_refused(size: int, tmp_path: Path):
    with pytest.raises(ValueError, match="multiple of 4 from 28 to 128"):
        images.look(tmp_path, tmp_path, size=size)


def test_without_labels_sub_folders_are_no_classes(folder: Path, tmp_path: Path):
    seen = images.look(folder, tmp_path, labels=False, progress=False)
    assert seen.items.labels is None and "label_issues" not in set(seen.issues["detector"])


@pytest.mark.parametrize(
    ("counts", "names", "words"),
    [
        ((30, 25), ("c0", "c1"), []),
        ((30, 25, 19), ("c0", "c1"), ["Left out of the model", "c2 (19)"]),
        ((30, 19), (), ["trained without classes"]),
        ((30,), (), []),
        ((20,) * 13, (), ["13 classes are too many"]),
    ],
)
def test_a_model_is_asked_only_for_classes_that_are_large_enough(counts, names, words):
    labels = np.repeat(np.arange(len(counts)), counts)
    data = Dataset(np.zeros((len(labels), 8, 8), "uint8"), labels, tuple(f"c{n}" for n in range(len(counts))))
    found, notes = images._conditions(data)
    assert found == names and bool(notes) == bool(words)
    assert all(word in notes[0] for word in words)


def test_drawings_in_grey_with_a_gan(tmp_path: Path):
    kept, held_out = shapes(64, channels=1), shapes(10, channels=1, seed=1)
    trained = images.train(kept, held_out, steps=3, model="gan", progress=False)
    assert trained.mixture is None and trained.settings["model"] == "conditional GAN"
    assert trained.curve.columns[1] == "KID against held-out images" and np.isfinite(trained.curve).all(
        axis=None
    )
    drawn = images.draw(trained, 15)
    assert drawn.data.shape == (15, 28, 28) and drawn.counts() == {"c0": 8, "c1": 7}
    rows = {row.name: row for row in images.scores(trained, drawn, kept, held_out)}
    assert rows["KID"].score.value > rows["KID"].floor.high and "wide intervals" in rows["KID"].about
    assert rows["precision"].verdict == rows["near copies of training images"].verdict == "not judged"
    assert "needs 12 held-out images, there are 10" in rows["precision"].about
    images.export(trained, tmp_path / "model", "title", replace(own_card("shapes"), licence="mine"))
    told = deploy.onnx_metadata(tmp_path / "model" / "generator.onnx")
    assert told["licence"] == deploy.verify(tmp_path / "model")["licence"] == "mine" and told[
        "class_names"
    ] == ["c0", "c1"]


def test_copies_of_the_training_images_are_seen():
    kept, held_out = shapes(300, 1), shapes(110, 1, seed=1)
    trained = images.Trained(None, {})
    copies = {}
    for name, drawn in (("copied", kept[:110]), ("new", shapes(110, 1, seed=2))):
        rows = {row.name: row for row in images.scores(trained, drawn, kept, held_out)}
        assert rows["KID"].verdict.endswith("as good as real items"), name
        copies[name] = rows["near copies of training images"]
    assert copies["copied"].score.value == 1 and copies["copied"].verdict == "worse than real items"
    assert copies["new"].verdict == "as good as real items"


def test_a_class_that_is_not_drawn_as_asked_is_seen():
    kept, held_out, drawn = shapes(120), shapes(40, seed=1), shapes(40, seed=2)
    trained = images.Trained(None, {}, class_names=("c0", "c1"))
    right = images.scores(trained, drawn, kept, held_out)[-1]
    assert (
        right.name == "class as asked" and right.score.value == 1 and right.verdict == "as good as real items"
    )
    swapped = Dataset(drawn.data, 1 - drawn.labels, drawn.class_names)
    wrong = images.scores(trained, swapped, kept, held_out)[-1]
    assert wrong.score.value == 0 and wrong.verdict == "worse than real items"


def test_mirrored_copies_are_for_training_only():
    kept, held_out = shapes(40), shapes(10, seed=1)
    trained = images.train(kept, held_out, steps=2, mirror=True, progress=False)
    assert "40 of 28 x 28 pixels, RGB, each also mirrored" in trained.settings["images"]
    assert "2, 32 images each" in trained.settings["steps"]


@pytest.mark.parametrize(
    ("how", "words"), [({"model": "flow"}, "model must be vae or gan"), ({"seconds": 0}, "time above 0")]
)
def test_what_cannot_be_trained_is_refused(how, words):
    with pytest.raises(ValueError, match=words):
        images.train(shapes(40), shapes(10), **how)


def test_seconds_are_kept_about(tmp_path: Path):
    trained = images.train(shapes(64, 1), shapes(10, 1), seconds=1.5, progress=False)
    assert 0.2 < trained.settings["seconds"] < 6
    assert Image.fromarray(images.draw(trained, 1).data[0]).size == (28, 28)
