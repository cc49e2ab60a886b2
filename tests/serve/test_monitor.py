"""The monitor of a model: what it counts, when it alarms, what it refuses, and its reference."""

from __future__ import annotations

import json

import numpy as np
import pytest

from aigc_lab import deploy
from aigc_lab.serve import monitor
from aigc_lab.serve.monitor import EVERY, Monitor, make_reference

NAMES = ("apple", "cat", "eye", "fish")


def judged(shares, count: int, seed: int, sharpness: float = 4.0) -> np.ndarray:
    """What a judge says of images of these classes, (n, 4): mostly right, more or less sure."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(count, 4))
    logits[np.arange(count), random.choice(4, count, p=shares)] += sharpness
    chances = np.exp(logits)
    return chances / chances.sum(axis=1, keepdims=True)


EVEN = np.full(4, 0.25)
REFERENCE = make_reference(judged(EVEN, 4000, seed=0), NAMES, asked=NAMES)


def watch(each: Monitor, labels: np.ndarray, probabilities: np.ndarray) -> None:
    for label, chances in zip(labels, probabilities, strict=True):
        each.asked(int(label))
        each.made(chances)


def test_nothing_changes_and_nothing_alarms():
    each = Monitor(json.loads(json.dumps(REFERENCE)))
    watch(each, np.random.default_rng(1).integers(0, 4, 3010), judged(EVEN, 3010, seed=1))
    status = each.status()
    assert status["alarm"] is None
    assert {facts["items"] for facts in status["streams"].values()} == {3010}
    assert all(sum(facts["counts"]) == 3010 for facts in status["streams"].values())
    assert all(facts["evidence"] < facts["alarm_at"] for facts in status["streams"].values())
    assert json.loads(json.dumps(status, allow_nan=False)) == status


@pytest.mark.parametrize(
    ("change", "alarmed"),
    [("requests", {"asked"}), ("a class lost", {"recognised"}), ("unsure", {"uncertainty"})],
)
def test_each_change_alarms_its_stream(change, alarmed):
    each, random = Monitor(REFERENCE), np.random.default_rng(2)
    watch(each, random.integers(0, 4, 1000), judged(EVEN, 1000, seed=3))
    asked = (
        random.choice(4, 800, p=(0.4, 0.3, 0.2, 0.1)) if change == "requests" else random.integers(0, 4, 800)
    )
    made = (0.34, 0.33, 0.33, 0.0) if change == "a class lost" else EVEN
    watch(each, asked, judged(made, 800, seed=4, sharpness=2.8 if change == "unsure" else 4.0))
    status = each.status()
    found = {name for name, facts in status["streams"].items() if facts["alarm"]}
    assert alarmed <= found
    assert change == "unsure" or found == alarmed
    first = min(status["streams"][name]["alarm"] for name in found)
    assert status["alarm"] == first > 1000
    assert first % EVERY == 0
    for name in alarmed:
        assert 700 <= status["streams"][name]["since"] <= 1300
    if change == "a class lost":
        assert status["streams"]["recognised"]["shares_since"][3] < 0.1


def test_mixed_up_labels_leave_every_share_as_it_was_but_one():
    chances = judged(EVEN, 4000, seed=5)
    labels = 3 - chances.argmax(axis=1)  # the model counts its classes the other way round
    each = Monitor(make_reference(chances, NAMES, NAMES[::-1], labels))
    assert each.status()["streams"]["as asked"]["reference"] == [1, 0]
    for label, one in zip((labels[:600] + 1) % 4, chances[:600], strict=True):
        each.asked(int(label))
        each.made(one, int(label))
    found = {name for name, facts in each.status()["streams"].items() if facts["alarm"]}
    assert found == {"as asked"}


def test_the_alarm_of_a_stream_stays():
    each = Monitor(REFERENCE)
    for _ in range(200):
        each.asked(0)
    at = each.status()["alarm"]
    for label in np.resize(np.arange(4), 400):
        each.asked(int(label))
    assert at
    assert each.status()["alarm"] == at


def test_uncertainty_tells_apart_what_rounding_would_not():
    sure = np.array([[1e-9, 1.0, 0.0, 0.0], [1e-12, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    assert monitor.uncertainty(sure) == pytest.approx([-9, -12, -30])


def test_a_judge_that_is_always_sure_still_makes_a_reference():
    sure = np.eye(4)[np.arange(400) % 4]
    each = Monitor(make_reference(sure, NAMES))
    for chances in sure:
        each.made(chances)
    status = each.status()
    each.asked(2)  # a reference that knows no classes has nothing to count here
    assert set(status["streams"]) == {"recognised", "uncertainty"}
    assert status["alarm"] is None


@pytest.mark.parametrize("bad", [[0.5, 0.5], [np.nan, 1, 0, 0], [[0.25] * 4], []])
def test_what_no_judge_says_is_refused_and_not_counted(bad):
    each = Monitor(REFERENCE)
    with pytest.raises(ValueError, match="must give 4 finite probabilities"):
        each.made(np.array(bad))
    assert each.status()["streams"]["recognised"]["items"] == 0


@pytest.mark.parametrize("label", [-1, 9, None, 0.5])
def test_a_label_that_is_no_class_is_refused_and_not_counted(label):
    each = Monitor(REFERENCE)
    with pytest.raises(ValueError, match="a class is a number from 0 to"):
        each.asked(label)
    assert each.status()["streams"]["asked"]["items"] == 0


@pytest.mark.parametrize("bad", [{}, {"streams": {}}, {"streams": {"asked": {"shares": [1]}}}, [], None])
def test_a_reference_without_streams_is_refused(bad):
    with pytest.raises(ValueError, match="holds no streams"):
        Monitor(bad)


@pytest.mark.parametrize("bad", [np.zeros((0, 4)), np.full((200, 4), np.nan), np.full(200, 0.5)])
def test_a_reference_needs_images(bad):
    with pytest.raises(ValueError, match="at least 100 images"):
        make_reference(bad)


def test_the_reference_of_an_export_is_written_and_watched_over(folder):
    folder = folder / "shapes-1"
    path = monitor.write_reference(folder, images=3030, seed=1)
    reference = json.loads(path.read_text(encoding="utf-8"))
    assert deploy.verify(folder)["files"]["reference"]["name"] == "reference.json"
    assert (reference["images"], reference["seed"]) == (3030, 1)
    streams = reference["streams"]
    assert list(streams) == ["asked", "recognised", "uncertainty", "as asked"]
    assert streams["asked"]["names"] == ["cat", "dog", "<b>&owl"]
    assert streams["recognised"]["names"] == ["cat", "dog", "<b>&owl"]
    assert all(abs(sum(each["shares"]) - 1) < 1e-9 for each in streams.values())
    same = Monitor(reference)  # other pictures of the same model
    each = [monitor.judged(folder, 200, name, seed=2) for name in streams["asked"]["names"]]
    for turn in zip(*each, strict=True):
        for label, chances in enumerate(turn):
            same.made(chances, label)
    assert same.alarm is None


def test_without_a_judge_there_is_no_reference(folder):
    for name in ("judge.onnx", "reference.json"):
        (folder / "shapes-1" / name).unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError, match=r"judge\.onnx"):
        monitor.write_reference(folder / "shapes-1")
    assert not (folder / "shapes-1" / "reference.json").exists()
