"""Training: it learns, it repeats itself, it resumes exactly, and it stops at the step that breaks."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from aigc_lab import train  # noqa: E402
from aigc_lab.models.vae import convolutional_vae, dense_vae  # noqa: E402
from aigc_lab.train import fitting  # noqa: E402


@pytest.fixture(scope="module")
def data():
    """Bright bars at one of four places: something a small VAE learns in a hundred steps."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, 200)
    x = np.zeros((200, 8, 8, 1), "float32")
    for item, label in enumerate(labels):
        x[item, 2 * label : 2 * label + 2] = 0.9
    return x, labels


def new_model(**options):
    return convolutional_vae(
        (8, 8, 1), **{"latent_size": 2, "width": 4, "class_count": 4, "seed": 3, **options}
    )


def fit(model, data, **options):
    return train.fit(
        model, *data, **{"steps": 40, "batch_size": 32, "progress": False, "reports": 4, **options}
    )


def weights_of(model):
    return [keras.ops.convert_to_numpy(each) for each in model.weights]


def equal(first, second):
    return all(np.array_equal(a, b) for a, b in zip(weights_of(first), weights_of(second), strict=True))


def test_the_elbo_rises_and_the_history_says_so(data):
    model = new_model()
    before = model.elbo(*data).mean()
    history = fit(model, data, steps=150, validation=data)
    assert model.elbo(*data).mean() > before + 10
    table = history.table
    assert table["step"].tolist() == [38, 75, 112, 150]
    assert {"epoch", "loss", "reconstruction", "kl", "validation_loss", "seconds"} <= set(table)
    assert table["loss"].to_numpy() == pytest.approx(
        (table["reconstruction"] + table["kl"]).to_numpy(), rel=1e-5
    )
    assert history.last("validation_loss") < table["validation_loss"].iloc[0]
    assert history.last("validation_loss") == pytest.approx(-model.elbo(*data, samples=20).mean(), rel=0.02)


def test_equal_seeds_give_equal_weights_and_other_seeds_others(data):
    first, second, third = new_model(), new_model(), new_model()
    fit(first, data, seed=1)
    fit(second, data, seed=1)
    fit(third, data, seed=2)
    assert equal(first, second)
    assert not equal(first, third)


def test_looking_at_validation_data_does_not_change_training(data):
    blind, seeing = new_model(), new_model()
    fit(blind, data)
    fit(seeing, data, validation=data)
    assert equal(blind, seeing)


@pytest.mark.parametrize("cut_after", [1, 3])
def test_a_run_that_was_cut_ends_with_the_weights_of_one_that_was_not(data, tmp_path, monkeypatch, cut_after):
    whole = new_model()
    history = fit(whole, data)

    stored = []
    original = fitting.store

    def store_then_die(*arguments):
        original(*arguments)
        stored.append(1)
        if len(stored) == cut_after:
            raise KeyboardInterrupt

    monkeypatch.setattr(fitting, "store", store_then_die)
    checkpoint = tmp_path / "run.npz"
    with pytest.raises(KeyboardInterrupt):
        fit(new_model(), data, checkpoint=checkpoint)
    monkeypatch.setattr(fitting, "store", original)

    resumed = new_model(seed=99)  # other weights: all must come from the checkpoint
    continued = fit(resumed, data, checkpoint=checkpoint)
    assert equal(whole, resumed)
    columns = ["step", "loss", "reconstruction", "kl"]
    assert continued.table[columns].equals(history.table[columns])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.npz"]


def test_a_checkpoint_of_another_run_is_refused(data, tmp_path):
    fit(new_model(), data, checkpoint=tmp_path / "run.npz")
    with pytest.raises(ValueError, match="another run"):
        fit(new_model(), data, checkpoint=tmp_path / "run.npz", seed=5)
    (tmp_path / "broken.npz").write_bytes(b"not a file of arrays")
    with pytest.raises(ValueError, match="no checkpoint"):
        fit(new_model(), data, checkpoint=tmp_path / "broken.npz")


def test_an_unwritable_checkpoint_folder_is_named(data, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match=r"cannot write in the folder .*; choose another"):
        fit(new_model(), data, checkpoint=tmp_path / "file" / "run.npz")


def test_nan_in_the_data_names_the_item(data):
    x = data[0].copy()
    x[7, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="first is item 7"):
        fit(new_model(), (x, data[1]))


def test_a_loss_that_breaks_names_the_step_and_puts_the_weights_back(data):
    model = new_model(likelihood="gaussian")
    x = data[0].copy()
    x[:] = 3e38  # finite, but its loss is not
    x[0] = 0  # and not all the same
    before = weights_of(model)
    with pytest.raises(FloatingPointError, match="at step 1 of 40"):
        fit(model, (x, data[1]))
    assert all(np.array_equal(a, b) for a, b in zip(before, weights_of(model), strict=True))


def test_the_step_that_breaks_is_the_one_named(data):
    """Item 5 is poisoned: the message must name the first step whose batch holds it."""
    x = data[0].copy()
    x[5] = 3e38
    batches = fitting.batches(len(x), 32, 0, 40, seed=0)
    first = 1 + int(np.argmax((batches == 5).any(axis=1)))
    with pytest.raises(FloatingPointError, match=f"at step {first} of 40"):
        fit(new_model(likelihood="gaussian"), (x, data[1]))


def test_what_the_model_does_not_take_is_said_before_the_first_step(data):
    with pytest.raises(ValueError, match=r"in \[0, 1\], got 0 to 229"):
        fit(new_model(), (data[0] * 255, data[1]))
    with pytest.raises(ValueError, match="from 0 to 3, got"):
        fit(new_model(), (data[0], np.arange(200) % 5))
    with pytest.raises(ValueError, match="choose one from 1 to 200"):
        fit(new_model(), data, batch_size=201)


@pytest.mark.parametrize(("count", "words"), [(1, "only one image"), (40, "all images are the same")])
def test_images_that_do_not_differ_are_said_and_learned(data, count, words):
    x, labels = data[0][:1].repeat(count, axis=0), np.zeros(count, int)
    with pytest.warns(UserWarning, match=words):
        history = fit(new_model(), (x, labels), batch_size=1)
    assert np.isfinite(history.last())


def test_a_learned_scale_stays_above_zero_on_constant_images():
    model = convolutional_vae((8, 8, 1), 2, width=4, likelihood="gaussian", learn_scale=True, scale=0.01)
    with pytest.warns(UserWarning, match="the same"):
        history = train.fit(model, np.full((32, 8, 8, 1), 0.5), steps=60, batch_size=8, progress=False)
    assert np.isfinite(history.table["loss"]).all()
    assert model.scale_now() >= 1e-3 - 1e-9


def test_the_kl_term_is_warmed_up_step_by_step_and_resumes(data, tmp_path):
    model = new_model(warm_up_steps=20)
    history = fit(model, data, checkpoint=tmp_path / "run.npz", reports=40).table
    weight = (history["loss"] - history["reconstruction"]) / history["kl"]
    expected = np.minimum(1, np.arange(40) / 20)
    assert weight.to_numpy() == pytest.approx(expected, abs=2e-3)
    again = new_model(warm_up_steps=20)
    fit(again, data, checkpoint=tmp_path / "run.npz", reports=40)
    assert equal(model, again)


def test_a_dense_vae_learns_in_one_xla_loop(data):
    model = dense_vae((8, 8, 1), latent_size=2, class_count=4, width=16, seed=3)
    history = fit(model, data, jit_compile=keras.backend.backend() == "tensorflow", steps=200)
    assert history.last() < 0.7 * history.table["loss"][0]


def test_each_epoch_takes_the_items_once_and_in_another_order():
    batches = fitting.batches(10, 5, 0, 6, seed=4)
    epochs = batches.reshape(3, 10)  # (steps, batch) -> (epochs, items)
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert not np.array_equal(epochs[0], epochs[1])
    assert np.array_equal(batches[3:], fitting.batches(10, 5, 3, 6, seed=4))


def test_epochs_are_whole_batches(data):
    assert fit(new_model(), data, steps=None, epochs=2).table["step"].iloc[-1] == 2 * (200 // 32)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"batch_size": 500}, "200 items but batch_size is 500"),
        ({"batch_size": 0}, "from 1 to 200"),
        ({"steps": 0}, "at least one step"),
        ({"steps": 1, "learning_rate": -1e-3}, "finite number from 0 up, got -0.001"),
        ({"epochs": 1}, "exactly one unit"),
        ({"steps": None}, "exactly one unit"),
    ],
)
def test_bad_settings_are_refused(data, change, words):
    with pytest.raises(ValueError, match=words):
        fit(new_model(), data, **change)


def test_bad_data_are_refused(data):
    x, labels = data
    with pytest.raises(ValueError, match="shape"):
        fit(new_model(), (x, labels[:5]))
    with pytest.raises(ValueError, match="uint8"):
        fit(new_model(), (np.zeros((200, 8, 8, 1), "uint8"), labels))
    with pytest.raises(ValueError, match="no items"):
        fit(new_model(), (x[:0], labels[:0]))


def test_progress_is_one_line_in_a_terminal(data, capsys):
    fit(new_model(), data, progress=True)
    shown = capsys.readouterr().out
    assert shown.count("\n") == 1
    assert "step 40/40" in shown


def test_settings_of_a_profile():
    assert train.settings("smoke", smoke={"steps": 2}, full={"steps": 9}).steps == 2
    with pytest.raises(ValueError, match="no profile 'quick'; choose one of smoke, full"):
        train.settings("quick", smoke={}, full={})


def test_what_is_measured_at_a_report_stands_in_the_history_and_changes_nothing():
    """Sampling between the steps must not disturb them."""
    from aigc_lab.models import gan

    x = np.random.default_rng(0).random((32, 8, 8, 1), dtype="float32")
    runs = []
    for measured in (False, True):
        model = gan.dense_gan((8, 8, 1), latent_size=2, width=8, seed=1)
        measure = (lambda model=model: {"brightness": model.sample(5, seed=1).mean()}) if measured else None
        history = train.fit(model, x, steps=6, batch_size=8, reports=3, measure=measure, progress=False)
        runs.append((history.table, model.get_weights()))
    (plain, first), (table, second) = runs
    assert "brightness" not in plain and len(table) == 3
    assert table["brightness"].between(0, 1).all()
    assert all(np.array_equal(one, two) for one, two in zip(first, second, strict=True))


# --- compiled once, trained many times --------------------------------------------------------


def everything(model):
    return [keras.ops.convert_to_numpy(each) for each in model.variables]


@pytest.mark.parametrize("seed", [1, 5])
def test_a_trainer_gives_what_fit_gives(data, seed):
    trainer = train.Trainer(new_model(seed=99), steps=40, batch_size=32)
    trainer.fit(new_model(seed=98), data[0][:100], data[1][:100], seed=4)  # other weights, fewer items
    history = trainer.fit(new_model(), *data, seed=seed, reports=4)
    alone = new_model()
    expected = fit(alone, data, seed=seed)
    assert all(
        np.array_equal(a, b) for a, b in zip(everything(alone), everything(trainer.model), strict=True)
    )
    columns = ["step", "loss", "reconstruction", "kl"]
    assert history.table[columns].equals(expected.table[columns])


def test_a_trainer_starts_a_gan_anew_with_its_optimizer_and_its_noise(data):
    from aigc_lab.models.gan import dcgan

    def new_gan():
        return dcgan((8, 8, 1), 4, 4, width=4, seed=2)

    trainer = train.Trainer(new_gan(), steps=6, batch_size=32)
    trainer.fit(new_gan(), data[0][:64], data[1][:64], seed=8)
    trainer.fit(new_gan(), *data)
    alone = new_gan()
    fit(alone, data, steps=6, reports=1)
    for expected, found in zip(everything(alone), everything(trainer.model), strict=True):
        # Two threads may add up the gradient of a convolution in another order.
        assert np.allclose(expected, found, atol=1e-3)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="traces are counted on TensorFlow")
def test_a_trainer_traces_once_for_data_of_any_length(data):
    model, traces = new_model(), []
    original = type(model).loss_terms

    class Counting(type(model)):
        def loss_terms(self, inputs, outputs):
            traces.append(1)
            return original(self, inputs, outputs)

    model.__class__ = Counting
    trainer = train.Trainer(model, steps=4, batch_size=32)
    trainer.fit(new_model(), *data)
    traced = len(traces)
    for count in (200, 150, 64):
        trainer.fit(new_model(seed=count), data[0][:count], data[1][:count])
    assert len(traces) == traced


def test_a_trainer_refuses_another_architecture_and_too_few_items(data):
    trainer = train.Trainer(new_model(), steps=4, batch_size=32)
    with pytest.raises(ValueError, match="other shapes than the compiled model"):
        trainer.fit(new_model(width=8), *data)
    with pytest.raises(ValueError, match="choose one from 1 to 20"):
        trainer.fit(new_model(), data[0][:20], data[1][:20])
