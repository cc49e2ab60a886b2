"""``collect.load``: every set holds what its card says, and the faults on the cards are counted here."""

from __future__ import annotations

import collections
import gzip
import importlib.util
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from aigc_lab import collect
from aigc_lab.collect.load import dialogue_pairs, package_file, remote_files

ROOT = Path(__file__).resolve().parents[2]


def copies(dataset: collect.Dataset) -> int:
    return len(dataset) - len(set(dataset.hashes()))


def run_python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class TestCatalogue:
    def test_names(self):
        embedded = ["animals", "digits", "photos", "dialogues", "python-code", "three-kingdoms"]
        assert collect.names()[:10] == [*embedded, "tones", "cadences", "quickdraw", "mnist-t10k"]
        tiers = [collect.card(name).tier for name in collect.names()]
        assert tiers == ["embedded"] * 8 + ["download"] * (len(tiers) - 8)

    @pytest.mark.parametrize(
        ("wrong", "near"),
        [("animal", "animals"), ("Animals", "animals"), ("quick_draw", "quickdraw"), ("tang300", "tang-300"),
         ("python_code", "python-code"), ("mnist", "mnist-t10k")],
    )  # fmt: skip
    def test_an_unknown_name_suggests_the_nearest(self, wrong, near):
        for ask in (collect.load, collect.card):
            with pytest.raises(ValueError, match=f"unknown data set '{wrong}'; did you mean '{near}'"):
                ask(wrong)

    def test_a_name_like_no_other_lists_them_all(self):
        with pytest.raises(ValueError) as caught:
            collect.load("zzzzzz")
        assert "did you mean" not in str(caught.value)
        assert all(name in str(caught.value) for name in collect.names())

    @pytest.mark.parametrize("name", collect.names())
    def test_every_card_is_complete(self, name):
        card = collect.card(name)
        assert card.name == name
        assert card.modality in ("images", "text", "audio")
        assert all(len(part) >= 3 for part in (card.title, card.source, card.licence, card.size))
        assert len(card.known_faults) >= 1
        assert all(fault.endswith((".", ").")) for fault in card.known_faults)
        assert card.licence in card.to_text()

    def test_a_card_costs_no_download(self, cache):
        collect.card("kodak")
        assert not cache.exists()

    def test_importing_the_module_and_loading_animals_imports_nothing_heavy(self):
        heavy = "tensorflow keras matplotlib pandas sklearn skimage requests animal_mnist torch IPython"
        said = run_python(
            "import sys, aigc_lab.collect as c\n"
            f"print([m for m in '{heavy}'.split() if m in sys.modules])\n"
            "d = c.load('animals')\n"
            f"print([m for m in '{heavy}'.split() if m in sys.modules], len(d))"
        )
        assert said.split("\n")[:2] == ["[]", "[] 10000"]


class TestAnimals:
    def test_what_the_card_says(self):
        animals = collect.load("animals")
        assert animals.data.shape == (10_000, 28, 28) and animals.data.dtype == np.uint8
        assert animals.counts() == dict.fromkeys(
            ["bear", "bird", "cat", "cow", "dog", "elephant", "giraffe", "horse", "sheep", "zebra"], 1000
        )
        assert copies(animals) == 284

    def test_its_faults(self):
        animals = collect.load("animals")
        labels_of = collections.defaultdict(list)
        for digest, label in zip(animals.hashes(), animals.labels, strict=True):
            labels_of[digest].append(animals.class_names[label])
        repeated = collections.Counter(name for names in labels_of.values() for name in names[1:])
        assert repeated == {"bird": 188, "bear": 63, "sheep": 15, "cat": 8, "cow": 4, "dog": 3, "horse": 3}
        assert all(len(set(names)) == 1 for names in labels_of.values())
        assert np.median(animals.data[:, 0, :]) == 0  # light on black

    def test_another_file_is_not_unpickled(self, tmp_path, monkeypatch):
        bad, marker = tmp_path / "bad.gz", tmp_path / "ran"
        bad.write_bytes(gzip.compress(pickle.dumps(_Touch(str(marker)))))
        monkeypatch.setattr(sys.modules["aigc_lab.collect.load"], "package_file", lambda *_: bad)
        with pytest.raises(ValueError, match="not the file this project knows"):
            collect.load("animals")
        assert not marker.exists()

    def test_a_package_that_is_missing_is_named(self, monkeypatch):
        monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
        with pytest.raises(ModuleNotFoundError, match="pip install animal-mnist"):
            collect.load("animals")

    def test_a_package_without_its_file(self):
        with pytest.raises(FileNotFoundError, match="pip install --force-reinstall numpy"):
            package_file("numpy", "no/such/file", "numpy")


class _Touch:
    """Unpickling it would make a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


class TestOtherEmbedded:
    def test_digits(self):
        digits = collect.load("digits")
        assert digits.data.shape == (1797, 8, 8)
        assert np.unique(digits.data).tolist() == np.rint(np.arange(17) * 255 / 16).astype(int).tolist()
        counts = digits.counts()
        assert (min(counts.values()), max(counts.values())) == (counts["8"], counts["3"]) == (174, 183)

    def test_photos(self):
        originals, licences, stack = collect.photos(), collect.photo_licences(), collect.load("photos")
        assert set(originals) == set(licences) == set(stack.class_names)
        assert all(licences.values())
        assert stack.data.shape == (14, 256, 256, 3)
        assert originals["chelsea"].shape == (300, 451, 3)
        assert {name for name, image in originals.items() if image.ndim == 2} == {
            "brick", "camera", "coins", "grass", "gravel",
        }  # fmt: skip
        cat = stack.only("chelsea").data[0].astype(float)
        centre = originals["chelsea"][:, 75:375].astype(float)
        assert np.allclose(
            cat.mean((0, 1)), centre.mean((0, 1)), atol=1
        )  # the right crop, the channels in order
        with pytest.raises(ValueError, match="'photos', 'kodak' and 'paintings'"):
            collect.photos("animals")

    def test_dialogues(self):
        pairs = collect.load("dialogues")
        assert pairs.counts() == {"english": 2306, "chinese": 552}
        assert all(item.count("\t") == 1 and all(item.split("\t")) for item in pairs.data)
        english = pairs.only("english")
        assert (copies(english), copies(pairs.only("chinese"))) == (1128, 2)
        questions = collections.Counter(item.split("\t")[0] for item in english.data)
        assert questions.most_common(1) == [("My printer is not printing.", 121)]
        assert "I\tn" not in english.data  # the entry whose letters a naive reader takes for lines

    def test_in_conversations_each_line_answers_the_one_before_elsewhere_the_first(self, tmp_path):
        lines = "conversations:\n- - one\n  - two\n  - three   and\n    more\n- a text without its dash\n"
        (tmp_path / "conversations.yml").write_text(lines)
        (tmp_path / "food.yml").write_text(lines)
        assert dialogue_pairs(tmp_path / "conversations.yml") == [
            ("one", "two"),
            ("two", "three and more"),
        ]
        assert dialogue_pairs(tmp_path / "food.yml") == [("one", "two"), ("one", "three and more")]

    def test_python_code(self):
        code = collect.load("python-code")
        assert 100 < len(code) < 300
        assert Path(importlib.util.find_spec("argparse").origin).read_text(encoding="utf-8") in code.data
        assert code.hashes() == collect.load("python-code").hashes()

    def test_three_kingdoms(self):
        chapters = collect.load("three-kingdoms").data
        assert len(chapters) == 120 and sum(map(len, chapters)) == 596_090
        assert chapters[0].splitlines()[0] == "第一回 宴桃园豪杰三结义\u3000斩黄巾英雄首立功"
        assert all(chapter.startswith("第") and "\n\n" not in chapter for chapter in chapters)


class TestDownloaded:
    def test_quickdraw(self, mirror):
        sketches = collect.load("quickdraw")
        assert sketches.data.shape == (18_000, 28, 28)
        assert sketches.counts() == dict.fromkeys(["apple", "bicycle", "cat", "diamond", "eye", "fish"], 3000)
        raw = np.load(mirror / "quickdraw" / "cat.npy")
        np.testing.assert_array_equal(sketches.only("cat").data, raw.reshape(-1, 28, 28))
        assert copies(sketches) == 0
        # Two of the cats that are none, as the card tells: more ink than a line drawing can have.
        ink = (sketches.only("cat").data[[2677, 2870]] > 127).mean((1, 2))
        assert ink.min() > 0.25

    def test_mnist_and_its_review(self, mirror):
        digits = collect.load("mnist-t10k")
        assert digits.data.shape == (10_000, 28, 28)
        assert list(digits.counts().values()) == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
        assert copies(digits) == 0
        doubtful = collect.load("mnist-label-errors")
        np.testing.assert_array_equal(doubtful.data, digits.data)
        np.testing.assert_array_equal(doubtful.labels, digits.labels)
        assert doubtful.card.name == "mnist-label-errors"

        probabilities, review = collect.label_probabilities(), collect.label_review()
        assert probabilities.shape == (10_000, 10)
        np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
        assert review["verdict"].value_counts().to_dict() == {
            "given": 72,
            "tie": 15,
            "suggested": 10,
            "neither": 3,
        }
        assert (digits.labels[review["item"]] == review["given"]).all()
        assert (probabilities[review["item"]].argmax(1) == review["suggested"]).all()
        disagree = np.flatnonzero(probabilities.argmax(1) != digits.labels)
        assert len(disagree) == 87 and set(disagree) <= set(review["item"])

    def test_tang_poems(self, mirror):
        poems = collect.load("tang-poems")
        assert len(poems) == 12_008 and len(poems.class_names) == 692
        assert poems.data[0].startswith("秦川雄帝宅，函谷壯皇居。\n")
        assert copies(poems) == 193
        assert sum("[" in poem for poem in poems.data) == 158
        assert sum("□" in poem for poem in poems.data) == 21
        assert poems.counts()["不詳"] == 336
        poets = collections.defaultdict(set)
        for text, label in zip(poems.data, poems.labels, strict=True):
            poets[text].add(int(label))
        assert sum(len(labels) > 1 for labels in poets.values()) == 60
        well_known = collect.load("tang-300")
        assert len(well_known) == 366 and copies(well_known) == 12
        assert len(set(well_known.data) & set(poems.data)) == 215
        assert well_known.counts()["杜甫"] == 41

    def test_shakespeare(self, mirror):
        speeches = collect.load("tiny-shakespeare")
        assert len(speeches) == 7222 and copies(speeches) == 74
        original = (mirror / "tiny-shakespeare" / "input.txt").read_bytes()
        assert "\n\n".join(speeches.data).encode() == original and len(original) == 1_115_394
        repeated = [text for text, count in collections.Counter(speeches.data).items() if count > 1]
        assert max(map(len, repeated)) == 43

    def test_kodak(self, mirror):
        photos, originals = collect.load("kodak"), collect.photos("kodak")
        assert photos.data.shape == (24, 512, 512, 3)
        assert {image.shape for image in originals.values()} == {(512, 768, 3), (768, 512, 3)}
        np.testing.assert_array_equal(photos.data[0], originals["01"][:, 128:640])  # cut out, not resampled
        np.testing.assert_array_equal(photos.data[3], originals["04"][128:640])

    def test_paintings(self, mirror):
        squares, originals = collect.load("paintings"), collect.photos("paintings")
        assert squares.data.shape == (4, 480, 480, 3) and copies(squares) == 0
        assert {name: image.shape for name, image in originals.items()} == {
            "tahiti_guaguin": (687, 1200, 3),
            "vg_starry_night": (640, 1024, 3),
            "vg_wheat_field_cropped": (500, 500, 3),
            "wave_crop": (485, 485, 3),
        }
        starry = originals["vg_starry_night"]
        assert starry.shape[1] / starry.shape[0] == 1.6  # as the card says
        square = squares.data[list(originals).index("vg_starry_night")].astype(float)
        assert np.allclose(square.mean((0, 1)), starry[:, 192:832].mean((0, 1)), atol=1)  # the centre
        assert all(file.path.endswith(".jpg") for file in remote_files("paintings"))

    def test_the_sizes_on_the_cards(self):
        for name in collect.names():
            if collect.card(name).tier == "embedded":
                continue
            megabytes = sum(file.size for file in remote_files(name)) / 1e6
            if stated := re.search(r"([\d.]+) MB$", collect.card(name).size):
                assert megabytes == pytest.approx(float(stated[1]), abs=0.051)
