"""The models and ``train.fit`` on every Keras backend: each in its own process, since Keras takes one."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_same_tests_pass_on(backend):
    if importlib.util.find_spec(backend) is None:
        if backend == "jax" and os.environ.get("CI"):
            pytest.fail("CI always tests the JAX backend; install the extra `jax`")
        pytest.skip(f"{backend} is not installed; pip install .[{backend}]")
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "JAX_PLATFORMS": "cpu",
        # Most of a test's time on JAX is the compiler's; what it compiles runs for a second.
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    names = (
        "models/test_vae.py",
        "models/test_gan.py",
        "models/test_transformer.py",
        "test_augment.py",
        "train/test_fitting.py",
        "train/test_optimizer.py",
    )
    # Of super-resolution what trains two players; its other tests take a minute and passed on JAX by hand.
    few = ("second_stage_trains_both_players_and_leaves_the_first_alone", "losses_are_those_of_the_gan")
    names += tuple(f"models/test_super_resolution.py::test_the_{name}" for name in few)
    # Of diffusion what differs by backend: random draws, derivatives, saving; the rest passed on JAX by hand.
    few = ("loss_is_the_squared_error_of_the_target_as_written", "density_counts_the_units_of_the_data")
    names += tuple(f"models/test_diffusion.py::test_the_{name}" for name in few)
    names += ("models/test_diffusion.py::test_it_is_saved_and_read_back",)
    chosen = [str(TESTS / name) for name in names]
    # Of the sizes of colour images the two ends stand for all, as one of two numbers of steps does; words
    # about bad input or progress, and who may set Keras' seeds, know no backend.
    known_elsewhere = (
        "large_colour and (32 or 44 or 48 or 64 or 96)",
        "(gives_what_fit_gives or the_weights_of_one_that_was_not) and 1",
        "refused or refuses or are_said or one_line_in_a_terminal or the_seeds_of_the_process",
    )
    chosen += ["-k", " and ".join(f"not ({names})" for names in known_elsewhere)]
    done = subprocess.run(
        [*command, *chosen], env=environment, capture_output=True, text=True, cwd=TESTS.parent
    )
    print(done.stdout[-3000:])
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
