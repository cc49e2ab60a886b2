"""Operations are counted as two independent ways count them; a step taken apart adds up."""

import contextlib
import io
import time

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
import keras  # noqa: E402

from aigc_lab.models import transformer, vae  # noqa: E402
from aigc_lab.train import limits, profiling  # noqa: E402
from aigc_lab.train.limits import Cost, Roofline  # noqa: E402


def traced(function, *specs):
    return tf.function(function).get_concrete_function(*specs)


def training_step(model):
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(model.trainable_variables)

    def step(batch):
        with tf.GradientTape() as tape:
            loss = model.loss_terms(batch, model(batch, training=True))["loss"]
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    return step


def test_a_product_costs_what_the_formula_says():
    step = traced(tf.matmul, tf.TensorSpec((3, 5)), tf.TensorSpec((5, 7)))
    cost = limits.step_cost(step)
    assert cost.flops == 2 * 3 * 5 * 7
    assert cost.bytes == 4 * (3 * 5 + 5 * 7 + 3 * 7)
    assert cost.intensity == pytest.approx(cost.flops / cost.bytes)
    turned = traced(
        lambda a, b: tf.matmul(a, b, transpose_a=True), tf.TensorSpec((5, 3)), tf.TensorSpec((5, 7))
    )
    assert limits.step_cost(turned).flops == cost.flops


def test_a_convolution_costs_as_much_again_for_each_gradient():
    def both(picture, kernel):
        with tf.GradientTape() as tape:
            tape.watch([picture, kernel])
            out = tf.nn.conv2d(picture, kernel, strides=2, padding="SAME")
        return tape.gradient(out, [picture, kernel], tf.ones_like(out))

    cost = limits.step_cost(traced(both, tf.TensorSpec((2, 8, 8, 3)), tf.TensorSpec((3, 3, 3, 6))))
    once = 2 * (2 * 4 * 4 * 6) * (3 * 3 * 3)
    counted = {kind: flops for kind, flops, _ in cost.operations if kind.startswith("Conv2D")}
    assert counted["Conv2DBackpropInput"] == counted["Conv2DBackpropFilter"] == once


@pytest.mark.parametrize("make", [vae.convolutional_vae, vae.dense_vae])
def test_a_vae_costs_what_tensorflows_own_counter_says(make):
    step = traced(training_step(make((28, 28, 1), latent_size=4)), tf.TensorSpec((64, 28, 28, 1)))
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        profiler = tf.compat.v1.profiler
        options = profiler.ProfileOptionBuilder(profiler.ProfileOptionBuilder.float_operation())
        counted = profiler.profile(step.graph, cmd="op", options=options.with_empty_output().build())
    assert limits.step_cost(step).flops == pytest.approx(counted.total_float_ops, rel=0.03)


def test_a_transformer_costs_what_its_sizes_say():
    """6 operations for each weight of a product and each token (2 forward, 4 backward), and attention's."""
    length, width, blocks, batch, vocabulary = 16, 32, 2, 4, 20
    model = transformer.character_model(vocabulary, length=length, width=width, blocks=blocks)
    step = traced(training_step(model), tf.TensorSpec((batch, length + 1), tf.int32))
    cost = limits.step_cost(step)
    weights = blocks * 12 * width**2 + width * vocabulary
    attention = blocks * 2 * length * width  # of each token: scores, and the mixing of values
    products = 6 * batch * length * (weights + attention)
    counted = sum(flops for kind, flops, _ in cost.operations if "MatMul" in kind or kind == "Einsum")
    assert counted == pytest.approx(products, rel=1e-6)
    assert products < cost.flops < 1.3 * products


def test_what_cannot_be_counted_is_refused():
    with pytest.raises(ValueError, match="trace with full shapes"):
        limits.step_cost(traced(tf.exp, tf.TensorSpec((None, 3))))

    def loop(x):
        return tf.while_loop(lambda x: tf.reduce_sum(x) < 9, lambda x: [x + 1], [x])

    with pytest.raises(ValueError, match="calls another function"):
        limits.step_cost(traced(loop, tf.TensorSpec((3,))))


def test_the_roof_is_the_lower_of_two():
    roof = Roofline(flops=100e9, bandwidth=20e9, call=1e-5)
    assert roof.ridge == 5
    assert roof.attainable(1) == 20e9 and roof.attainable(50) == 100e9
    cost = Cost((("MatMul", 100e9, 1.0), ("Add", 1.0, 20e9)))
    assert roof.shortest(cost) == pytest.approx(2.0)


def test_a_measured_roof_is_of_a_real_machine():
    roof = limits.roofline(size=256, megabytes=16, rounds=2)
    assert 1e8 < roof.flops < 1e16
    assert 1e8 < roof.bandwidth < 1e14
    assert 1e-8 < roof.call < 0.1
    with pytest.raises(ValueError, match="at least 1"):
        limits.roofline(rounds=0)


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
    with pytest.raises(ValueError, match="fewer batches than 1"):
        profiling.profile(tf.function(tf.exp), [tf.ones(3)] * 3, steps=5, warm_up=1)


def test_the_peak_of_memory_is_seen_even_when_it_is_given_back():
    grown = limits.peak_memory(lambda: np.ones(2**24).sum())  # 128 MiB, freed at once
    if grown is None:
        pytest.skip("this system does not tell")
    assert 100 * 2**20 < grown < 300 * 2**20
    assert limits.peak_memory(lambda: None) < 20 * 2**20
