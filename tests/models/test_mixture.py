"""The latent mixture: it finds where the codes are, and draws from there."""

import subprocess
import sys

import numpy as np
import pytest

from aigc_lab.models.mixture import LatentMixture


class CodesAsTheyCome:
    """Stands in for a VAE whose encoder is the identity with a small known spread."""

    latent_size, class_count = 2, 2

    def encode(self, x, labels=None):
        return x, np.full_like(x, np.log(0.01**2))


@pytest.fixture(scope="module")
def codes():
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1], 600)
    centres = np.where(labels[:, None] == 0, [-4.0, 0.0], [4.0, 2.0])
    centres[::2] += [0.0, 6.0]  # two clusters a class
    return centres + 0.3 * random.standard_normal((1200, 2)), labels


def test_samples_lie_where_the_codes_of_their_class_lie(codes):
    x, labels = codes
    mixture = LatentMixture.fit(CodesAsTheyCome(), x, labels, components=4)
    points, classes = mixture.sample(4000, seed=1)
    assert np.bincount(classes).tolist() == [2000, 2000]
    for number in (0, 1):
        mine, theirs = points[classes == number], x[labels == number]
        assert mine.mean(axis=0) == pytest.approx(theirs.mean(axis=0), abs=0.25)
        assert np.cov(mine.T) == pytest.approx(np.cov(theirs.T), abs=0.5)
        # Between the two clusters there is nothing, and so nothing is drawn there.
        middle = np.median(theirs[:, 1])
        assert (np.abs(mine[:, 1] - middle) < 1.0).mean() < 0.01


def test_equal_seeds_give_equal_points_and_a_saved_mixture_draws_the_same(codes, tmp_path):
    mixture = LatentMixture.fit(CodesAsTheyCome(), *codes)
    again = LatentMixture.load(mixture.save(tmp_path / "mixture.npz"))
    for other in (mixture, again):
        assert np.array_equal(mixture.sample(9, labels=1, seed=5)[0], other.sample(9, labels=1, seed=5)[0])
    assert not np.array_equal(mixture.sample(9, seed=5)[0], mixture.sample(9, seed=6)[0])


def test_a_class_without_items_cannot_be_drawn(codes):
    x, labels = codes
    mixture = LatentMixture.fit(CodesAsTheyCome(), x[labels == 1], labels[labels == 1])
    assert set(mixture.sample(5)[1]) == {1}
    with pytest.raises(ValueError, match="class 0 had no items"):
        mixture.sample(5, labels=0)


def test_too_few_items_are_refused(codes):
    x, labels = codes
    with pytest.raises(ValueError, match="class 0 has 2 items"):
        LatentMixture.fit(CodesAsTheyCome(), x[:2], labels[:2])


def test_a_strange_file_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", nothing=np.zeros(2))
    with pytest.raises(ValueError, match="no latent mixture"):
        LatentMixture.load(tmp_path / "other.npz")


def test_it_needs_no_keras():
    code = "import sys; import aigc_lab.models.mixture; print({'keras', 'tensorflow'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "set()\n"
