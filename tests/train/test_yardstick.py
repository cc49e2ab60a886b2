"""The three trainings that are timed: data kept apart, models as described, precision put back."""

from __future__ import annotations

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from aigc_lab.train import yardstick  # noqa: E402
from scripts import gpu_work  # noqa: E402


def test_nothing_that_is_held_out_is_trained_on():
    images = yardstick.subject("VAE")
    seen = {each.tobytes() for each in images.training}
    assert not [each for each in images.held_out if each.tobytes() in seen]
    text = yardstick.subject("Transformer")
    seen = {each.tobytes() for each in text.training}
    assert not [each for each in text.held_out if each.tobytes() in seen]
    # Windows do not overlap but for the character that links them, so no character is counted twice.
    assert (text.training[1:, 0] == text.training[:-1, -1]).all()


@pytest.mark.parametrize("name", yardstick.SUBJECTS)
def test_the_larger_size_is_ten_times_the_smaller_and_more(name):
    def weights(size):
        return sum(np.prod(each.shape) for each in yardstick.subject(name, size).model().trainable_variables)

    assert weights("tiny") * 5 < weights("notebook") < weights("large") / 10


def test_characters_and_images_are_counted():
    text, images = yardstick.subject("Transformer"), yardstick.subject("GAN")
    assert (text.unit, text.items_per_step) == ("characters", 64 * 64)
    assert (images.unit, images.items_per_step) == ("images", 64)


def test_the_precision_of_a_model_ends_with_its_building():
    before = keras.config.dtype_policy().name
    for precision in yardstick.PRECISIONS:
        model = yardstick.subject("VAE", "tiny").model(precision=precision)
        assert model.encoder.layers[-1].compute_dtype == precision.removeprefix("mixed_")
        assert {str(each.dtype) for each in model.trainable_variables} == {"float32"}
        assert keras.config.dtype_policy().name == before
    with pytest.raises(ValueError, match="no precision 'float8'; choose one of float32"):
        yardstick.subject("VAE", "tiny").model(precision="float8")
    assert keras.config.dtype_policy().name == before


@pytest.mark.parametrize(
    ("name", "size", "words"), [("RNN", "tiny", "subject 'RNN'"), ("VAE", "huge", "size 'huge'")]
)
def test_what_is_not_there_is_named(name, size, words):
    with pytest.raises(ValueError, match=f"there is no {words}; choose one of"):
        yardstick.subject(name, size)


def test_a_stopwatch_counts_steps_that_were_made():
    watch = yardstick.Stopwatch(yardstick.subject("VAE", "tiny"), seconds=0.02)
    before = [np.array(keras.ops.convert_to_numpy(each)) for each in watch.model.trainable_variables]
    speeds = [watch.round() for _ in range(2)]
    assert min(speeds) > 0 and watch.start_seconds > 0 and watch.parameters == 15180
    after = [keras.ops.convert_to_numpy(each) for each in watch.model.trainable_variables]
    assert all((a != b).any() for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("name", yardstick.SUBJECTS)
def test_the_held_out_score_is_low_for_what_knows_the_held_out_part(name):
    subject = yardstick.subject(name, "tiny")
    model = subject.model()
    score = gpu_work.held_out_score(subject, model)
    assert gpu_work.held_out_score(subject, model) == pytest.approx(score, rel=1e-6)
    if name == "Transformer":  # it starts at the uniform guess
        assert score == pytest.approx(np.log(model.vocabulary_size), rel=0.05)
    if name == "VAE":  # nearly nothing is known: ln 2 nats for each pixel
        assert score == pytest.approx(28 * 28 * np.log(2), rel=0.02)
    if name == "GAN":
        model.sample = lambda count, seed: subject.training[:count]  # drawings as real as can be
        assert abs(gpu_work.held_out_score(subject, model)) < 0.02 < score
