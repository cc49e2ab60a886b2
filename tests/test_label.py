"""Wrong labels are found where labels were flipped; annotations lose nothing and overwrite nobody."""

import json

import numpy as np
import pytest

from aigc_lab import clean, collect, corrupt, evaluate, label
from aigc_lab.collect.dataset import own_card

NAMES = ("cat", "dog")


@pytest.fixture(scope="module")
def animals():
    train, _, _ = collect.load("animals").split(seed=0)
    return train.only("cat", "elephant", "giraffe", "horse", "bird")


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_flipped_labels_are_found(animals, seed):
    dirty, log = corrupt.apply(animals, {"label_flip": 0.1}, seed=seed)
    found = label.issues(dirty, evaluate.features(dirty.data), seed=seed)
    result = clean.score(found, log.mask("label_flip"))
    assert result["recall"] > 0.9
    assert result["precision"] > 0.75
    # What is suggested is mostly the label before the flip.
    true = log.true_labels[found["item"]]
    flipped = log.mask("label_flip")[found["item"]]
    assert (found["suggested"].to_numpy()[flipped] == true[flipped]).mean() > 0.9
    assert found["score"].between(0, 1).all()

    relabelled = label.relabel(dirty, found)
    assert (relabelled.labels == log.true_labels).mean() > (dirty.labels == log.true_labels).mean() + 0.05
    assert np.array_equal(relabelled.data, dirty.data)


def test_probabilities_are_out_of_sample():
    """On pure noise an item's own label must not leak into its probability."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 400)
    probabilities = label.out_of_sample_probabilities(random.standard_normal((400, 50)), labels)
    assert probabilities.sum(axis=1) == pytest.approx(1.0)
    assert (probabilities.argmax(axis=1) == labels).mean() < 0.6


def test_bad_input_is_refused(animals):
    unlabelled = collect.Dataset(animals.data)
    with pytest.raises(ValueError, match="no labels"):
        label.issues(unlabelled)
    with pytest.raises(ValueError, match="two classes"):
        label.issues(animals.only("cat"))
    few = animals[np.r_[np.flatnonzero(animals.labels == 1)[:50], np.flatnonzero(animals.labels == 2)[:3]]]
    with pytest.raises(ValueError, match="class elephant has 3 items, fewer than the 5 folds"):
        label.issues(few)
    with pytest.raises(ValueError, match="one row for each"):
        label.issues(animals, np.zeros((3, 4)))


@pytest.fixture
def tiny():
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8), dtype="uint8")
    return collect.Dataset(images, np.zeros(6, int), NAMES, own_card("tiny"))


def test_each_entry_is_in_the_file_at_once(tmp_path, tiny):
    path = tmp_path / "deep" / "labels.json"
    annotations = label.Annotations(path, NAMES, "甲")
    assert not path.exists()
    digests = tiny.hashes()
    for number, (digest, name) in enumerate(zip(digests, ("dog", "cat", None), strict=False)):
        annotations.add(digest, name)
        again = label.Annotations(path, NAMES, "甲")  # what another process would read now
        assert len(again.entries) == number + 1
    assert again.labels(tiny).tolist() == [1, 0, -1, -1, -1, -1]
    assert label.read_labels(path, tiny[::-1]).tolist() == [-1, -1, -1, -1, 0, 1]
    annotations.add(digests[0], "cat")  # changed one's mind
    assert label.read_labels(path, tiny).tolist() == [0, 0, -1, -1, -1, -1]
    assert annotations.undo() == (digests[0], "cat")
    assert label.read_labels(path, tiny).tolist() == [-1, 0, -1, -1, -1, -1]
    assert [annotations.undo() is not None for _ in range(3)] == [True, True, False]
    assert sorted(tmp_path.joinpath("deep").iterdir()) == [path]  # no left-overs


def test_copies_share_their_label(tmp_path, tiny):
    annotations = label.Annotations(tmp_path / "labels.json", NAMES)
    doubled = tiny[[0, 0, 1]]
    annotations.add(doubled.hashes()[0], "dog")
    assert annotations.labels(doubled).tolist() == [1, 1, -1]


def test_somebody_elses_work_is_never_overwritten(tmp_path, tiny):
    path = tmp_path / "labels.json"
    first, second = label.Annotations(path, NAMES), label.Annotations(path, NAMES)
    digests = tiny.hashes()
    first.add(digests[0], "cat")
    before = path.read_bytes()
    with pytest.raises(OSError, match="changed by somebody else"):
        second.add(digests[1], "dog")
    assert path.read_bytes() == before
    assert second.entries == []


def test_a_file_that_cannot_be_written_enters_nothing(tmp_path, tiny):
    (tmp_path / "file").write_text("in the way")
    annotations = label.Annotations(tmp_path / "file" / "labels.json", NAMES)
    with pytest.raises(OSError, match="choose another one"):
        annotations.add(tiny.hashes()[0], "cat")
    assert annotations.entries == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no annotations"),
        ("[]", "holds no annotations"),
        ("\x00\x00", "holds no annotations"),
        ({"annotations": 9}, "version 9"),
        ({"classes": ["cat", "cow"]}, "has the classes cat, cow, not cat, dog"),
        ({"annotator": "Ann"}, "holds the labels of Ann, not of somebody without a name"),
        ({"entries": [["0", "cow"]]}, "holds the label 'cow'"),
        ({"entries": 3}, "holds no annotations"),
    ],
)
def test_a_strange_file_is_refused_and_stays(tmp_path, content, message):
    if isinstance(content, dict):
        good = {"annotations": 1, "annotator": "", "classes": list(NAMES), "entries": []}
        content = json.dumps(good | content)
    path = tmp_path / "labels.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        label.Annotations(path, NAMES)
    assert path.read_text() == content


def test_wrong_use_is_refused(tmp_path, tiny):
    with pytest.raises(ValueError, match="there is no class 'cow'"):
        label.Annotations(tmp_path / "labels.json", NAMES).add("0", "cow")
    with pytest.raises(ValueError, match="no classes to choose from"):
        label.Annotations(tmp_path / "labels.json", ())
    with pytest.raises(FileNotFoundError, match="label something first"):
        label.read_labels(tmp_path / "labels.json", tiny)
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ValueError, match="holds no annotations"):
        label.read_labels(tmp_path / "other.json", tiny)


def test_no_doubt_is_an_empty_table_of_the_same_kinds():
    images = np.zeros((20, 28, 28), "uint8")
    images[10:] = 255
    sure = collect.Dataset(images, np.repeat([0, 1], 10), ("dark", "light"))
    found = label.issues(sure)
    assert not len(found) and found["reason"].str.replace("a", "b").tolist() == []
