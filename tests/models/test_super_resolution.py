"""Super-resolution: the reduction is the library's, tiles leave no seam, any photograph goes through."""

import ast
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

keras = pytest.importorskip("keras")
from keras import layers, ops  # noqa: E402

from aigc_lab import train  # noqa: E402
from aigc_lab.models import gan  # noqa: E402
from aigc_lab.models import super_resolution as sr  # noqa: E402


def array(tensor):
    return ops.convert_to_numpy(ops.stop_gradient(tensor))


def scene(height=96, width=120, channels=3, seed=0):
    """An image with soft ground and hard edges, uint8."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    planes = [
        127
        + 80 * np.sin(rows / random.uniform(2, 9)) * np.cos(columns / random.uniform(2, 9))
        + 40 * ((rows // 7 + columns // 11 + channel) % 2)
        for channel in range(channels)
    ]
    return np.clip(np.stack(planes, -1), 0, 255).astype("uint8")


def patches(photos, size=24, count=16):
    """Places of photographs, luminance in [0, 1]: (count, size, size, 1)."""
    random = np.random.default_rng(5)
    cut = []
    for _ in range(count):
        photo = sr.grey(photos[random.integers(len(photos))])
        top, left = (random.integers(side - size + 1) for side in photo.shape)
        cut.append(photo[top : top + size, left : left + size, None])
    return np.stack(cut)


def made_lively(model):
    """An untrained network whose last layer is not zero, so that every part of it shows."""
    last = model.network.get_layer("sub_pixels")
    random = np.random.default_rng(0)
    last.set_weights([random.normal(0, 0.1, each.shape) for each in last.get_weights()])
    return model


@pytest.fixture(scope="module")
def lively():
    return made_lively(sr.residual_network(scale=2, width=6, blocks=2, seed=3))


@pytest.mark.parametrize("scale", sr.SCALES)
@pytest.mark.parametrize("direction", ["smaller", "larger"])
def test_both_directions_are_those_of_pillow(scale, direction):
    image = scene(96, 120, 1)[..., 0].astype("float32") / 255
    ours = sr.low_resolution(image, scale) if direction == "smaller" else sr.enlarge(image, scale)
    other = Image.fromarray(image).resize(ours.shape[::-1], Image.Resampling.BICUBIC)
    assert np.abs(ours - np.clip(np.asarray(other), 0, 1)).max() < 1e-5


@pytest.mark.parametrize("scale", sr.SCALES)
def test_the_reduction_is_the_cubic_of_keys(scale):
    """A mean over 4 · scale pixels with the kernel of Keys 1981, equation 4, stretched by the scale."""
    row = np.random.default_rng(1).random(24 * scale)
    offsets = np.arange(-2 * scale, 3 * scale)
    d = np.abs((offsets - (scale - 1) / 2) / scale)
    near, far = 1.5 * d**3 - 2.5 * d**2 + 1, -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
    weights = np.where(d < 1, near, np.where(d < 2, far, 0))
    weights /= weights.sum()
    by_hand = [weights @ row[scale * i + offsets] for i in range(4, 20)]
    image = np.repeat(row[None], scale, axis=0)  # (scale, 24 scale): one row of small pixels
    assert array(sr.resize(image[None, ..., None], 1, 24))[0, 0, 4:20, 0] == pytest.approx(by_hand, abs=1e-5)


@pytest.mark.parametrize("scale", sr.SCALES)
def test_the_untrained_network_is_bicubic_enlargement(scale):
    small = scene(20, 24, 1)
    model = sr.residual_network(scale, width=4, blocks=1)
    made, bicubic = sr.upscale(model, small), sr.enlarge(small, scale)
    assert made.shape == bicubic.shape == (20 * scale, 24 * scale, 1)
    assert np.abs(made.astype(int) - bicubic).max() <= 1


@pytest.mark.parametrize("scale", sr.SCALES)
@pytest.mark.parametrize("sides", [(1, 1), (2, 7), (16, 11)])
def test_open_sides_give_the_same_bicubic_as_known_ones(scale, sides):
    photos = np.random.default_rng(1).random((2, *sides, 3), dtype="float32")
    small = keras.Input((None, None, 3))
    large = keras.Model(small, sr.Bicubic(scale)(small))
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        run = tf.function(large, input_signature=[tf.TensorSpec((None, None, None, 3))])
    else:
        run = large
    expected = sr.resize(photos, sides[0] * scale, sides[1] * scale)
    np.testing.assert_allclose(run(photos), ops.convert_to_numpy(expected), atol=2e-6)


def test_uint8_is_rounded_and_sides_that_do_not_divide_are_cropped():
    image = scene(97, 121)
    small = sr.low_resolution(image, 2)
    assert small.dtype == np.uint8 and small.shape == (48, 60, 3)
    pillow = Image.fromarray(image[:96, :120]).resize((60, 48), Image.Resampling.BICUBIC)
    assert np.abs(small.astype(int) - np.asarray(pillow)).max() <= 1
    assert sr.crop_to_multiple(image, 4).shape == (96, 120, 3)


def test_equal_seeds_give_equal_networks():
    first, second, other = (sr.residual_network(width=4, blocks=1, seed=seed) for seed in (3, 3, 4))
    pairs = zip(first.get_weights(), second.get_weights(), strict=True)
    assert all(np.array_equal(*pair) for pair in pairs)
    assert not np.array_equal(first.get_weights()[0], other.get_weights()[0])


def test_it_learns_to_beat_bicubic_and_comes_back_from_a_file(tmp_path):
    cut = patches([scene(seed=seed) for seed in range(3)], count=200)
    model = sr.residual_network(width=12, blocks=1)
    before = float(array(model.loss_terms(cut, model(cut))["loss"]))
    train.fit(model, cut, steps=300, batch_size=8, learning_rate=2e-3, seed=1, progress=False)
    assert float(array(model.loss_terms(cut, model(cut))["loss"])) < 0.95 * before
    model.save(tmp_path / "enlarger.keras")
    again = keras.saving.load_model(tmp_path / "enlarger.keras")
    small = scene(20, 20)
    assert again.scale == 2 and again.receptive_field == model.receptive_field
    assert np.array_equal(sr.upscale(again, small), sr.upscale(model, small))


@pytest.mark.parametrize("tile", [7, 16, 33])
def test_tiles_leave_no_seam(lively, tile):
    photo = (scene(41, 53) / 255).astype("float32")
    whole = sr.upscale(lively, photo, tile=1000)
    tiled = sr.upscale(lively, photo, tile=tile)
    assert np.abs(whole - tiled).max() < 1e-4
    assert np.abs(whole - sr.upscale(lively, photo, tile=tile, overlap=0)).max() > 1e-3


@pytest.mark.parametrize("scale", [3, 4])
def test_tiles_leave_no_seam_at_other_scales_in_alpha_and_in_sixteen_bits(scale):
    model = made_lively(sr.residual_network(scale, width=4, blocks=1, seed=3))
    photo = np.concatenate([scene(23, 31), scene(23, 31, 1, seed=4)], axis=-1)  # 23 x 31: no multiples
    for each in (photo, photo.astype("uint16") * 257):
        whole, tiled = (sr.upscale(model, each, tile=tile).astype(float) for tile in (1000, 9))
        # Rounded to whole levels: one of 65,535 levels is less than 1e-4 of the range.
        assert np.abs(whole - tiled).max() <= 1 and whole.shape == (23 * scale, 31 * scale, 4)


def test_the_receptive_field_is_as_said(lively):
    small = np.full((1, 31, 31, 1), 0.5, "float32")
    touched = small.copy()
    touched[0, 15, 15, 0] = 1.0
    change = np.abs(array(lively.network(touched)) - array(lively.network(small)))[0, ..., 0]
    rows = np.flatnonzero(change.max(axis=1) > 0) // 2
    assert 15 - rows.min() == lively.receptive_field == rows.max() - 15


def test_memory_is_that_of_one_tile(lively):
    photo = np.zeros((600, 700, 3), "uint8")
    tracemalloc.start()
    try:
        large = sr.upscale(lively, photo, tile=64)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < large.nbytes + 8e6  # the whole image in float32 would be 20 MB


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (2, 1, 4), (1, 9), (3, 5, 2), (13, 17, 1), (11, 8, 3)])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32", "float64"])
def test_any_photograph(lively, shape, kind):
    random = np.random.default_rng(0).random(shape)
    photo = random.astype(kind) if kind.startswith("float") else (random * np.iinfo(kind).max).astype(kind)
    large = sr.upscale(lively, photo)
    assert large.shape == (2 * shape[0], 2 * shape[1], *shape[2:]) and large.dtype == photo.dtype
    assert np.isfinite(large).all() and large.min() >= 0
    if kind.startswith("float"):
        assert large.max() <= 1


def test_colours_get_the_same_detail_and_alpha_none(lively):
    rgba = np.concatenate([scene(20, 22), scene(20, 22, 1, seed=4)], axis=-1)
    large, colours = sr.upscale(lively, rgba), sr.upscale(lively, rgba[..., :3])
    assert np.array_equal(large[..., :3], colours)
    inner = slice(6, -6)
    bicubic = sr.enlarge(rgba, 2)
    assert np.abs(large[..., 3].astype(int) - bicubic[..., 3])[inner, inner].max() <= 1
    detail = colours.astype(int) - bicubic[..., :3]
    free = ((colours > 0) & (colours < 255)).all(axis=-1)
    assert np.ptp(detail, axis=-1)[free].max() <= 3 and np.abs(detail).max() > 3


def test_sixteen_bits_are_kept(lively):
    photo = scene(20, 22).astype("uint16") * 257
    eight, sixteen = sr.upscale(lively, scene(20, 22)), sr.upscale(lively, photo)
    assert np.abs(sixteen / 257 - eight).max() <= 0.51


@pytest.mark.parametrize(
    ("photo", "words"),
    [
        (np.zeros((0, 5, 3), "uint8"), "empty"),
        (np.full((5, 5), np.nan), "NaN"),
        (np.zeros((2, 5, 5, 3), "uint8"), "array"),
        (np.zeros((5, 5, 7), "uint8"), "channels"),
        (np.full((5, 5), 200.0), "divide by 255"),
        (np.zeros((5, 5), "int32"), "uint8"),
    ],
)
def test_bad_photographs_are_refused(lively, photo, words):
    with pytest.raises(ValueError, match=words):
        sr.upscale(lively, photo)


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (lambda: sr.residual_network(scale=5), "scale must be"),
        (lambda: sr.enlarge(scene(), 1), "scale must be"),
        (lambda: sr.low_resolution(np.zeros((1, 1), "uint8")), "too small"),
        (lambda: second_stage(pattern=-1.0), "negative"),
        (lambda: second_stage(edges=1.0), "for pixels, features"),
    ],
)
def test_bad_settings_are_refused(action, words):
    with pytest.raises(ValueError, match=words):
        action()


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.zeros((4, 24, 24, 3)), "shape"),
        (np.zeros((4, 23, 24, 1)), "multiples"),
        (np.zeros((4, 4, 4, 1)), "at least 8"),
        (np.full((4, 24, 24, 1), 255.0), "divide"),
        (np.full((4, 24, 24, 1), np.nan), "NaN"),
        (np.zeros((0, 24, 24, 1)), "no items"),
    ],
)
def test_bad_patches_are_refused(lively, bad, words):
    with pytest.raises(ValueError, match=words):
        train.fit(lively, bad, steps=1, batch_size=1, progress=False)


def test_flat_patches_are_warned_of(lively):
    with pytest.warns(UserWarning, match="flat"):
        lively.check_training_data(np.full((4, 24, 24, 1), 0.5, "float32"))


def test_a_loss_that_is_not_finite_is_named():
    model = sr.residual_network(width=4, blocks=1)
    last = model.network.get_layer("sub_pixels")
    last.set_weights([np.full(each.shape, np.nan) for each in last.get_weights()])
    with pytest.raises(FloatingPointError, match="step 1"):
        train.fit(
            model,
            np.full((1, 16, 16, 1), 0.3) + np.eye(16)[..., None] / 2,
            steps=1,
            batch_size=1,
            progress=False,
        )


def tiny_features():
    keras.utils.set_random_seed(9)
    image = keras.Input((None, None, 3))
    return keras.Model(image, [layers.Conv2D(4, 3, padding="same", activation="tanh")(image)])


def second_stage(**weights):
    return sr.adversarial(sr.residual_network(width=2, blocks=1), tiny_features(), weights)


@pytest.fixture
def second(lively):
    return sr.adversarial(lively, tiny_features(), width=4, seed=1)


def test_the_second_stage_trains_both_players_and_leaves_the_first_alone(lively, second, tmp_path):
    cut = patches([scene()])
    before = [each.copy() for each in lively.network.get_weights()]
    judge = [each.copy() for each in second.discriminator.get_weights()]
    seen = [each.copy() for each in second.features.get_weights()]
    history = train.fit(second, cut, steps=4, batch_size=1, reports=2, progress=False)  # a batch of one
    assert {"pixels", "features", "discriminator", "generator"} <= set(history.table.columns)
    assert np.isfinite(history.table.to_numpy()).all()
    assert all(np.array_equal(*pair) for pair in zip(before, lively.network.get_weights(), strict=True))
    assert any(not np.array_equal(*pair) for pair in zip(before, second.network.get_weights(), strict=True))
    assert any(
        not np.array_equal(*pair) for pair in zip(judge, second.discriminator.get_weights(), strict=True)
    )
    assert all(np.array_equal(*pair) for pair in zip(seen, second.features.get_weights(), strict=True))
    second.save(tmp_path / "second.keras")
    again = keras.saving.load_model(tmp_path / "second.keras")
    assert np.array_equal(sr.upscale(again, scene(9, 9)), sr.upscale(second, scene(9, 9)))


def test_the_losses_are_those_of_the_gan(second):
    cut = patches([scene()], count=4)
    outputs = second(cut, training=False)
    terms = {name: float(array(value)) for name, value in second.loss_terms(cut, outputs).items()}
    real, fake = array(outputs["real_logits"]), array(outputs["fake_logits"])
    assert terms["discriminator"] == pytest.approx(float(gan.discriminator_loss(real, fake)), rel=1e-5)
    assert terms["generator"] == pytest.approx(float(gan.generator_loss(fake)), rel=1e-4)
    whole = terms["discriminator"] + terms["pixels"] + 0.1 * terms["features"] + 0.01 * terms["generator"]
    whole += 20 * terms["pattern"]
    assert terms["loss"] == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("scale", sr.SCALES)
def test_the_pattern_error_sees_what_repeats_and_nothing_else(scale):
    random = np.random.default_rng(0)
    cell = random.normal(0, 1, (scale, scale)).astype("float32")
    checks = np.tile(cell, (24 // scale, 24 // scale))[None, ..., None]
    assert float(array(sr.pattern_error(checks, scale))) == pytest.approx(np.abs(cell).mean(), rel=1e-5)
    # An error of any size that sums to zero at each place: detail, to which the term is blind.
    detail = random.normal(0, 1, (3, 24, 24, 1)).astype("float32")
    for row in range(scale):
        for column in range(scale):
            here = detail[:, row::scale, column::scale]
            here -= here.mean(axis=(1, 2), keepdims=True)
    assert float(array(sr.pattern_error(detail, scale))) == pytest.approx(0, abs=1e-6)


def test_one_pass_has_the_gradients_of_two(second):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("gradients are taken with TensorFlow's tape")
    import tensorflow as tf

    cut = tf.constant(patches([scene()], count=4))
    with tf.GradientTape() as tape:
        loss = second.loss_terms(cut, second(cut, training=False))["loss"]
    variables = [*second.network.trainable_variables, *second.discriminator.trainable_variables]
    one_pass = tape.gradient(loss, [each.value for each in variables])
    with tf.GradientTape(persistent=True) as tape:
        made = second.network(sr.resize(cut, 12, 12))
        fakes = second.discriminator(made, training=False)
        seen, wanted = second.feature_maps(made)[0], second.feature_maps(cut)[0]
        generator = ops.mean(ops.abs(cut - made)) + 0.1 * ops.mean(ops.square(seen - wanted))
        generator = generator + 20 * sr.pattern_error(cut - made, 2)
        generator = generator + 0.01 * gan.generator_loss(fakes)
        judge = gan.discriminator_loss(second.discriminator(cut, training=False), fakes)
    two = tape.gradient(generator, [each.value for each in second.network.trainable_variables])
    two += tape.gradient(judge, [each.value for each in second.discriminator.trainable_variables])
    assert max(float(tf.reduce_max(tf.abs(a - b))) for a, b in zip(one_pass, two, strict=True)) < 1e-5


def test_a_photograph_from_a_file_is_turned_upright(tmp_path):
    image = scene(30, 40)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(image).save(tmp_path / "own.png", exif=exif)
    assert np.array_equal(sr.open_photograph(tmp_path / "own.png"), np.rot90(image, -1))
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"broken\.jpg"):
        sr.open_photograph(tmp_path / "broken.jpg")
    with pytest.raises(FileNotFoundError, match="check the path"):
        sr.open_photograph(tmp_path / "none.png")


def test_photograph_files_of_every_kind_become_rgb(tmp_path):
    ramp = np.linspace(0, 65535, 40 * 50).reshape(40, 50).astype("uint16")
    rgba = np.dstack([scene(40, 50), np.where(np.arange(40) < 20, 255, 0)[:, None].repeat(50, 1)])
    files = {
        "sixteen.png": Image.fromarray(ramp),
        "grey.png": Image.fromarray((ramp // 257).astype("uint8")),
        "alpha.png": Image.fromarray(rgba.astype("uint8")),
        "print.jpg": Image.fromarray(scene(40, 50)).convert("CMYK"),
    }
    read = {}
    for name, image in files.items():
        image.save(tmp_path / name)
        read[name] = sr.open_photograph(tmp_path / name)
        assert read[name].shape == (40, 50, 3) and read[name].dtype == np.uint8
    assert np.abs(read["sixteen.png"][..., 1] - ramp / 257).max() <= 0.5
    assert np.array_equal(read["alpha.png"][:20], scene(40, 50)[:20])
    assert (read["alpha.png"][20:] == 255).all()  # transparent pixels lie on white


def test_a_photograph_file_that_is_too_large_is_named(tmp_path):
    Image.new("1", (20_000, 20_000)).save(tmp_path / "huge.png")  # 400 million pixels in 50 kB
    with pytest.raises(ValueError, match=r"huge\.png cannot be read"):
        sr.open_photograph(tmp_path / "huge.png")


# -- the share invented, as notebook 10 teaches it --------------------------------------------------------

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "10_super_resolution.ipynb"


@pytest.fixture(scope="module")
def taught():
    """The functions of the notebook: for a whole image, and region by region."""
    names, found = ("share_invented", "by_region"), {"np": np}
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        tree = ast.parse("".join(cell["source"])) if cell["cell_type"] == "code" else ast.Module([], [])
        wanted = [each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name in names]
        exec(compile(ast.Module(wanted, []), NOTEBOOK.name, "exec"), found)
    return found["share_invented"], lambda *details: found["by_region"](*details)[0]


def detail(seed, size=128):
    """True detail of random strength from place to place, and as much foreign detail: orthogonal to it."""
    random = np.random.default_rng(seed)
    true, foreign = random.normal(0, 5, (2, size, size)) * random.uniform(0.5, 2, (size, 1))
    foreign -= true * (true * foreign).sum() / (true * true).sum()
    return true, foreign * np.linalg.norm(true) / np.linalg.norm(foreign)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "rows", [26, 64, 100]
)  # of 128: whatever part is right, what is missing is no invention
def test_a_correct_part_is_not_invented(taught, seed, rows):
    true, _ = detail(seed)
    in_rows = np.where(np.arange(128)[:, None] < rows, true, 0)
    in_columns = np.where(np.arange(128) < rows, true, 0)
    scattered = np.where(np.random.default_rng(seed).random((128, 128)) < rows / 128, true, 0)
    spectrum = np.fft.rfft2(true)
    spectrum[:, rows // 2 :] = 0
    for added in (in_rows, in_columns, scattered, true / 3):
        assert [share(true, added) for share in taught] == pytest.approx([0, 0], abs=1e-9)
    whole, regional = (share(true, np.fft.irfft2(spectrum, true.shape)) for share in taught)
    assert whole == pytest.approx(0, abs=1e-9) and regional < 0.06  # in a region chance remains


@pytest.mark.parametrize("seed", range(3))
def test_foreign_detail_is_invented_and_no_share_exceeds_one(taught, seed):
    true, foreign = detail(seed)
    whole, regional = taught
    assert whole(true, foreign) == pytest.approx(1) and 0.95 < regional(true, foreign) <= 1
    assert whole(true, true + foreign) == pytest.approx(0.5) and regional(true, true + foreign) < 0.55
    for added in (-true, -3 * true, foreign - true):
        assert all(share(true, added) <= 1 + 1e-12 for share in taught)
        assert whole(true, added) == pytest.approx(1)


def test_regions_see_what_weak_detail_elsewhere_hides(taught):
    """Half strength above, foreign below: of the added energy four fifths are foreign."""
    random = np.random.default_rng(0)
    true, foreign = random.normal(0, 5, (2, 128, 128))
    added = np.where(np.arange(128)[:, None] < 64, true / 2, foreign)
    whole, regional = (share(true, added) for share in taught)
    assert whole == pytest.approx(0.6, abs=0.02) and regional == pytest.approx(0.8, abs=0.03)
