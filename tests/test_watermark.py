"""Marks: what is found, what is not, how often by chance, and what bad input gets to hear."""

import io

import numpy as np
import pytest
from PIL import Image

from aigc_lab import collect, watermark


@pytest.fixture(scope="module")
def photographs():
    chosen = ("astronaut", "chelsea", "camera", "coins")
    return {name: image[:320, :380] for name, image in collect.photos().items() if name in chosen}


def as_jpeg(image, quality):
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def rescaled(image, factor):
    picture = Image.fromarray(image)
    small = picture.resize([round(factor * side) for side in picture.size], Image.Resampling.LANCZOS)
    return np.asarray(small.resize(picture.size, Image.Resampling.LANCZOS))


def noisy(image, deviation):
    noise = np.random.default_rng(0).normal(0, deviation, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def psnr(one, other):
    return 10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2))


def test_the_mark_is_faint_and_of_the_same_kind(photographs):
    for image in photographs.values():
        marked = watermark.embed(image, "key")
        assert marked.dtype == np.uint8 and marked.shape == image.shape
        assert 37 < psnr(image, marked) < 46
        assert psnr(image, watermark.embed(image, "key", 8.0)) < psnr(image, marked) - 4


@pytest.mark.parametrize(
    "edit",
    [
        lambda image: image,
        lambda image: as_jpeg(image, 30),
        lambda image: rescaled(image, 0.5),
        lambda image: image[41:300, 37:355],
        lambda image: image[101:275, 77:285],
        lambda image: np.clip(1.2 * image + 10, 0, 255).astype(np.uint8),
        lambda image: np.clip(image + np.random.default_rng(0).normal(0, 10, image.shape), 0, 255).astype(
            "u1"
        ),
    ],
    ids=["none", "jpeg 30", "half and back", "crop to 70 %", "crop to 30 %", "brighter", "noise"],
)
def test_found_after_edits_by_its_key_alone(photographs, edit):
    for image in photographs.values():
        marked = edit(watermark.embed(image, "key"))
        assert watermark.detect(marked, "key").found
        assert not watermark.detect(marked, "kex").found
        assert not watermark.detect(edit(image), "key").found


def test_the_shift_of_the_tiles_is_told(photographs):
    marked = watermark.embed(photographs["astronaut"], 5)
    assert watermark.detect(marked, 5).shift == (0, 0)
    cut = watermark.detect(marked[10:, 23:], 5)
    assert cut.found and cut.shift == (54, 41)  # the next tile begins 64 - 10 down and 64 - 23 to the right
    rolled = watermark.detect(np.roll(marked[:320, :320], (3, 70), (0, 1)), 5)
    assert rolled.found and rolled.shift == (3, 6)


def test_scales_are_searched_and_paid_for(photographs):
    marked = watermark.embed(photographs["astronaut"], "key")
    small = np.asarray(Image.fromarray(marked).resize((285, 240)))  # three quarters
    assert not watermark.detect(small, "key").found
    found = watermark.detect(small, "key", scales=(1, 0.5, 0.75))
    assert found.found and found.scale == 0.75 and found.searched == 3 * 64 * 64
    assert found.threshold == pytest.approx(np.sqrt(2 * np.log(3 * 4096 / 1e-6)))


def test_a_rotation_hides_it_until_it_is_turned_back(photographs):
    marked = Image.fromarray(watermark.embed(photographs["astronaut"], "key"))
    turned = marked.rotate(3, Image.Resampling.BICUBIC)
    assert not watermark.detect(np.asarray(turned), "key").found
    assert watermark.detect(np.asarray(turned.rotate(-3, Image.Resampling.BICUBIC)), "key").found


def test_a_score_is_a_sum_of_random_signs_in_its_own_deviations(photographs):
    scores = watermark.correlations(photographs["camera"].astype(float), range(40))
    assert scores.shape == (40, 64, 64)
    assert abs(scores.mean()) < 0.05 and scores.std() == pytest.approx(1, abs=0.05)


def test_false_alarms_stay_below_the_stated_rate(photographs):
    largest = np.concatenate(
        [
            watermark.correlations(image[:128, :128] @ watermark.GREY, [f"{name} {n}" for n in range(100)])
            .max(axis=(1, 2))
            for name, image in photographs.items()
            if image.ndim == 3
        ]
    )  # fmt: skip
    for rate in (0.5, 0.1):
        assert (largest > np.sqrt(2 * np.log(4096 / rate))).mean() < rate
    assert largest.max() < np.sqrt(2 * np.log(4096 / 1e-6))


def test_the_pattern_is_of_the_middle_frequencies():
    tile = watermark.pattern("key")
    assert tile.shape == (64, 64) and abs(tile.mean()) < 1e-12
    assert np.square(tile).sum() == pytest.approx(64 * len(watermark.PLACES))
    assert np.abs(np.corrcoef(tile.ravel(), watermark.pattern("kex").ravel())[0, 1]) < 0.15


def test_one_picture_gives_the_pattern_away(photographs):
    marked = watermark.embed(photographs["camera"], "key").astype(float)
    smooth = (marked[:-2] + marked[1:-1] + marked[2:]) / 3
    residual = np.clip(marked[1:-1, :320] - smooth[:, :320], -15, 15)[63:255]  # tiles begin at row 64
    tile = residual.reshape(3, 64, 5, 64).mean(axis=(0, 2))
    flat = np.full((256, 256), 128) + np.tile(4 * tile / tile.std(), (4, 4))
    assert watermark.detect(np.clip(flat, 0, 255).astype(np.uint8), "key").found


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: watermark.embed(np.zeros((28, 28), "u1"), "k"), "28 x 28 pixels, less than one tile"),
        (lambda: watermark.detect(np.zeros((64, 63, 3), "u1"), "k"), "less than one tile"),
        (lambda: watermark.detect(np.zeros((80, 80), "u1"), "k", scales=(2,)), "40 x 40 pixels"),
        (lambda: watermark.embed(np.zeros((80, 80, 4), "u1"), "k"), "one grey"),
        (lambda: watermark.embed(np.zeros((80, 80)), "k"), "uint8"),
        (lambda: watermark.embed(np.zeros((80, 80), "u1"), "k", 0), "strength must be above 0"),
        (lambda: watermark.detect(np.zeros((80, 80), "u1"), "k", 0), "false-alarm rate"),
        (lambda: watermark.detect(np.zeros((80, 80), "u1"), "k", scales=()), "at least one scale"),
        (lambda: watermark.text_score("short", "k"), "the text has 5 tokens; a score needs at least 32"),
        (lambda: watermark.text_score("x" * 99, "k", share=1), "green share"),
    ],
)
def test_bad_input_gets_one_sentence(call, words):
    with pytest.raises(ValueError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_plain_picture_is_not_marked():
    assert not watermark.detect(np.full((128, 128), 100, np.uint8), "k").found


# --- texts --------------------------------------------------------------------------------------------


def biased(length, strength, seed, key="key", signs=50):
    """A text of random characters, green ones preferred."""
    generator, codes = np.random.default_rng(seed), np.arange(0x4E00, 0x4E00 + signs).astype(np.uint64)
    row = [codes[0]]
    for _ in range(length - 1):
        weights = np.exp(strength * watermark.green(row[-1], codes, key))
        row.append(generator.choice(codes, p=weights / weights.sum()))
    return "".join(map(chr, row))


def test_a_marked_text_is_found_by_its_key_alone():
    text = biased(300, 2.0, 0)
    assert watermark.text_score(text, "key").z > 6
    assert abs(watermark.text_score(text, "another").z) < 4
    assert watermark.text_score(biased(300, 0.0, 0), "key").z < 4


def test_z_is_the_formula_with_each_pair_once():
    text = "ababababab" * 5 + "abcdefgh"
    score = watermark.text_score(text, "key")
    pairs = {text[place : place + 2] for place in range(len(text) - 1)}
    hits = sum(bool(watermark.green(ord(one), ord(two), "key")) for one, two in pairs)
    assert (score.counted, score.green) == (len(pairs), hits)
    assert score.z == pytest.approx((hits - len(pairs) / 2) / np.sqrt(len(pairs) / 4))
    assert watermark.text_score(text, "key", once=False).counted == len(text) - 1


def test_z_of_people_is_standard_normal_over_keys_if_pairs_count_once():
    text = "".join(collect.load("python-code").data[:3])[:6000]
    windows = [text[start : start + 200] for start in range(0, 5800, 10)]
    once, every = (
        np.array([watermark.text_score(each, n, once=way).z for n, each in enumerate(windows)])
        for way in (True, False)
    )
    assert abs(once.mean()) < 0.2 and once.std() == pytest.approx(1, abs=0.12)
    assert every.std() > 1.5 and (every > 4).sum() > (once > 4).sum()
    assert (once > 4).sum() <= 1


@pytest.mark.parametrize("share", [0.5, 0.25])
def test_the_green_share_is_kept_and_broadcasts(share):
    found = watermark.green(np.arange(200)[:, None], np.arange(300)[None], "key", share)
    assert found.shape == (200, 300)
    assert found.mean() == pytest.approx(share, abs=0.01)
    assert np.abs(found.mean(axis=1) - share).max() < 0.15
    assert (found == watermark.green(np.arange(200)[:, None], np.arange(300)[None], "key", share)).all()
    other = watermark.green(np.arange(200)[:, None], np.arange(300)[None], "kex", share)
    assert (found == other).mean() == pytest.approx(share**2 + (1 - share) ** 2, abs=0.02)


def test_tokens_may_be_a_text_words_or_integers():
    assert watermark.numbers("ab").tolist() == [97, 98]
    assert watermark.numbers(["a", "b"]).tolist() == [97, 98]
    assert len(set(watermark.numbers(["def", "return", "def"]).tolist())) == 2
    words = ["def", "return", "x", "="] * 20
    assert watermark.text_score(words, "key").counted == 4
    assert watermark.text_score(np.arange(50), "key").counted == 49
