"""``Dataset`` and ``Card``: what they accept, what they give, and that nothing is lost on disk."""

from __future__ import annotations

import dataclasses
import os
import stat

import numpy as np
import pytest

from aigc_lab.collect import Card, Dataset, own_card

CLASSES = ("cat", "dog", "cow")


@pytest.fixture
def images() -> Dataset:
    """300 random images 6 x 5, 100 of each class."""
    noise = np.random.default_rng(0).integers(0, 256, (300, 6, 5), dtype="uint8")
    return Dataset(noise, np.arange(300) % 3, CLASSES, own_card("noise"))


def texts(*items: str) -> Dataset:
    return Dataset(items, None, (), own_card("words", "text"))


class TestReading:
    def test_one_item_a_slice_a_list_and_a_mask(self, images):
        assert len(images) == 300
        assert images[5].data.shape == (1, 6, 5) and images[5].labels.tolist() == [2]
        assert images[-1].labels.tolist() == [2]
        np.testing.assert_array_equal(images[10:20].data, images.data[10:20])
        assert images[[4, 1, 4]].labels.tolist() == [1, 1, 1]
        mask = images.labels == 2
        assert len(images[mask]) == 100 and set(images[mask].labels) == {2}
        assert len(images[mask.tolist()]) == 100
        assert len(images[[]]) == 0 and images[[]].class_names == CLASSES
        with pytest.raises(IndexError):
            images[300]
        with pytest.raises(IndexError):
            images[np.ones(299, bool)]

    def test_texts_are_taken_in_the_same_way(self):
        words = Dataset(["a", "b", "c"], [0, 1, 0], ("x", "y"), own_card("words", "text"))
        assert words[[2, 0]].data == ("c", "a")
        assert words[words.labels == 1].data == ("b",)
        assert words.head(2).data == ("a", "b")
        assert list(words) == ["a", "b", "c"]

    def test_only_counts_and_head(self, images):
        assert images.counts() == {"cat": 100, "dog": 100, "cow": 100}
        cows = images.only("cow", "cat")
        assert cows.counts() == {"cat": 100, "cow": 100}  # in their old order, numbered anew
        assert np.array_equal(cows.data, images.data[images.labels != 1])
        assert np.array_equal(cows.labels, np.where(images.labels[images.labels != 1] == 2, 1, 0))
        with pytest.raises(ValueError, match="name at least one class; the classes are cat, dog, cow"):
            images.only()
        assert len(images.head(7)) == 7
        with pytest.raises(ValueError, match="no class named 'mouse'; the classes are cat, dog, cow"):
            images.only("mouse")
        with pytest.raises(ValueError, match="'words' has no labels"):
            texts("a").counts()

    def test_arrays_are_floats_from_0_to_1_with_channels(self, images):
        floats, labels = images.arrays()
        assert floats.shape == (300, 6, 5, 1) and floats.dtype == np.float32
        np.testing.assert_allclose(floats[..., 0] * 255, images.data, atol=1e-4)
        np.testing.assert_array_equal(labels, images.labels)
        colour = Dataset(np.full((2, 4, 4, 3), 255, "uint8"))
        assert colour.arrays()[0].shape == (2, 4, 4, 3) and colour.arrays()[0].max() == 1.0
        with pytest.raises(ValueError, match=r"arrays\(\) is for images"):
            texts("a").arrays()

    def test_nothing_in_it_can_be_changed(self, images):
        with pytest.raises(dataclasses.FrozenInstanceError):
            images.labels = None
        with pytest.raises(ValueError, match="read-only"):
            images.data[0, 0, 0] = 1
        with pytest.raises(ValueError, match="read-only"):
            images.labels[0] = 1
        own = np.zeros((1, 2, 2), "uint8")
        Dataset(own)
        own[0, 0, 0] = 1  # the caller's own array stays writable

    def test_describe_counts_copies_and_shows_the_card(self, images):
        doubled = Dataset(
            np.concatenate([images.data, images.data[:7]]),
            None,
            (),
            Card("x", "X", "images", "here", "CC0", "307", ("f",)),
        )
        said = doubled.describe()
        assert "7 items repeat an earlier one exactly" in said
        assert "licence:  CC0" in said and "fault:    f" in said and "(307, 6, 5) uint8" in said
        many = Dataset(["a"] * 30, range(30), [f"n{k}" for k in range(30)], own_card("many", "text"))
        assert "n19 1, and 10 more" in many.describe()
        assert "items:    0" in images[[]].describe()


class TestSplit:
    def test_parts_are_disjoint_cover_everything_and_have_about_the_asked_size(self, images):
        parts = images.split((0.6, 0.2, 0.2), seed=3)
        hashes = [set(part.hashes()) for part in parts]
        assert sum(len(part) for part in parts) == 300
        assert not hashes[0] & hashes[1] and not hashes[0] & hashes[2] and not hashes[1] & hashes[2]
        assert 150 < len(parts[0]) < 210

    def test_equal_items_land_in_the_same_part(self, images):
        copies = Dataset(np.concatenate([images.data] * 2), np.tile(images.labels, 2), CLASSES)
        for part in copies.split((0.5, 0.5)):
            hashes = part.hashes()
            assert all(hashes.count(one) == 2 for one in hashes)

    def test_neither_the_order_nor_other_items_matter(self, images):
        first = set(images.split()[0].hashes())
        shuffled = images[np.random.default_rng(1).permutation(300)]
        assert set(shuffled.split()[0].hashes()) == first
        fewer = images[::2]
        assert set(fewer.split()[0].hashes()) == first & set(fewer.hashes())

    def test_the_seed_matters_and_repeats(self, images):
        assert images.split(seed=1)[0].hashes() == images.split(seed=1)[0].hashes()
        assert images.split(seed=1)[0].hashes() != images.split(seed=2)[0].hashes()

    @pytest.mark.parametrize(
        "fractions", [(), (0.5, 0.6), (1.2, -0.2), (1.0, 0.0), (float("nan"), 0.5), (float("inf"), 0.5)]
    )
    def test_fractions_that_make_no_sense(self, images, fractions):
        with pytest.raises(ValueError, match="must be positive and add up to 1"):
            images.split(fractions)


class TestBadInput:
    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (np.zeros((2, 3, 3), "float32"), "must be uint8"),
            (np.full((2, 3, 3), np.nan), "NaN or infinite"),
            (np.full((2, 3, 3), np.inf, "float32"), "NaN or infinite"),
            (np.zeros((2, 3, 3), "int64"), "must be uint8"),
            (np.zeros((2, 3, 3), bool), "must be uint8"),
            (np.zeros((2, 9), "uint8"), "must have shape"),
            ([np.zeros((2, 2), "uint8"), np.zeros((3, 3), "uint8")], "items of one size"),
            (["a", "b"], "one array of numbers"),
            (None, "one array of numbers"),
        ],
    )
    def test_images(self, data, message):
        with pytest.raises(ValueError, match=message):
            Dataset(data)

    @pytest.mark.parametrize(
        ("labels", "message"),
        [
            ([0, 1], "3 items but labels of shape"),
            ([[0], [1], [2]], "3 items but labels of shape"),
            ([0, 1, 3], "labels go from 0 to 3, but there are 3 class names"),
            ([-1, 0, 1], "labels go from -1"),
            ([0.0, 1.0, 2.0], "must be integers"),
            ([0, np.nan, 1], "must be integers"),
            (["cat", "dog", "cow"], "must be integers"),
        ],
    )
    def test_labels(self, labels, message):
        with pytest.raises(ValueError, match=message):
            Dataset(np.zeros((3, 2, 2), "uint8"), labels, CLASSES)

    def test_no_items_at_all_are_a_data_set_too(self):
        assert Dataset(np.zeros((0, 2, 2), "uint8"), [], CLASSES).counts() == dict.fromkeys(CLASSES, 0)

    def test_class_names(self):
        zeros = np.zeros((1, 2, 2), "uint8")
        with pytest.raises(ValueError, match="'cat' is given more than once"):
            Dataset(zeros, [0], ("cat", "dog", "cat"))
        with pytest.raises(ValueError, match="one string 'cat'"):
            Dataset(zeros, [0], "cat")

    @pytest.mark.parametrize(
        ("data", "message"), [("one text", "one string"), ([b"bytes"], "decode bytes"), ([None], "str")]
    )
    def test_text(self, data, message):
        with pytest.raises(ValueError, match=message):
            Dataset(data, None, (), own_card("words", "text"))

    @pytest.mark.parametrize(
        ("clips", "message"),
        [
            (np.zeros(9), "shape"),
            (np.full((1, 9), np.nan), "NaN"),
            (np.full((1, 9), 1.5), r"lie in \[-1, 1\]"),
        ],
    )
    def test_audio(self, clips, message):
        with pytest.raises(ValueError, match=message):
            Dataset(clips, None, (), own_card("clips", "audio"))
        assert Dataset(np.zeros((2, 9)), None, (), own_card("clips", "audio")).data.dtype == np.float32

    def test_sample_rate(self, images, tmp_path):
        clips = Dataset(np.zeros((2, 9)), None, (), own_card("clips", "audio"), 8000)
        assert clips[1].sample_rate == clips.head().sample_rate == 8000
        assert Dataset.load(clips.save(tmp_path / "clips")).sample_rate == 8000
        assert "8,000 samples a second" in clips.describe()
        assert type(dataclasses.replace(clips, sample_rate=np.int64(4000)).sample_rate) is int
        for rate in (0, 8000.0, True):
            with pytest.raises(ValueError, match="sample_rate must be a whole number"):
                Dataset(clips.data, None, (), clips.card, rate)
        with pytest.raises(ValueError, match="sample_rate is for audio; this set holds images"):
            dataclasses.replace(images, sample_rate=8000)

    def test_modality(self):
        with pytest.raises(ValueError, match="modality must be one of images, text, audio, got 'smell'"):
            Dataset([], None, (), own_card("x", "smell"))


class TestOnDisk:
    def test_images_come_back_as_they_were(self, images, tmp_path):
        path = images.save(tmp_path / "noise")
        assert path == tmp_path / "noise.npz"
        again = Dataset.load(path)
        np.testing.assert_array_equal(again.data, images.data)
        np.testing.assert_array_equal(again.labels, images.labels)
        assert (again.class_names, again.card) == (images.class_names, images.card)

    def test_every_text_comes_back_as_it_was(self, tmp_path):
        hard = (
            "",
            "trailing NUL\0\0",
            "\0",
            "猫 🐈‍⬛ é",
            "line\nbreak\r\n",
            "lone surrogate \ud800",
            " spaces ",
            "x" * 100_000,
        )
        original = Dataset(hard, range(len(hard)), hard, own_card("words", "text"))
        again = Dataset.load(original.save(tmp_path / "words.npz"))
        assert again.data == hard
        assert again.hashes() == original.hashes()
        assert len(set(again.hashes())) == len(hard)

    def test_no_items_and_no_labels(self, tmp_path, images):
        assert texts().data == Dataset.load(texts().save(tmp_path / "none")).data == ()
        bare = Dataset.load(Dataset(images.data[:0]).save(tmp_path / "bare"))
        assert bare.data.shape == (0, 6, 5) and bare.labels is None

    def test_only_the_suffix_npz_is_a_suffix(self, images, tmp_path):
        assert images.save(tmp_path / "noise.v2").name == "noise.v2.npz"

    @pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
    def test_others_may_read_it_as_any_file_of_ours(self, images, tmp_path):
        (tmp_path / "plain").touch()
        assert stat.S_IMODE(images.save(tmp_path / "noise").stat().st_mode) == stat.S_IMODE(
            (tmp_path / "plain").stat().st_mode
        )

    def test_a_failed_save_leaves_the_old_file_and_no_other(self, images, tmp_path, monkeypatch):
        path = images.save(tmp_path / "noise")
        before = path.read_bytes()

        def full(stream, **_):
            stream.write(b"half a file")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(np, "savez_compressed", full)
        with pytest.raises(OSError, match="No space left"):
            images[:3].save(path)
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]

    def test_saving_where_there_is_no_folder(self, images, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"make the folder .*nowhere first"):
            images.save(tmp_path / "nowhere" / "noise")

    def test_files_that_save_did_not_write(self, images, tmp_path):
        good = images.save(tmp_path / "good").read_bytes()
        np.savez(tmp_path / "other.npz", data=np.zeros(3))
        np.save(tmp_path / "array.npz.npy", np.zeros(3))
        (tmp_path / "text.npz").write_text("no archive")
        (tmp_path / "cut.npz").write_bytes(good[: len(good) // 2])
        (tmp_path / "empty.npz").touch()
        for name in ("other.npz", "array.npz.npy", "text.npz", "cut.npz", "empty.npz"):
            with pytest.raises(ValueError, match=r"is not a data set written by Dataset\.save"):
                Dataset.load(tmp_path / name)
        with pytest.raises(FileNotFoundError):
            Dataset.load(tmp_path / "missing.npz")
