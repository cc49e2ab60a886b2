"""Repair: the damage is what it says, tiles leave no seam, any picture comes back as its own kind."""

import tracemalloc

import numpy as np
import pytest

keras = pytest.importorskip("keras")
from keras import ops  # noqa: E402

from aigc_lab import train  # noqa: E402
from aigc_lab.models import repair  # noqa: E402


def array(tensor):
    return ops.convert_to_numpy(ops.stop_gradient(tensor))


def scene(height=64, width=80, seed=0):
    """Soft ground and hard edges in three colours: float32 (height, width, 3) in [0, 1]."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    planes = [
        0.5
        + 0.3 * np.sin(rows / random.uniform(3, 9)) * np.cos(columns / random.uniform(3, 9))
        + 0.15 * ((rows // 7 + columns // 11 + channel) % 2)
        for channel in range(3)
    ]
    return np.clip(np.stack(planes, -1), 0, 1).astype("float32")


def with_hole(height=64, width=80):
    known = np.ones((height, width), bool)
    known[20:28, 30:38] = False
    return known


@pytest.fixture(scope="module")
def lively():
    """An untrained network whose last layer is not zero, so that every part of it shows."""
    model = repair.repair_network((6, 8, 8), seed=3)
    last = model.network.get_layer("change")
    random = np.random.default_rng(0)
    last.set_weights([random.normal(0, 0.05, each.shape) for each in last.get_weights()])
    return model


def test_the_damage_has_the_kinds_and_strengths_it_says():
    clean = np.full((600, 48, 48, 3), 0.5, "float32")
    dirty, known, sigma = (array(each) for each in repair.repair_network((4,)).damage(clean))
    assert dirty.shape == clean.shape and known.shape == sigma.shape == (600, 48, 48, 1)
    assert set(np.unique(known)) == {0, 1} and (dirty * (1 - known) == 0).all()
    whole = known.min(axis=(1, 2, 3)) == 1
    assert 0.45 < whole.mean() < 0.56
    levels = sigma.max(axis=(1, 2, 3))
    assert (levels == sigma.min(axis=(1, 2, 3))).all() and 0 < levels.max() <= repair.MOST_NOISE
    # With luck no square fell into a patch.
    assert (levels[whole] > 0).mean() > 0.95 and 0.15 < (levels[~whole] > 0).mean() < 0.35
    for item in np.flatnonzero(whole)[:20]:
        assert (dirty - clean)[item].std() == pytest.approx(levels[item], rel=0.05)
    shares = 1 - known[~whole].mean(axis=(1, 2, 3))
    assert shares.max() < 0.85
    # A hole of 8 x 8 has no edge inside: of two neighbours in a row far fewer differ than for single pixels.
    apart = np.abs(np.diff(known[~whole], axis=2)).mean(axis=(1, 2, 3)) / (2 * shares * (1 - shares))
    assert ((apart < 0.4) | (apart > 0.8)).mean() > 0.95 and 0.3 < (apart < 0.4).mean() < 0.7


def test_equal_seeds_give_equal_networks_and_equal_damage():
    clean = np.stack([scene(48, 48)] * 2)
    first, second, other = (repair.repair_network((4, 6), seed=seed) for seed in (3, 3, 4))
    assert all(np.array_equal(*pair) for pair in zip(first.get_weights(), second.get_weights(), strict=True))
    one, two, three = (array(each.damage(clean)[0]) for each in (first, second, other))
    assert np.array_equal(one, two) and not np.array_equal(one, three)


def test_filling_keeps_what_is_known_and_takes_means_of_it_for_the_rest():
    images, known = scene(48, 64)[None], with_hole(48, 64)[None, ..., None].astype("float32")
    made = array(repair.filled(images * known, known))
    np.testing.assert_allclose(made * known, images * known, atol=1e-6)
    ring = images[0, 12:36, 22:46][~np.pad(np.ones((8, 8), bool), 8)]
    inside = made[0, 20:28, 30:38]
    assert inside.min() >= ring.min() - 1e-5 and inside.max() <= ring.max() + 1e-5
    nothing = array(repair.filled(np.zeros((1, 16, 16, 3), "float32"), np.zeros((1, 16, 16, 1), "float32")))
    assert np.isfinite(nothing).all()
    lone = np.zeros((1, 64, 48, 1), "float32")
    lone[0, 50, 3] = 1
    np.testing.assert_allclose(repair.filled(np.full((1, 64, 48, 3), 0.3, "float32"), lone), 0.3, atol=1e-5)


def test_the_untrained_network_is_the_filling():
    model, picture, known = repair.repair_network((4, 6)), scene(48, 64), with_hole(48, 64)
    seen = known[None, ..., None].astype("float32")
    filling = array(repair.filled(picture * seen, seen))
    np.testing.assert_allclose(repair.repair(model, picture, known), filling[0], atol=1e-5)


def test_it_learns_to_take_noise_off_and_comes_back_from_a_file(tmp_path):
    random = np.random.default_rng(0)
    photos = [scene(seed=seed) for seed in range(4)]
    cut = []
    for _ in range(200):
        top, left = random.integers(0, 32), random.integers(0, 48)
        cut.append(photos[random.integers(4)][top : top + 32, left : left + 32])
    model = repair.repair_network((12, 16))
    noisy = (scene() + 0.1 * random.standard_normal((64, 80, 3))).astype("float32")
    train.fit(model, np.stack(cut), steps=150, batch_size=8, learning_rate=2e-3, seed=1, progress=False)
    made = repair.repair(model, noisy, sigma=0.1)
    assert np.mean((made - scene()) ** 2) < 0.8 * np.mean((noisy - scene()) ** 2)
    model.save(tmp_path / "repair.keras")
    again = keras.saving.load_model(tmp_path / "repair.keras")
    assert np.array_equal(repair.repair(again, noisy, sigma=0.1), made)


@pytest.mark.parametrize("tile", [48, 64])
def test_tiles_leave_no_seam(lively, monkeypatch, tile):
    picture = scene(150, 171)
    known = np.random.default_rng(1).random((150, 171)) < 0.7
    whole = repair.repair(lively, picture, known, sigma=0.05, tile=1024)
    assert np.abs(whole - repair.repair(lively, picture, known, sigma=0.05, tile=tile)).max() < 1e-4
    monkeypatch.setattr(repair, "MARGIN", 0)
    assert np.abs(whole - repair.repair(lively, picture, known, sigma=0.05, tile=tile)).max() > 1e-3


def test_memory_does_not_grow_with_the_photograph(lively):
    """Tiles of 64 stand in for those of 512, and a tenth of a megapixel for 24 of them."""
    peaks = []
    for width in (200, 1000):
        picture = np.zeros((100, width, 3), "uint8")
        tracemalloc.start()
        repair.repair(lively, picture, sigma=0.1, tile=64)
        peaks.append(tracemalloc.get_traced_memory()[1] - 2 * picture.nbytes)
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0] + 1e6


@pytest.mark.parametrize("sides", [(1, 1), (2, 7), (31, 45), (33, 16)])
@pytest.mark.parametrize("kind", ["grey", "grey 3-D", "grey, alpha", "RGB", "RGB, alpha"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_any_picture_comes_back_as_its_own_kind(lively, sides, kind, dtype):
    channels = {"grey": (), "grey 3-D": (1,), "grey, alpha": (2,), "RGB": (3,), "RGB, alpha": (4,)}[kind]
    picture = np.random.default_rng(0).random((*sides, *channels))
    white = 1 if dtype == "float32" else np.iinfo(dtype).max
    picture = (picture * white).astype(dtype)
    made = repair.repair(lively, picture, sigma=0.1)
    assert made.shape == picture.shape and made.dtype == picture.dtype
    assert sides == (1, 1) or not np.array_equal(made, picture)
    if "alpha" in kind:
        assert np.array_equal(made[..., -1], picture[..., -1])
    if min(sides) > 1:
        known = np.ones(sides, bool)
        known[0, :2] = False
        filled = repair.repair(lively, picture, known)
        assert np.array_equal(filled[known], picture[known])
        poked = picture.copy()
        poked[0, :2] = white  # what stands in a hole does not count
        again = repair.repair(lively, poked, known)
        assert "alpha" in kind or np.array_equal(again, filled)


@pytest.mark.parametrize("level", [0, 120, 255])
def test_a_picture_of_one_colour_keeps_it(level):
    picture = np.full((40, 50, 3), level, "uint8")
    assert np.array_equal(repair.repair(repair.repair_network((4, 6)), picture, with_hole(40, 50)), picture)


PHOTO = scene(20, 30)
KNOWN = np.ones((20, 30), bool)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"mask": ~KNOWN}, "covers all"),
        ({"mask": KNOWN}, "nothing to repair"),
        ({}, "nothing to repair"),
        ({"mask": KNOWN[:10]}, "height and width"),
        ({"mask": KNOWN[..., None]}, "height and width"),
        ({"mask": KNOWN * 0.5}, "nothing else"),
        ({"mask": KNOWN * np.nan}, "nothing else"),
        ({"sigma": 25}, "sigma lies between"),
        ({"sigma": 0.1, "tile": 40}, "tile must be a multiple of 16"),
        ({"sigma": 0.1, "tile": 0}, "tile must be a multiple of 16"),
        ({"sigma": -0.1}, "sigma lies between"),
        ({"sigma": float("nan")}, "sigma lies between"),
        ({"sigma": 0.1, "image": np.full((20, 30, 3), np.nan)}, "NaN"),
        ({"sigma": 0.1, "image": np.full((20, 30, 3), 128.0)}, "divide by 255"),
        ({"sigma": 0.1, "image": np.zeros((0, 30, 3))}, "not empty"),
        ({"sigma": 0.1, "image": np.zeros((20, 30, 5))}, "1 to 4 channels"),
        ({"sigma": 0.1, "image": np.zeros((20, 30), "int64")}, "uint8, uint16 or float"),
        ({"sigma": 0.1, "image": [[0.1]]}, "is an array"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(lively, arguments, words):
    with pytest.raises(ValueError, match=words):
        repair.repair(lively, **{"image": PHOTO, **arguments})


@pytest.mark.parametrize(
    ("patches", "words"),
    [
        (np.zeros((4, 40, 48, 3), "float32"), "multiples of 16"),
        (np.zeros((4, 48, 48, 1), "float32"), "n, h, w, 3"),
        (np.zeros((4, 48, 48, 3), "uint8"), "uint8"),
        (np.full((4, 48, 48, 3), np.nan, "float32"), "NaN"),
        (np.full((4, 48, 48, 3), 128, "float32"), "0, 1"),
    ],
)
def test_patches_that_cannot_train_are_refused(patches, words):
    with pytest.raises(ValueError, match=words):
        train.fit(repair.repair_network((4,)), patches, steps=1, batch_size=2, seed=0, progress=False)
