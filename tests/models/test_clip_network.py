"""Clips of which frames are given: what stands still, what the network is before training, bad input."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")
from keras import ops  # noqa: E402

from aigc_lab import models  # noqa: E402

SHAPE = (4, 8, 12, 1)


@pytest.fixture(scope="module")
def model():
    return models.diffusion.clip_network(SHAPE, width=8, seed=3)


@pytest.fixture
def stirred():
    """The last layers begin at zero and would hide everything else, so all weights are moved."""
    model = models.diffusion.clip_network(SHAPE, width=8, seed=3)
    random = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(weight + 0.1 * random.standard_normal(weight.shape))
    return model


def clips(count, seed=0):
    return np.random.default_rng(seed).uniform(0, 1, (count, *SHAPE)).astype("float32")


def told(count, given):
    return np.tile(np.eye(3, dtype="float32")[given], (count, 1))


def test_untrained_it_is_the_best_straight_line(model):
    """For independent Gaussian values the mean of the velocity, given x_t, is that line: fitted here."""
    random = np.random.default_rng(0)
    clean = random.normal(-0.9, 0.3, (400, *SHAPE)).astype("float32")
    noise = random.standard_normal(clean.shape).astype("float32")
    for time in (0.1, 0.5, 0.9):
        mixed = (1 - time) * clean + time * noise
        slope, offset = np.polyfit(mixed.ravel(), (noise - clean).ravel(), 1)
        found = model.velocity(mixed, time, [told(400, 0)])
        np.testing.assert_allclose(found, slope * mixed + offset, atol=0.03)


def test_in_training_given_frames_are_clean_and_stand_still(stirred):
    items, counts = clips(6), np.array([0, 1, 2, 0, 1, 2])
    outputs = stirred((items, counts), training=True)
    draws = keras.random.SeedGenerator(3)  # the model's own stream, drawn again in its order
    noise = ops.convert_to_numpy(keras.random.normal(items.shape, seed=draws)).copy()
    time = ops.convert_to_numpy(keras.random.uniform((6, 1), 1e-3, 0.999, seed=draws)) ** (1 / 3)
    clean = 2 * items - 1
    for item, count in enumerate(counts):
        noise[item, :count] = clean[item, :count]
    share = time.reshape(-1, 1, 1, 1, 1)
    mixed = (1 - share) * clean + share * noise
    np.testing.assert_allclose(outputs["target"], noise - clean, atol=1e-6)
    label = np.eye(3, dtype="float32")[counts]
    expected = stirred.network.predict_on_batch([mixed, time, label])
    np.testing.assert_allclose(outputs["predicted"], expected, atol=1e-4)
    for item, count in enumerate(counts):
        still = (np.abs(expected[item]).max(axis=(1, 2, 3)) == 0).tolist()
        assert still == [frame < count for frame in range(SHAPE[0])]


def test_training_times_are_roots_of_uniform_numbers():
    items, condition = clips(500), [told(500, 0)]
    for root, median in ((1.0, 0.5), (3.0, 0.5 ** (1 / 3))):
        model = models.diffusion.clip_network(SHAPE, width=8, seed=3, root=root)
        _, time = model.draws(items, condition)
        assert np.median(time) == pytest.approx(median, abs=0.05)


def test_a_continuation_keeps_what_is_given_and_depends_on_it(stirred):
    begin = clips(3)
    for count in (1, 2):
        made = stirred.continued(begin[:, :count], seed=5, steps=2)
        assert made.shape == (3, *SHAPE) and made.min() >= 0 and made.max() <= 1
        np.testing.assert_allclose(made[:, :count], begin[:, :count], atol=1e-6)
        np.testing.assert_array_equal(made, stirred.continued(begin[:, :count], seed=5, steps=2))
        other = stirred.continued(1 - begin[:, :count], seed=5, steps=2)
        assert np.abs(other[:, count:] - made[:, count:]).max() > 1e-3


def test_equal_seeds_give_equal_networks_and_it_is_saved_whole(stirred, tmp_path):
    one, two = (models.diffusion.clip_network(SHAPE, width=8, seed=4) for _ in range(2))
    for ours, theirs in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    stirred.save(tmp_path / "clips.keras")
    again = keras.saving.load_model(tmp_path / "clips.keras")
    np.testing.assert_array_equal(again.sample(2, seed=1, steps=2), stirred.sample(2, seed=1, steps=2))


def test_wrong_frames_are_refused(model):
    begin = clips(2)
    for wrong in (begin, begin[:, :0], begin[:, :1, :4], begin[0, :1]):
        with pytest.raises(ValueError, match="with k from 1 to 2"):
            model.continued(wrong)
    with pytest.raises(ValueError, match="fresh noise"):
        model.continued(begin[:, :1], sampler="ddpm")
    with pytest.raises(ValueError, match=r"use continued\(known\)"):
        model.sample(2, labels=1)


def test_wrong_sizes_are_refused():
    with pytest.raises(ValueError, match="multiples of 4"):
        models.diffusion.clip_network((4, 10, 8, 1))
