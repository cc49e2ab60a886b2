"""Exports equal the model, a failed export leaves the old one alone, and the card says what it must."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from aigc_lab import deploy
from aigc_lab.backend import quiet
from aigc_lab.collect.dataset import own_card
from aigc_lab.deploy import forms

NAMES = ("cat", "dog", "猫头鹰")


def tiny_vae(class_count=3, seed=0, likelihood="bernoulli"):
    from aigc_lab.models.vae import convolutional_vae

    return convolutional_vae(
        image_shape=(8, 8, 1),
        latent_size=3,
        class_count=class_count,
        width=4,
        likelihood=likelihood,
        seed=seed,
    )


@pytest.fixture(scope="module")
def vae():
    return tiny_vae()


@pytest.fixture(scope="module")
def exported(vae, tmp_path_factory):
    folder = tmp_path_factory.mktemp("deploy") / "export"
    return deploy.export(vae, folder, class_names=NAMES, title="Tiny", licence="MIT")


def contents(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_every_form_is_written_and_described(exported):
    assert sorted(exported) == ["keras", "manifest", "onnx", "saved_model"]
    assert all(path.exists() for path in exported.values())
    manifest = json.loads(exported["manifest"].read_text(encoding="utf-8"))
    assert manifest["files"]["onnx"]["sha256"] == hashlib.sha256(exported["onnx"].read_bytes()).hexdigest()
    assert (manifest["latent_size"], manifest["class_count"], manifest["image_shape"]) == (3, 3, [8, 8, 1])
    assert {"python", "keras", "tensorflow", "numpy"} <= set(manifest["versions"])


def test_reloaded_keras_file_is_exactly_equal(vae, exported):
    import keras

    again = keras.saving.load_model(exported["keras"])
    latent = np.random.default_rng(5).standard_normal((7, 3), dtype="float32")
    labels = np.arange(7) % 3
    np.testing.assert_array_equal(again.decode(latent, labels), vae.decode(latent, labels))
    images = np.random.default_rng(6).random((7, 8, 8, 1), dtype="float32")
    for new, old in zip(again.encode(images, labels), vae.encode(images, labels), strict=True):
        np.testing.assert_array_equal(new, old)


def test_check_reports_the_largest_difference(vae, exported):
    found = deploy.check(vae, exported["onnx"].parent)
    assert set(found) == set(deploy.FORMATS)
    assert found["keras"] == 0.0
    assert found["onnx"] <= 1e-5 and found["saved_model"] <= 1e-5


def test_check_refuses_another_model(exported):
    other = tiny_vae(seed=1)
    with pytest.raises(ValueError, match="differs from the model"):
        deploy.check(other, exported["onnx"].parent)


@pytest.mark.parametrize("count", [1, 4, 11])
def test_onnx_alone_draws_what_the_model_draws(vae, exported, count):
    drawn = deploy.draw_with_onnx(exported["onnx"], count, "dog", seed=2)
    assert drawn.shape == (count, 8, 8, 1) and drawn.dtype == np.float32
    np.testing.assert_allclose(drawn, vae.sample(count, 1, seed=2), atol=1e-5, rtol=0)
    in_turn = deploy.draw_with_onnx(exported["onnx"], count, seed=2)
    np.testing.assert_allclose(in_turn, vae.sample(count, seed=2), atol=1e-5, rtol=0)


def test_onnx_file_tells_about_itself(exported):
    told = deploy.onnx_metadata(exported["onnx"])
    assert told["class_names"] == list(NAMES) and told["title"] == "Tiny" and told["licence"] == "MIT"
    assert told["latent_size"] == 3 and told["class_count"] == 3
    import onnx

    graph = onnx.load(exported["onnx"]).graph
    assert [each.name for each in graph.input] == ["latent", "label"]
    assert [each.name for each in graph.output] == ["pixels"]
    assert {each.type.tensor_type.shape.dim[0].dim_param for each in (*graph.input, *graph.output)} == {
        "batch"
    }


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_models_without_classes_export_too(tmp_path, likelihood):
    vae = tiny_vae(class_count=0, likelihood=likelihood)
    paths = deploy.export(vae, tmp_path / "out")
    assert max(deploy.check(vae, tmp_path / "out").values()) <= 1e-5
    np.testing.assert_allclose(deploy.draw_with_onnx(paths["onnx"], 3), vae.sample(3), atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="no classes"):
        deploy.draw_with_onnx(paths["onnx"], 3, "cat")


@pytest.mark.parametrize("class_count", [0, 3])
@pytest.mark.parametrize("colours", [1, 3])
def test_a_gan_exports_and_draws_the_same(tmp_path, class_count, colours):
    from aigc_lab.models.gan import dcgan

    how = {"choices": 2, "mapping": 1} if colours == 3 else {}
    gan = dcgan((8, 8, colours), latent_size=4, class_count=class_count, width=4, seed=1, **how)
    written = deploy.export(gan, tmp_path / "export")
    drawn = deploy.draw_with_onnx(written["onnx"], 5, seed=2)
    np.testing.assert_allclose(drawn, gan.sample(5, seed=2), atol=deploy.TOLERANCE)
    assert deploy.check(gan, tmp_path / "export")["keras"] == 0


def other_family(name):
    """A small model of a family that does not make an image in one pass, its zero weights made something."""
    import keras

    from aigc_lab.models import diffusion, repair, transformer

    positions = name.removeprefix("text, ")
    if positions in transformer.POSITIONS:
        return transformer.character_model(9, length=6, width=8, blocks=1, heads=2, positions=positions)
    if name == "noise":
        noisy, time = keras.Input((2,)), keras.Input((1,))
        predicted = keras.layers.Dense(2)(keras.layers.Concatenate()([noisy, time]))
        return diffusion.Diffusion(keras.Model([noisy, time], predicted), "noise", value_range=None)
    model = repair.repair_network((4,)) if name == "repair" else diffusion.unet((8, 8, 1), 3, width=4)
    random = np.random.default_rng(0)
    for weight in model.trainable_weights:
        if not np.any(weight):
            weight.assign(random.normal(0, 0.1, weight.shape))
    return model


@pytest.mark.parametrize(
    ("name", "inputs", "output"),
    [
        ("text, learned", ["tokens"], "logits"),
        ("text, rotary", ["tokens"], "logits"),
        ("noise", ["noisy", "time"], "noise"),
        ("repair", ["damaged", "known", "sigma"], "pixels"),
    ],
)
def test_every_other_family_exports(tmp_path, name, inputs, output):
    model, text = other_family(name), output == "logits"
    formats = deploy.FORMATS if name == "text, learned" else ("onnx",)  # the others take seconds each
    paths = deploy.export(model, tmp_path / "out", formats, class_names="abcdefg, " if text else ())
    found = deploy.check(model, tmp_path / "out")
    assert set(found) == set(formats) and max(found.values()) <= 1e-5
    session = deploy.open_onnx(paths["onnx"], threads=1)
    assert [each.name for each in session.get_inputs()] == inputs
    assert [each.name for each in session.get_outputs()] == [output]
    assert {each.shape[0] for each in (*session.get_inputs(), *session.get_outputs())} == {"batch"}
    told = deploy.onnx_metadata(paths["onnx"])
    assert told["kind"] == {"tokens": "text", "noisy": "diffusion", "damaged": "repair"}[inputs[0]]
    assert "".join(told["class_names"]) == ("abcdefg, " if text else "")
    with pytest.raises(ValueError, match="draws nothing from latent points in one pass"):
        deploy.draw_with_onnx(paths["onnx"])


def test_a_sampler_outside_draws_with_the_exported_network(tmp_path):
    model = other_family("U-shaped")
    session = deploy.open_onnx(deploy.export(model, tmp_path / "out", ("onnx",))["onnx"])
    how = {"seed": 1, "steps": 3, "guidance": 2.0}
    expected = model.sample(4, **how)

    class Exported:
        def predict_on_batch(self, inputs):
            return session.run(["velocity"], dict(zip(("noisy", "time", "label"), inputs, strict=True)))[0]

    model.network = Exported()
    np.testing.assert_allclose(model.sample(4, **how), expected, atol=1e-5)


@pytest.fixture(scope="module")
def enlarging():
    """A network that adds something to bicubic, as a trained one does, and the second stage for it."""
    import keras

    from aigc_lab.models import super_resolution as sr

    model = sr.residual_network(scale=3, width=4, blocks=1, seed=1)
    last = model.network.get_layer("sub_pixels")
    random = np.random.default_rng(0)
    last.set_weights([random.normal(0, 0.1, each.shape).astype("float32") for each in last.get_weights()])
    photo = keras.Input((None, None, 3))
    features = keras.Model(photo, [keras.layers.Conv2D(2, 3, padding="same")(photo)])
    return {"first stage": model, "second stage": sr.adversarial(model, features, width=4, seed=2)}


@pytest.mark.parametrize("stage", ["first stage", "second stage"])
def test_super_resolution_exports_and_enlarges_photographs_of_any_size(enlarging, tmp_path, stage):
    from aigc_lab.models.super_resolution import upscale

    model, folder = enlarging[stage], tmp_path / "export"
    written = deploy.export(model, folder, title="Larger", licence="MIT")
    found = deploy.check(model, folder)
    assert set(found) == set(deploy.FORMATS) and found["keras"] == 0 and max(found.values()) <= 1e-5
    assert deploy.onnx_metadata(written["onnx"])["scale"] == 3
    for sides in ((7, 12, 3), (31, 20, 3), (9, 6)):
        photo = np.random.default_rng(3).integers(0, 256, sides).astype("uint8")
        large = deploy.enlarge_with_onnx(written["onnx"], photo)
        # Rounded to whole numbers, a difference of 1e-6 may tip one over.
        np.testing.assert_allclose(large.astype(int), upscale(model, photo), atol=1)
        assert (large == upscale(model, photo)).mean() > 0.999
    with pytest.raises(ValueError, match=r"\(height, width\[, 3\]\), got float32 \(8, 8, 3\)"):
        deploy.enlarge_with_onnx(written["onnx"], np.zeros((8, 8, 3), "float32"))
    with pytest.raises(ValueError, match="draws nothing from latent points in one pass"):
        deploy.draw_with_onnx(written["onnx"])
    assert "experiments: enlarging images" in deploy.model_card(folder, **CARD).read_text(encoding="utf-8")


def test_what_cannot_be_exported_or_run_is_refused_in_a_sentence(exported, enlarging, tmp_path):
    import keras

    with pytest.raises(
        ValueError, match=r"a Sequential is none of them; model.save\('NAME.keras'\) keeps it"
    ):
        deploy.export(keras.Sequential(), tmp_path / "export")
    with pytest.raises(ValueError, match="the model has 0 classes, but there are 1"):
        deploy.export(enlarging["first stage"], tmp_path / "export", class_names=("cat",))
    with pytest.raises(ValueError, match="enlarges nothing"):
        deploy.enlarge_with_onnx(exported["onnx"], np.zeros((8, 8, 3), "uint8"))
    assert not list(tmp_path.iterdir())


def test_the_mixture_travels_with_the_export_and_needs_no_tensorflow(vae, tmp_path):
    from aigc_lab.models.mixture import LatentMixture

    images = np.random.default_rng(0).random((60, 8, 8, 1), dtype="float32")
    mixture = LatentMixture.fit(vae, images, np.arange(60) % 3, components=2)
    paths = deploy.export(vae, tmp_path / "out", ("onnx",), class_names=NAMES, mixture=mixture)
    for label, number in ((None, None), ("dog", 1)):
        expected = vae.decode(*mixture.sample(7, number, seed=4))
        drawn = deploy.draw_with_onnx(paths["onnx"], 7, label, seed=4, mixture=paths["mixture"])
        np.testing.assert_allclose(drawn, expected, atol=1e-5, rtol=0)
    assert np.abs(drawn - deploy.draw_with_onnx(paths["onnx"], 7, "dog", seed=4)).max() > 1e-4
    # And all of it without TensorFlow.
    files = f"{str(paths['onnx'])!r}, mixture={str(paths['mixture'])!r}"
    code = (
        "import sys; from aigc_lab import deploy; "
        f"print(deploy.draw_with_onnx({files}, count=2, label='cat').shape); "
        "print(sorted({'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split("\n")[:2] == ["(2, 8, 8, 1)", "[]"]
    deploy.export(vae, tmp_path / "out", ("onnx",))  # without one: the old mixture does not stay behind
    assert not paths["mixture"].exists()


def test_export_prints_nothing_and_keeps_paths_as_given(vae, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    paths = deploy.export(vae, "runs/model", ("onnx", "saved_model"))
    assert capfd.readouterr() == ("", "")
    assert not paths["onnx"].is_absolute() and paths["onnx"].is_file()
    text = b"".join(contents(tmp_path / "runs").values())
    assert str(tmp_path).encode() not in text  # no machine path inside what is given away


def test_a_new_export_replaces_the_old_one(exported, tmp_path):
    folder = tmp_path / "out"
    shutil.copytree(exported["onnx"].parent, folder)
    (folder / "model_card.md").write_text("of the old model")
    other = tiny_vae(seed=1)
    deploy.export(other, folder, ("onnx",))
    assert sorted(entry.name for entry in folder.iterdir()) == ["export.json", "generator.onnx"]
    assert deploy.check(other, folder)["onnx"] <= 1e-5
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("where", ["write_onnx", "check", "_swap"])
def test_a_failure_leaves_the_old_export_and_no_rest(exported, tmp_path, monkeypatch, where):
    folder = tmp_path / "out"
    shutil.copytree(exported["onnx"].parent, folder)
    before = contents(folder)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(forms, where, full)
    with pytest.raises(
        OSError, match=r"cannot write the export to .*No space left on device.*choose a folder"
    ):
        deploy.export(tiny_vae(seed=1), folder, ("onnx",))
    assert contents(folder) == before
    assert os.listdir(tmp_path) == ["out"]


def test_a_failed_rename_brings_the_old_export_back(exported, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    shutil.copytree(exported["onnx"].parent, folder)
    before, rename = contents(folder), os.rename

    def refuse(source, target):
        if str(source).endswith(".part"):
            raise OSError(5, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        deploy.export(tiny_vae(seed=1), folder, ("onnx",))
    assert contents(folder) == before
    assert os.listdir(tmp_path) == ["out"]


def test_a_folder_with_other_files_is_never_replaced(vae, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"holds 'notes\.txt', which is no part of an export"):
        deploy.export(vae, tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_unwritable_targets(vae, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(ValueError, match="is a file; choose a folder"):
        deploy.export(vae, blocked)
    with pytest.raises(OSError, match="cannot write the export to"):
        deploy.export(vae, blocked / "inside")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission(vae, tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError, match="choose a folder you may write to"):
            deploy.export(vae, tmp_path / "out")
    finally:
        tmp_path.chmod(0o700)


def test_bad_input(vae, exported, tmp_path):
    with pytest.raises(ValueError, match="unknown format 'onx'; the formats are keras, saved_model, onnx"):
        deploy.export(vae, tmp_path / "a", ("onx",))
    with pytest.raises(ValueError, match="no format"):
        deploy.export(vae, tmp_path / "a", ())
    with pytest.raises(ValueError, match="3 classes, but there are 1"):
        deploy.export(vae, tmp_path / "a", class_names=("cat",))
    with pytest.raises(FileNotFoundError, match="holds no export"):
        deploy.check(vae, tmp_path)
    with pytest.raises(FileNotFoundError, match="no ONNX file"):
        deploy.draw_with_onnx(tmp_path / "none.onnx")
    with pytest.raises(ValueError, match="no class 'bird'; its classes are cat, dog"):
        deploy.draw_with_onnx(exported["onnx"], 1, "bird")
    with pytest.raises(ValueError, match="no class '3'; its classes are cat, dog"):
        deploy.draw_with_onnx(exported["onnx"], 1, 3)
    with pytest.raises(ValueError, match="at least 1"):
        deploy.draw_with_onnx(exported["onnx"], 0)
    damaged = tmp_path / "generator.onnx"
    damaged.write_bytes(exported["onnx"].read_bytes()[:100])
    with pytest.raises(ValueError, match="not an ONNX model"):
        deploy.draw_with_onnx(damaged)
    with pytest.raises(ValueError, match="cannot be run"):
        deploy.check(vae, tmp_path)
    assert os.listdir(tmp_path) == ["generator.onnx"]


def test_other_backends_are_told_the_way(vae, tmp_path, monkeypatch):
    import keras

    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match=r"jax backend exports only formats=\('keras',\)"):
        deploy.export(vae, tmp_path / "out")


def test_an_operation_that_onnx_lacks_is_an_error(tmp_path):
    import keras
    import tensorflow as tf

    latent = keras.Input((3,), name="latent")
    model = keras.Model(latent, keras.layers.Lambda(tf.math.digamma)(latent))
    model(np.ones((1, 3), "float32"))
    with pytest.raises(ValueError, match=r"cannot be written as ONNX: .*Digamma"), quiet():
        deploy.write_onnx(model, tmp_path / "x.onnx", {})


def test_a_constant_that_would_become_an_input_is_refused(tmp_path):
    import keras
    from keras import ops

    latent, path = keras.Input((3,), name="latent"), tmp_path / "x.onnx"
    scale = np.linspace(-1, 1, 3, dtype="float32")
    for constant in (ops.exp(scale), np.exp(scale)):
        model = keras.Model([latent], latent * constant)
        model([np.ones((1, 3), "float32")])
        if isinstance(constant, np.ndarray):
            with quiet():
                deploy.write_onnx(model, path, {}, output="scaled")
            assert [each.name for each in deploy.open_onnx(path).get_outputs()] == ["scaled"]
        else:
            with (
                pytest.raises(ValueError, match=r"no input of the model but a constant .* with NumPy"),
                quiet(),
            ):
                deploy.write_onnx(model, path, {})
            assert not path.exists()


def test_quiet_hides_prints_but_gives_them_back_on_failure(capfd):
    with quiet():
        print("from Python")
        os.write(2, b"from below\n")
    assert capfd.readouterr() == ("", "")
    with pytest.raises(RuntimeError, match="boom"), quiet():
        os.write(2, b"the cause\n")
        raise RuntimeError("boom")
    assert "the cause" in capfd.readouterr().err


CARD = {
    "title": "Cats",
    "data_card": own_card("cats"),
    "issues_found": "label_flip 12",
    "scores": {"KID": 0.01234567, "ELBO": np.float32(np.nan), "FID|KID": (0.1, 0.05, 0.2)},
    "seeds": [0, 1, 2],
    "training": {"epochs": 3, "device": "two CPU cores"},
    "limits": ["Images of 28 x 28 pixels only."],
    "licence": "MIT",
}


def test_model_card_says_what_it_must(exported):
    path = deploy.model_card(exported["onnx"].parent, **CARD)
    assert path == exported["onnx"].parent / "model_card.md"
    text = path.read_text(encoding="utf-8")
    headings = ("Intended use", "Data", "Issues found in the data", "Training", "Scores", "Limits")
    for heading in (*headings, "Licence of the weights", "Exported files", "Versions"):
        assert f"\n## {heading}\n\n" in text
    assert re.match(r"# Model card: Cats\n\nWritten by AIGC Lab on \d{4}-\d\d-\d\d\.\n", text)
    assert "label_flip 12" in text and "| FID\\|KID | 0.1 [0.05 to 0.2] |" in text
    assert "| KID | 0.01235 |" in text and "| ELBO | not measured |" in text
    assert "Seeds: 0, 1, 2." in text and "- Images of 28 x 28 pixels only." in text
    assert hashlib.sha256(exported["onnx"].read_bytes()).hexdigest() in text
    path.unlink()


# Versions ----------------------------------------------------------------------------------------------


@pytest.fixture
def versions(exported, tmp_path):
    """A models folder with two versions."""
    for name in ("first", "second"):
        shutil.copytree(exported["onnx"].parent, tmp_path / name)
    return tmp_path


def test_data_card_and_seeds_travel_and_every_file_has_its_hash(vae, tmp_path):
    card = own_card("cats")
    paths = deploy.export(vae, tmp_path / "out", ("onnx",), data_card=card, seeds=(3, 4))
    manifest = deploy.verify(tmp_path / "out")
    assert json.loads(paths["data_card"].read_text(encoding="utf-8"))["licence"] == card.licence
    assert manifest["seeds"] == [3, 4] and manifest["kind"] == "latent"
    (tmp_path / "out" / "reference.json").write_text("{}", encoding="utf-8")
    deploy.record(tmp_path / "out", "reference.json")
    assert set(deploy.verify(tmp_path / "out")["files"]) == {"onnx", "data_card", "reference"}
    for file in deploy.verify(tmp_path / "out")["files"].values():
        content = (tmp_path / "out" / file["name"]).read_bytes()
        assert (file["bytes"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    deploy.export(vae, tmp_path / "out", ("onnx",))  # a new export knows nothing of the reference
    assert sorted(os.listdir(tmp_path / "out")) == ["export.json", "generator.onnx"]


def test_a_version_becomes_live_and_is_rolled_back(versions):
    with pytest.raises(FileNotFoundError, match=r"no version in .* is live; "):
        deploy.live(versions)
    deploy.set_live(versions, "first")
    assert deploy.live(versions)["previous"] is None
    deploy.set_live(versions, "second")
    deploy.set_live(versions, "second")  # twice: what to roll back to is still the first
    told = deploy.live(versions)
    assert (told["version"], told["previous"]) == ("second", "first")
    assert told["sha256"] == deploy.verify(versions / "second")["files"]["onnx"]["sha256"]
    deploy.set_live(versions, told["previous"])
    assert (deploy.live(versions)["version"], deploy.live(versions)["previous"]) == ("first", "second")
    assert sorted(os.listdir(versions)) == ["first", "live.json", "second"]


def test_a_version_that_is_not_as_it_was_never_becomes_live(versions):
    deploy.set_live(versions, "first")
    before = (versions / "live.json").read_bytes()
    generator = versions / "second" / "generator.onnx"
    content = generator.read_bytes()
    for damage, why in (
        (lambda: generator.write_bytes(content[:-1] + b"x"), r"SHA-256 differs\); copy or export"),
        (generator.unlink, "generator.onnx of second is missing"),
        (lambda: (versions / "second" / "export.json").write_text("{}"), "is no manifest"),
    ):
        damage()
        with pytest.raises(ValueError, match=why):
            deploy.set_live(versions, "second")
    for strange in ("third", "", "..", "../first", ".", str(versions / "first")):
        with pytest.raises(FileNotFoundError, match=r"has no version .*; it has first, second"):
            deploy.set_live(versions, strange)
    assert (versions / "live.json").read_bytes() == before


def test_a_failed_write_leaves_the_live_version(versions, monkeypatch):
    deploy.set_live(versions, "first")

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match=r"No space left on device.*; the file that was there is unchanged"):
            deploy.set_live(versions, "second")
    assert deploy.live(versions)["version"] == "first"
    assert sorted(os.listdir(versions)) == ["first", "live.json", "second"]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"version": 3}', '{"version": "../first"}'])
def test_a_damaged_live_file_is_told_and_repaired(versions, content):
    (versions / "live.json").write_text(content)
    with pytest.raises((ValueError, FileNotFoundError), match=r"set_live|has no version"):
        deploy.live(versions)
    deploy.set_live(versions, "second")
    assert deploy.live(versions)["version"] == "second"


# Files from elsewhere ----------------------------------------------------------------------------------


def test_a_model_that_names_another_file_is_refused(tmp_path):
    import onnx

    outside = onnx.numpy_helper.from_array(np.ones((3, 4), "float32"), "w")
    onnx.external_data_helper.set_external_data(outside, "../../etc/passwd")
    outside.ClearField("raw_data")
    latent, pixels = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", size])
        for name, size in (("latent", 3), ("pixels", 4))
    )
    product = onnx.helper.make_node("MatMul", ["latent", "w"], ["pixels"])
    constant = onnx.helper.make_node("Constant", [], ["w"], value=outside)
    for nodes, weights in (([product], [outside]), ([constant, product], [])):  # in a node, too
        graph = onnx.helper.make_graph(nodes, "graph", [latent], [pixels], weights)
        (tmp_path / "x.onnx").write_bytes(onnx.helper.make_model(graph).SerializeToString())
        with pytest.raises(
            ValueError, match=r"keeps weights in another file, '\.\./\.\./etc/passwd'; a model must"
        ):
            deploy.open_onnx(tmp_path / "x.onnx")


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n" * 30, b"<html></html>"])
def test_what_is_no_onnx_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "x.onnx").write_bytes(content)
    with pytest.raises(ValueError, match=r"\Ax.onnx is not an ONNX model that onnxruntime can run: [^\n]*\Z"):
        deploy.open_onnx(tmp_path / "x.onnx")


# What is added to an export ----------------------------------------------------------------------------


@pytest.mark.parametrize(("bits", "largest", "mean"), [(7, 64, 0.02), (8, 127, 0.05)])
def test_the_8_bit_generator_is_smaller_and_near(tmp_path, bits, largest, mean):
    """Weights of 8 bits are as near as those of 7 only where the processor adds their products in 32 bits."""
    import onnx

    from aigc_lab import models

    vae = models.stored.load("labelled_vae")
    deploy.export(vae, tmp_path / "out", ("onnx",))
    path = deploy.quantise(tmp_path / "out", count=64, weight_bits=bits)
    files = deploy.verify(tmp_path / "out")["files"]
    assert (
        path.name == "generator_int8.onnx"
        and files["generator_int8"]["bytes"] < 0.35 * files["onnx"]["bytes"]
    )
    kept = [onnx.numpy_helper.to_array(each) for each in onnx.load(path).graph.initializer]
    assert max(np.abs(each.astype(int)).max() for each in kept if each.dtype == np.int8) == largest
    exact, rounded = (
        deploy.draw_with_onnx(tmp_path / "out" / each, 50, seed=7) for each in ("generator.onnx", path)
    )
    assert 0 < np.abs(rounded - exact).mean() < mean
    assert files["generator_int8"]["largest_difference"] <= 1
    told = deploy.onnx_metadata(tmp_path / "out" / "generator.onnx")
    assert told.items() <= deploy.onnx_metadata(path).items()


def test_weights_of_another_number_of_bits_are_refused(tmp_path):
    with pytest.raises(ValueError, match="weight_bits is 7 or 8, not 4"):
        deploy.quantise(tmp_path, weight_bits=4)


def test_only_a_model_that_draws_from_latent_points_is_quantised(exported, tmp_path):
    shutil.copytree(exported["onnx"].parent, tmp_path / "out")
    manifest = json.loads(exported["manifest"].read_text(encoding="utf-8"))
    del manifest["latent_size"]
    (tmp_path / "out" / "export.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ValueError, match="takes a model that draws from latent points"):
        deploy.quantise(tmp_path / "out")
    with pytest.raises(FileNotFoundError, match="holds no export"):
        deploy.quantise(tmp_path)


def test_the_judge_says_what_the_feature_network_says(exported, tmp_path):
    from aigc_lab import evaluate

    folder = tmp_path / "out"
    shutil.copytree(exported["onnx"].parent, folder)
    path = deploy.write_judge(folder, "animals")
    images = np.random.default_rng(1).random((7, 28, 28, 1), dtype="float32")
    (seen,) = deploy.open_onnx(path).run(["probabilities"], {"image": images})
    np.testing.assert_allclose(seen, evaluate.classify(images, "animals"), atol=1e-5)
    assert tuple(deploy.onnx_metadata(path)["class_names"]) == evaluate.GROUPS["animals"]
    assert deploy.verify(folder)["files"]["judge"]["largest_difference"] <= 1e-5
    with pytest.raises(ValueError, match="among must be one of"):
        deploy.write_judge(folder, "plants")


@pytest.mark.parametrize(
    ("what", "value"), [("title", " "), ("licence", ""), ("limits", []), ("seeds", []), ("scores", {})]
)
def test_model_card_refuses_to_say_nothing(tmp_path, what, value):
    with pytest.raises(ValueError, match=f"a model card needs {what}"):
        deploy.model_card(tmp_path, **{**CARD, what: value})
    assert not list(tmp_path.iterdir())
