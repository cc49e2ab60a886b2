"""Schedules, rates given as numbers, and early stopping."""

import numpy as np
import pytest

from aigc_lab import train


@pytest.mark.parametrize("schedule", train.SCHEDULES)
def test_a_schedule_reaches_its_peak_and_its_end(schedule):
    shares = train.rates(schedule, 400, 0.5) / 0.5
    assert shares.shape == (400,)
    assert shares.max() == pytest.approx(1)
    assert (shares > 0).all()
    assert shares[-1] == pytest.approx(1 if schedule == "constant" else 0.02, abs=1e-3)
    rising = np.diff(shares) > 0
    assert rising.sum() == (39 if schedule == "warm-up" else 0)
    if schedule == "step":
        assert np.unique(shares) == pytest.approx([0.02, 0.02**0.5, 1])


def test_an_unknown_schedule_is_refused():
    with pytest.raises(ValueError, match="no schedule 'sudden'; choose one of cosine, constant"):
        train.rates("sudden", 10, 1.0)
    with pytest.raises(
        ValueError, match=r"one finite rate of 0 or more for each of the 10 steps, got .*lowest -1"
    ):
        train.rates("cosine", 10, -1)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((96, 8, 8, 1)).astype("float32")


def model(seed=0):
    from aigc_lab import models

    return models.vae.dense_vae((8, 8, 1), 2, width=16, seed=seed)


def weights(trained):
    return np.concatenate([np.ravel(each) for each in trained.trainable_variables])


FIT = {"batch_size": 16, "progress": False}


def test_rates_as_numbers_train_like_the_schedule_of_the_same_name(images):
    by_default, cosine = model(), model()
    train.fit(by_default, images, steps=30, **FIT)
    train.fit(cosine, images, steps=30, schedule=train.rates("cosine", 30, 3e-3), **FIT)
    assert np.allclose(weights(by_default), weights(cosine), atol=1e-5)
    with pytest.raises(ValueError, match="one finite rate of 0 or more for each of the 30 steps"):
        train.fit(model(), images, steps=30, schedule=np.ones(29), **FIT)


def test_a_trainer_takes_other_rates_without_compiling_anew(images):
    machine = train.Trainer(model(), steps=30, batch_size=16, schedule="constant")
    machine.fit(model(), images)
    machine.fit(model(), images, rates=train.rates("step", 30, 0.01))
    expected = model()
    train.fit(expected, images, steps=30, schedule="step", learning_rate=0.01, **FIT)
    assert (weights(machine.model) == weights(expected)).all()
    with pytest.raises(ValueError, match="schedule='constant'"):
        train.Trainer(model(), steps=30, batch_size=16).fit(model(), images, rates=np.ones(30))


EARLY = {"steps": 400, "learning_rate": 0.03, "reports": 40, "patience": 3, **FIT}


def test_early_stopping_puts_back_the_weights_of_the_lowest_loss(images):
    x, held_out = images[:32], (images[32:],)
    stopped = model()
    losses = train.fit(stopped, x, validation=held_out, **EARLY).table["validation_loss"]
    assert len(losses) < 40
    assert len(losses) - 1 - losses.idxmin() == 3
    # Trained only as long as the lowest loss, with the rates of the same schedule, it is the same model.
    steps = 10 * (int(losses.idxmin()) + 1)
    shorter = model()
    rates = train.rates("cosine", 400, 0.03)[:steps]
    train.fit(shorter, x, steps=steps, schedule=rates, **FIT)
    assert np.allclose(weights(stopped), weights(shorter), atol=1e-4)


def test_early_stopping_survives_an_interrupt(images, tmp_path):
    x, held_out, file = images[:32], (images[32:],), tmp_path / "run.npz"
    whole = model()
    table = train.fit(whole, x, validation=held_out, **EARLY).table
    reports = []

    def interrupt():
        reports.append(0)
        if len(reports) == len(table) - 1:  # after the lowest loss, before the end
            raise KeyboardInterrupt
        return {}

    with pytest.raises(KeyboardInterrupt):
        train.fit(model(), x, validation=held_out, checkpoint=file, measure=interrupt, **EARLY)
    for _ in range(2):  # goes on; and when it has ended, nothing is trained any more
        resumed = model()
        again = train.fit(resumed, x, validation=held_out, checkpoint=file, **EARLY).table
        assert again["validation_loss"].tolist() == table["validation_loss"].tolist()
        assert (weights(resumed) == weights(whole)).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"patience": 0}, "from 1 up .*got patience=0"), ({"validation": None}, "validation=.* with it")],
)
def test_patience_needs_something_to_watch(changes, words, images):
    settings = {"steps": 2, "patience": 1, "validation": (images,), **FIT, **changes}
    with pytest.raises(ValueError, match=words):
        train.fit(model(), images, **settings)
