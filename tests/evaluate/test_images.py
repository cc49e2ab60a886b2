"""PSNR and SSIM against their formulas, the edge distance, and sharpness."""

import numpy as np
import pytest

from aigc_lab import evaluate


@pytest.fixture(scope="module")
def pair():
    random = np.random.default_rng(0)
    original = random.integers(30, 220, (40, 52, 3), dtype="uint8")
    return original, np.clip(original + random.normal(0, 12, original.shape), 0, 255).astype("uint8")


def test_luminance_is_that_of_bt601():
    assert evaluate.luminance(np.zeros((2, 3, 3), "uint8"))[0, 0] == pytest.approx(16)
    assert evaluate.luminance(np.full((2, 3), 65535, "uint16"))[0, 0] == pytest.approx(235)
    green = np.zeros((1, 1, 4))
    green[..., 1] = 1.0
    assert evaluate.luminance(green)[0, 0] == pytest.approx(144.553)


def test_psnr_of_a_known_error():
    flat = np.full((20, 20), 0.5)
    other = flat + 10 / 219  # 10 grey levels of Y
    assert evaluate.psnr(flat, other) == pytest.approx(10 * np.log10(255**2 / 100), abs=1e-9)
    assert evaluate.psnr(flat, flat) == np.inf
    other[0] = 0.9  # inside the border that is cut off
    assert evaluate.psnr(flat, other, border=2) == pytest.approx(28.1308, abs=1e-3)


def test_ssim_is_its_formula(pair):
    """Wang and others 2004, equation 13, with an explicit window; scikit-image computes ours."""
    first, second = (evaluate.luminance(each) for each in pair)
    window = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    window = np.outer(window, window) / window.sum() ** 2

    def local_mean(values):
        return np.einsum("ijkl,kl->ij", np.lib.stride_tricks.sliding_window_view(values, (11, 11)), window)

    mean_1, mean_2 = local_mean(first), local_mean(second)
    variances = local_mean(first**2) - mean_1**2 + local_mean(second**2) - mean_2**2
    covariance = local_mean(first * second) - mean_1 * mean_2
    one, two = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = (2 * mean_1 * mean_2 + one) * (2 * covariance + two)
    values /= (mean_1**2 + mean_2**2 + one) * (variances + two)
    assert evaluate.ssim(*pair) == pytest.approx(values.mean(), abs=1e-9)
    assert evaluate.ssim(pair[0], pair[0], border=3) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="at least 11 pixels"):
        evaluate.ssim(*(each[:14] for each in pair), border=2)


def test_the_edge_distance_forgets_where_edges_are(pair):
    original, noisy = pair
    assert evaluate.edge_distance(original, original) == 0
    assert evaluate.edge_distance(original, original[::-1, ::-1]) == pytest.approx(0, abs=1e-9)
    assert evaluate.edge_distance(original, noisy) > 0.3


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (np.zeros((8, 8)), np.zeros((8, 9)), "one shape"),
        (np.zeros((0, 8)), np.zeros((0, 8)), "shape"),
        (np.full((8, 8), np.nan), np.zeros((8, 8)), "finite"),
        (np.full((8, 8), 200.0), np.zeros((8, 8)), "divide by 255"),
        (np.zeros((8, 8), int), np.zeros((8, 8), int), "uint8"),
        (np.zeros((4, 4)), np.zeros((4, 4)), "inside the border"),
    ],
)
def test_bad_pairs_are_refused(first, second, words):
    with pytest.raises(ValueError, match=words):
        evaluate.psnr(first, second, border=2)


def test_sharpness_of_known_images():
    flat = np.full((3, 8, 8), 0.4)
    assert evaluate.sharpness(flat).value == 0
    board = np.indices((8, 8)).sum(axis=0) % 2 * np.ones((4, 1, 1))
    assert evaluate.sharpness(board).value == pytest.approx(2)  # 1 across and 1 down
    stripes = np.tile(np.arange(8) % 2, (4, 8, 1)).astype(float)
    assert evaluate.sharpness(stripes).value == pytest.approx(1)
    assert evaluate.sharpness((255 * board).astype(np.uint8)[..., None]).value == pytest.approx(2)


def test_sharpness_refuses_what_is_no_set_of_images():
    for bad, message in (
        (np.zeros((1, 8, 8)), "at least 2 images"),
        (np.zeros((3, 8)), "at least 2 images"),
        (np.full((3, 8, 8), np.nan), "NaN"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluate.sharpness(bad)


# -- loose ends ---------------------------------------------------------------------------------------


def drawing(*strokes):
    """A black image with white rows and columns: ("row", place, start, stop) or ("column", …)."""
    image = np.zeros((28, 28), "float32")
    for kind, place, start, stop in strokes:
        if kind == "row":
            image[place : place + 3, start:stop] = 1
        else:
            image[start:stop, place : place + 3] = 1
    return image


def test_loose_ends_are_counted():
    line = drawing(("row", 10, 4, 24))
    broken = line.copy()
    broken[:, 12:16] = 0
    frame = drawing(("row", 4, 4, 24), ("row", 21, 4, 24), ("column", 4, 4, 24), ("column", 21, 4, 24))
    for image, ends in ((line, 2), (broken, 4), (frame, 0), (np.zeros_like(line), 0)):
        found = evaluate.loose_ends(np.stack([image, image]))
        assert found.value == ends and found.low == found.high == ends
    assert evaluate.loose_ends(np.stack([line, broken])).value == 3
    as_bytes = (np.stack([line, broken])[..., None] * 255).astype("uint8")
    assert evaluate.loose_ends(as_bytes).value == 3


@pytest.mark.parametrize(
    "images", [np.zeros((1, 28, 28)), np.zeros((4, 28, 28, 3)), np.full((2, 9, 9), np.nan)]
)
def test_loose_ends_need_several_grey_drawings(images):
    with pytest.raises(ValueError, match=r"at least 2 grey|NaN"):
        evaluate.loose_ends(images)
