"""A step taken apart adds up, and tells waiting from work."""

import time

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
import keras  # noqa: E402

from aigc_lab.models import vae  # noqa: E402
from aigc_lab.train import profiling  # noqa: E402


def training_step(model):
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(model.trainable_variables)

    def step(batch):
        with tf.GradientTape() as tape:
            loss = model.loss_terms(batch, model(batch, training=True))["loss"]
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    return step


def endless(x, pause=0.0):
    while True:
        begun = time.perf_counter()
        while time.perf_counter() - begun < pause:  # a reader that is slow, whatever the machine does
            pass
        yield x


def test_a_step_taken_apart_adds_up_and_a_compiled_one_has_less_python():
    model = vae.convolutional_vae((8, 8, 1), latent_size=2, width=4)
    x = tf.constant(np.full((8, 8, 8, 1), 0.5, "float32"))
    eager, compiled = (
        profiling.profile(step, endless(x), steps=5)
        for step in (training_step(model), tf.function(training_step(model)))
    )
    for each in (eager, compiled):
        assert each.step == pytest.approx(each.data + each.inside + each.python)
        assert each.kernels["convolutions"] > 0 and each.kernels["optimizer"] > 0
        assert min(each.data, each.inside, each.python) >= 0
    assert compiled.python < eager.python / 3
    assert len(eager.slowest) == 8 and eager.slowest == sorted(eager.slowest, key=lambda pair: -pair[1])


def test_waiting_for_data_is_told_from_work():
    found = profiling.profile(tf.function(tf.exp), endless(tf.ones(3), pause=0.02), steps=5)
    assert found.data >= 20
    assert found.data > found.inside + found.python


def test_families_of_operations():
    assert profiling.family("adam/Sub_43", "Sub") == "optimizer"
    assert profiling.family("AssignVariableOp", "AssignVariableOp") == "optimizer"
    assert profiling.family("vae/Conv2D", "_MklNativeFusedConv2D") == "convolutions"
    assert profiling.family("d/BiasAdd", "_MklNativeFusedMatMul") == "matrix products"
    assert profiling.family("noise", "StatelessRandomNormalV2") == "random numbers"
    assert profiling.family("gelu/Exp", "Exp") == "number by number"


def test_too_few_batches_are_said():
    with pytest.raises(ValueError, match="fewer batches than 3"):
        profiling.profile(tf.function(tf.exp), [tf.ones(3)] * 5, steps=5)
