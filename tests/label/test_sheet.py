"""The label sheet: nothing is lost, nobody's work is overwritten, a strange file is refused."""

import json

import numpy as np
import pytest

from aigc_lab import collect, label
from aigc_lab.collect.dataset import own_card

NAMES = ("cat", "dog")


@pytest.fixture
def animals():
    pictures = np.random.default_rng(0).integers(0, 256, (6, 8, 8), dtype="uint8")
    return collect.Dataset(pictures, np.zeros(6, int), NAMES, own_card("tiny"))


def test_each_entry_is_in_the_file_at_once(tmp_path, animals):
    path = tmp_path / "deep" / "labels.json"
    sheet = label.LabelSheet(path, NAMES, "甲")
    assert not path.exists()
    digests = animals.hashes()
    for number, (digest, name) in enumerate(zip(digests, ("dog", "cat", None), strict=False)):
        sheet.add(digest, name)
        again = label.LabelSheet(path, NAMES, "甲")  # what another process would read now
        assert len(again) == number + 1
    assert again.labels(animals).tolist() == [1, 0, -1, -1, -1, -1]
    assert label.read_labels(path, animals[::-1]).tolist() == [-1, -1, -1, -1, 0, 1]
    sheet.add(digests[0], "cat")  # changed one's mind
    assert label.read_labels(path, animals).tolist() == [0, 0, -1, -1, -1, -1]
    assert sheet.undo() == (digests[0], "cat")
    assert label.read_labels(path, animals).tolist() == [-1, 0, -1, -1, -1, -1]
    assert [sheet.undo() is not None for _ in range(3)] == [True, True, False]
    assert sorted(tmp_path.joinpath("deep").iterdir()) == [path]  # no left-overs


def test_copies_share_their_label(tmp_path, animals):
    sheet = label.LabelSheet(tmp_path / "labels.json", NAMES)
    doubled = animals[[0, 0, 1]]
    sheet.add(doubled.hashes()[0], "dog")
    assert sheet.labels(doubled).tolist() == [1, 1, -1]


def test_somebody_elses_work_is_never_overwritten(tmp_path, animals):
    path = tmp_path / "labels.json"
    first, second = label.LabelSheet(path, NAMES), label.LabelSheet(path, NAMES)
    digests = animals.hashes()
    first.add(digests[0], "cat")
    before = path.read_bytes()
    with pytest.raises(OSError, match="changed by somebody else"):
        second.add(digests[1], "dog")
    assert path.read_bytes() == before
    assert len(second) == 0


def test_a_file_that_cannot_be_written_enters_nothing(tmp_path, animals):
    (tmp_path / "file").write_text("in the way")
    sheet = label.LabelSheet(tmp_path / "file" / "labels.json", NAMES)
    with pytest.raises(OSError, match="choose another one"):
        sheet.add(animals.hashes()[0], "cat")
    assert len(sheet) == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no label sheet"),
        ("[]", "no label sheet"),
        ("\x00\x00", "no label sheet"),
        ({"label_sheet": 9}, "version 9"),
        ({"classes": ["cat", "cow"]}, "has the classes cat, cow, not cat, dog"),
        ({"annotator": "Ann"}, "sheet of Ann, not of somebody without a name"),
        ({"entries": [["0", "cow"]]}, "holds the label 'cow'"),
        ({"entries": 3}, "no label sheet"),
    ],
)
def test_a_strange_file_is_refused_and_stays(tmp_path, content, message):
    if isinstance(content, dict):
        good = {"label_sheet": 1, "annotator": "", "classes": list(NAMES), "entries": []}
        content = json.dumps(good | content)
    path = tmp_path / "labels.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        label.LabelSheet(path, NAMES)
    assert path.read_text() == content


def test_wrong_use_is_refused(tmp_path, animals):
    with pytest.raises(ValueError, match="there is no class 'cow'"):
        label.LabelSheet(tmp_path / "labels.json", NAMES).add("0", "cow")
    with pytest.raises(ValueError, match="no classes to choose from"):
        label.LabelSheet(tmp_path / "labels.json", ())
    with pytest.raises(FileNotFoundError, match="label something first"):
        label.read_labels(tmp_path / "labels.json", animals)
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ValueError, match="no label sheet"):
        label.read_labels(tmp_path / "other.json", animals)
