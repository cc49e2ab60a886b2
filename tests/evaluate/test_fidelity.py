"""PSNR and SSIM against scikit-image, the edge distance, and the paired interval."""

import numpy as np
import pytest
from skimage.metrics import structural_similarity

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


def test_ssim_is_that_of_scikit_image(pair):
    first, second = (evaluate.luminance(each) for each in pair)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    _, whole = structural_similarity(first, second, full=True, **options)
    assert evaluate.ssim(*pair) == pytest.approx(whole[5:-5, 5:-5].mean(), abs=1e-9)
    assert evaluate.ssim(pair[0], pair[0], border=3) == pytest.approx(1.0)


def test_the_edge_distance_forgets_where_edges_are(pair):
    original, noisy = pair
    assert evaluate.edge_distance(original, original) == 0
    assert evaluate.edge_distance(original, original[::-1, ::-1]) == pytest.approx(0, abs=1e-9)
    assert evaluate.edge_distance(original, noisy) > 0.3


def test_the_paired_interval():
    score = evaluate.paired_interval([1.0, 2.0, 3.0, 2.0], unit="dB")
    assert score.value == 2.0 and 1 < score.low < 2 < score.high < 3
    assert evaluate.paired_interval([1.5, 1.5]).low == pytest.approx(1.5)


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


@pytest.mark.parametrize("values", [[1.0], [1.0, np.nan], [[1.0, 2.0]]])
def test_bad_differences_are_refused(values):
    with pytest.raises(ValueError, match="paired_interval"):
        evaluate.paired_interval(values)
