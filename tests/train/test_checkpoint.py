"""Checkpoints: whole or not there, refused where they do not fit, and nothing is lost when one fails."""

import json
import os
import resource

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from aigc_lab import train  # noqa: E402
from aigc_lab.collect import dataset  # noqa: E402
from aigc_lab.models.vae import dense_vae  # noqa: E402
from aigc_lab.train import checkpoint as checkpoints  # noqa: E402

X = np.random.default_rng(0).random((64, 4, 4, 1), dtype="float32")
HOW = {"steps": 8, "batch_size": 16, "reports": 4, "progress": False}


def new_model(width=8):
    return dense_vae((4, 4, 1), latent_size=2, width=width, seed=3)


def weights_of(model):
    return [keras.ops.convert_to_numpy(each).copy() for each in model.variables]


def equal(first, second):
    return all(np.array_equal(one, two) for one, two in zip(first, second, strict=True))


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = tmp_path_factory.mktemp("stored") / "run.npz"
    train.fit(new_model(), X, checkpoint=path, **HOW)
    return path


@pytest.fixture(scope="module")
def uncut():
    model = new_model()
    train.fit(model, X, **HOW)
    return weights_of(model)


def refused(path, words, model=None, **changed):
    """The checkpoint is refused with these words, and the model is as it was."""
    model = model or new_model()
    before = weights_of(model)
    with pytest.raises(ValueError, match=words):
        train.fit(model, X, checkpoint=path, **{**HOW, **changed})
    assert equal(before, weights_of(model))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_half_a_file_never_counts(stored, tmp_path, share):
    content = stored.read_bytes()
    (tmp_path / "run.npz").write_bytes(content[: int(share * len(content))])
    refused(tmp_path / "run.npz", "no checkpoint that can be read .* copy it again, or delete it")
    assert checkpoints.steps_done(tmp_path / "run.npz") == 0


def test_a_damaged_byte_is_noticed(stored, tmp_path):
    content = bytearray(stored.read_bytes())
    with np.load(stored) as file:  # a byte of a weight: some bytes between the arrays mean nothing
        content[content.index(file["variable_1"].tobytes())] ^= 0xFF
    (tmp_path / "run.npz").write_bytes(content)
    refused(tmp_path / "run.npz", "no checkpoint that can be read")


def test_what_differs_is_said(stored):
    refused(stored, r"other layers \(variable 1 has shape \(16, 8\) there, \(16, 9\) here\)", new_model(9))
    refused(stored, "batch_size was 16, now 32", batch_size=32)
    refused(stored, "seed was 0, now 4", seed=4)
    with pytest.raises(ValueError, match="other data"):
        train.fit(new_model(), X + 0.0001, checkpoint=stored, **HOW)


def test_a_checkpoint_of_another_backend_is_refused(stored, tmp_path):
    with np.load(stored) as file:
        arrays = dict(file)
    about = json.loads(str(arrays["about"]))
    assert about["backend"] == keras.backend.backend()
    arrays["about"] = np.array(json.dumps(about | {"backend": "mlx"}))
    np.savez(tmp_path / "run.npz", **arrays)
    refused(tmp_path / "run.npz", "written on the Keras backend mlx.* start with KERAS_BACKEND=mlx")


def test_a_disk_that_fills_up_loses_nothing(tmp_path, monkeypatch, uncut):
    """/dev/full takes the third checkpoint's bytes and says what a full disk says."""
    path, opened = tmp_path / "run.npz", []

    def open_here(file, mode):
        opened.append(file)
        return open("/dev/full" if len(opened) == 4 else file, mode)  # the first one is the probe

    monkeypatch.setattr(dataset, "open", open_here, raising=False)
    model = new_model()
    words = r"step 6 was not written, .* weights of step 6: .*No space left.*that was there is unchanged"
    with pytest.raises(OSError, match=words) as caught:
        train.fit(model, X, checkpoint=path, **HOW)
    assert caught.value.errno == 28
    monkeypatch.undo()
    assert checkpoints.steps_done(path) == 4 and [each.name for each in tmp_path.iterdir()] == ["run.npz"]
    trained = weights_of(model)
    short = new_model()
    with pytest.raises(KeyboardInterrupt):  # the same run, stopped after step 6
        train.fit(short, X, **HOW, measure=_stop_at(3))
    assert equal(trained, weights_of(short))
    resumed = new_model(8)
    train.fit(resumed, X, checkpoint=path, **HOW)
    assert equal(uncut, weights_of(resumed))


def _stop_at(report):
    seen = []

    def measure():
        seen.append(1)
        if len(seen) == report:
            raise KeyboardInterrupt
        return {}

    return measure


def test_a_write_that_breaks_off_in_the_middle_leaves_no_file(tmp_path):
    """The system itself refuses to let the file grow: no part of it may stay under its name."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(OSError, match=r"step 2 was not written.*File too large.*nothing was written"):
            train.fit(new_model(), X, checkpoint=tmp_path / "run.npz", **HOW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


def never(*given):
    raise AssertionError("a step was made before the folder was looked at")


@pytest.fixture
def no_step(monkeypatch):
    monkeypatch.setattr("aigc_lab.train.fitting.batches", never)


def test_too_little_room_is_said_before_the_first_step(tmp_path, monkeypatch, no_step):
    monkeypatch.setattr(checkpoints.shutil, "disk_usage", lambda folder: _Disk)
    with pytest.raises(OSError, match=r"has 0\.0 MB left and the checkpoint takes 0\.0 MB; make room"):
        train.fit(new_model(), X, checkpoint=tmp_path / "run.npz", **HOW)


class _Disk:
    free = 10


def test_folders_that_cannot_be_used_are_said_before_the_first_step(tmp_path, no_step):
    with pytest.raises(OSError, match=r"is a folder; name a file in it, such as .*run\.npz"):
        train.fit(new_model(), X, checkpoint=tmp_path, **HOW)
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o500)
    if os.access(locked, os.W_OK):  # root may write everywhere but in the kernel's own folders
        locked = type(tmp_path)("/sys/kernel")
    with pytest.raises(OSError, match=r"cannot write in the folder .*; choose another"):
        train.fit(new_model(), X, checkpoint=locked / "run.npz", **HOW)


def test_a_folder_that_is_not_there_is_made_and_leftovers_of_a_killed_process_go(tmp_path, uncut):
    path = tmp_path / "new" / "folder" / "run.npz"
    path.parent.mkdir(parents=True)
    left, other = path.parent / ".run.npz.0123.part", path.parent / ".other.npz.0123.part"
    left.write_bytes(b"half"), other.write_bytes(b"another run's")
    model = new_model()
    train.fit(model, X, checkpoint=path, **HOW)
    assert sorted(each.name for each in path.parent.iterdir()) == [".other.npz.0123.part", "run.npz"]
    assert equal(uncut, weights_of(model))
    train.fit(new_model(), X, checkpoint=tmp_path / "absent" / "run.npz", **HOW)
