"""The small Transformer: it sees no future, its block is the formula, it learns, recomputing is exact."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from aigc_lab import train  # noqa: E402
from aigc_lab.models import transformer  # noqa: E402

TEXT = "the cat sat on the mat; " * 60


@pytest.fixture(scope="module")
def model():
    return transformer.character_model(11, length=12, width=16, blocks=2, heads=4, seed=1)


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def tokens_of(shape, seed=0, vocabulary=11):
    return np.random.default_rng(seed).integers(0, vocabulary, shape).astype("int32")


def test_a_character_that_comes_later_changes_nothing_before_it(model):
    first = tokens_of((3, 12))
    second = first.copy()
    second[:, 7] = (second[:, 7] + 1) % 11
    before, after = (numbers(model.network(each)) for each in (first, second))
    assert np.array_equal(before[:, :7], after[:, :7])
    assert (np.abs(before[:, 7:] - after[:, 7:]).max(axis=-1) > 1e-4).all()


def test_a_block_is_the_formula(model):
    """Attention(Q, K, V) = softmax(Q K' / sqrt(d)) V of each head, written out in NumPy in float64."""
    from scipy.special import erf, softmax

    block = model.network.get_layer("block_0")
    hidden = np.random.default_rng(2).standard_normal((2, 12, 16)).astype("float32")

    def normal(layer, values):
        gamma, beta = (numbers(each).astype("float64") for each in (layer.gamma, layer.beta))
        spread = np.sqrt(values.var(axis=-1, keepdims=True) + layer.epsilon)
        return (values - values.mean(axis=-1, keepdims=True)) / spread * gamma + beta

    def dense(layer, values):
        return values @ numbers(layer.kernel).astype("float64") + numbers(layer.bias)

    attention = block.attention
    given = normal(block.norm_attention, hidden.astype("float64"))
    parts = dense(attention.together, given).reshape(2, 12, 3, 4, 4)  # n, t, which, heads, d
    query, key, value = parts[:, :, 0], parts[:, :, 1], parts[:, :, 2]
    scores = np.einsum("nqhd,nkhd->nhqk", query, key) / np.sqrt(4)
    scores[:, :, np.triu(np.ones((12, 12), bool), 1)] = -np.inf
    mixed = np.einsum("nhqk,nkhd->nqhd", softmax(scores, axis=-1), value)
    expected = hidden + dense(attention.output_dense, mixed.reshape(2, 12, 16))
    inner = dense(block.widen, normal(block.norm_dense, expected))
    # gelu(x) = x times the normal distribution function at x
    expected = expected + dense(block.narrow, inner * 0.5 * (1 + erf(inner / np.sqrt(2))))
    assert numbers(block(hidden)) == pytest.approx(expected, abs=1e-4)


def test_it_learns_a_text_that_repeats_itself():
    x, characters = transformer.windows(TEXT, 12)
    model = transformer.character_model(len(characters), length=12, width=32, blocks=1, heads=2)
    start = float(numbers(model.loss_terms(x, model(x))["loss"]))
    assert start == pytest.approx(np.log(len(characters)), abs=0.1)
    history = train.fit(model, x, steps=150, batch_size=32, learning_rate=1e-2, progress=False)
    assert history.last() < 0.3


def test_recomputing_a_block_gives_the_same_losses():
    x, characters = transformer.windows(TEXT, 12)
    losses = []
    for recompute in (False, True):
        model = transformer.character_model(
            len(characters), length=12, width=16, blocks=2, heads=2, seed=5, recompute=recompute
        )
        history = train.fit(model, x, steps=12, batch_size=16, reports=12, progress=False)
        losses.append(history.table["loss"].to_numpy())
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    assert losses[0][-1] < losses[0][0]


def test_windows_hold_every_character_but_the_first_once_as_a_target():
    tokens, characters = transformer.windows("abcabcabcabc.", 4)
    assert characters == ".abc"
    assert tokens.shape == (3, 5)
    assert "".join(characters[each] for each in tokens[:, 1:].reshape(-1)) == "bcabcabcabc."
    assert np.array_equal(tokens[1:, 0], tokens[:-1, -1])
    again, _ = transformer.windows("cab.cab", 3, characters)
    assert again.max() < 4


def test_it_is_saved_and_read_again(model, tmp_path):
    model.save(tmp_path / "model.keras")
    read = keras.saving.load_model(tmp_path / "model.keras")
    x = tokens_of((2, 13))
    assert numbers(read(x)) == pytest.approx(numbers(model(x)), abs=1e-6)
    assert read.length == 12 and read.vocabulary_size == 11


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: transformer.character_model(11, width=10, heads=4), "multiple of heads"),
        (lambda: transformer.character_model(11, blocks=0), "blocks must be at least 1"),
        (lambda: transformer.windows("abc", 4), "one window needs 5"),
        (lambda: transformer.windows("abcdx" * 9, 4, "abcd"), "not in the vocabulary: 'x'"),
    ],
)
def test_bad_settings_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize(
    "x, words",
    [
        (tokens_of((40, 9)), r"integers \(n, 13\)"),
        (tokens_of((40, 13)).astype("float32"), r"integers \(n, 13\)"),
        (tokens_of((40, 13)) + 1, "must lie in 0 to 10"),
    ],
)
def test_bad_texts_are_refused_before_the_first_step(model, x, words):
    with pytest.raises(ValueError, match=words):
        train.fit(model, x, steps=1, batch_size=8, progress=False)
