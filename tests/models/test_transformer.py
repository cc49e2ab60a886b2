"""The small Transformer: it sees no future, its block is the formula, it learns, recomputing is exact."""

from functools import partial

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


def moved(settings, seed=0):
    """A model whose weights are all away from their start, so that each of them matters."""
    model = transformer.character_model(11, **settings, seed=1)
    generator = np.random.default_rng(seed)
    noise = [0.2 * generator.standard_normal(weight.shape) for weight in model.get_weights()]
    model.set_weights([weight + each for weight, each in zip(model.get_weights(), noise, strict=True)])
    return model


SMALL = {"length": 12, "width": 16, "blocks": 2, "heads": 2}


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("positions", transformer.POSITIONS)
def test_one_token_after_the_other_gives_the_logits_of_all_at_once(positions, dense):
    model = moved({**SMALL, "positions": positions, "dense": dense})
    assert ("widen" in dir(model.network.get_layer("block_0"))) is dense
    x = tokens_of((3, 12))
    decoder = transformer.Decoder(model, 3)
    found = np.stack([decoder.step(column) for column in x.T], axis=1)
    assert found == pytest.approx(numbers(model.network(x)), abs=1e-5)


def test_rotary_scores_depend_on_the_distance_of_two_places():
    """Su et al. 2021, equation 16: turned as complex numbers, q_m and k_n meet at the angle m - n."""
    attention = moved({**SMALL, "positions": "rotary"}).network.get_layer("block_0").attention
    inputs = np.random.default_rng(3).standard_normal((1, 1, 16)).repeat(12, axis=1).astype("float32")
    parts = (inputs[0] @ numbers(attention.together.kernel) + numbers(attention.together.bias))[0]
    query, key = (part.reshape(2, 2, 4) for part in np.split(parts, 3)[:2])  # heads, halves, d / 2
    query, key = query[:, 0] + 1j * query[:, 1], key[:, 0] + 1j * key[:, 1]
    distance = np.arange(12)
    turns = np.exp(1j * distance[:, None] * 10_000.0 ** (-np.arange(4) / 4))  # (distance, d / 2)
    scores = np.real(query[:, None] * key[:, None].conj() * turns).sum(axis=-1) / np.sqrt(8)
    _, weights = attention(inputs, return_weights=True)
    for head in range(2):
        last = np.exp(scores[head][::-1])  # the last place sees distances 11 to 0
        assert numbers(weights)[0, head, -1] == pytest.approx(last / last.sum(), abs=1e-5)


def test_waves_are_added_and_are_those_of_the_paper():
    layer = moved({**SMALL, "positions": "sinusoidal"}).network.layers[2]
    added = numbers(layer(np.zeros((1, 12, 16), "float32")))[0] / 0.05
    assert added[5, 3] == pytest.approx(np.sin(5 / 10_000 ** (6 / 16)), abs=1e-5)
    assert added[5, 11] == pytest.approx(np.cos(5 / 10_000 ** (6 / 16)), abs=1e-5)


def test_a_full_window_moves_on_with_rotary_positions_only():
    for positions in ("rotary", "learned"):
        decoder = transformer.Decoder(moved({**SMALL, "positions": positions, "blocks": 1}))
        for token in range(12):
            decoder.step([token % 11])
        if positions == "learned":
            with pytest.raises(ValueError, match="window of 12 tokens is full"):
                decoder.step([0])
    # One block sees the last 12 tokens, wherever they stand: as if they were the first 12.
    model = moved({**SMALL, "positions": "rotary", "blocks": 1})
    x = tokens_of((1, 20))
    decoder = transformer.Decoder(model)
    found = [decoder.step(column) for column in x.T][-1]
    assert found[0] == pytest.approx(numbers(model.network(x[:, -12:]))[0, -1], abs=1e-4)


def test_bits_of_tokens_are_those_of_the_windows():
    model = moved(SMALL)
    for count in (2, 7, 13, 14, 40):
        row = tokens_of((count,), seed=count)
        found = transformer.token_bits(model, row)
        assert found.shape == (count - 1,)
        for place in range(1, count):
            start = 0 if place <= 12 else 6 * -(-(place - 12) // 6)  # the first window that reaches it
            seen = np.zeros((1, 12), "int32")
            seen[0, : place - start] = row[start:place]
            logits = numbers(model.network(seen))[0, place - start - 1].astype("float64")
            bits = (np.log(np.exp(logits).sum()) - logits[row[place]]) / np.log(2)
            assert found[place - 1] == pytest.approx(bits, abs=1e-4)


def test_sampling_draws_from_the_truncated_distribution():
    logits = np.log([0.4, 0.3, 0.2, 0.1])
    generator = np.random.default_rng(0)

    def shares(**options):
        drawn = transformer.choose(np.tile(logits, (20_000, 1)), generator, **options)
        return np.bincount(drawn, minlength=4) / 20_000

    assert shares() == pytest.approx([0.4, 0.3, 0.2, 0.1], abs=0.02)
    assert shares(temperature=0.5) == pytest.approx(np.array([16, 9, 4, 1]) / 30, abs=0.02)
    assert shares(temperature=0).tolist() == [1, 0, 0, 0]
    assert shares(top_k=2) == pytest.approx([4 / 7, 3 / 7, 0, 0], abs=0.02)
    assert shares(top_k=99) == pytest.approx([0.4, 0.3, 0.2, 0.1], abs=0.02)
    assert shares(top_p=0.65) == pytest.approx([4 / 7, 3 / 7, 0, 0], abs=0.02)
    assert shares(top_p=0.75) == pytest.approx([4 / 9, 3 / 9, 2 / 9, 0], abs=0.02)
    assert shares(top_p=1e-9).tolist() == [1, 0, 0, 0]


def test_texts_are_written_from_a_prompt_and_end_at_the_stop():
    x, characters = transformer.windows(TEXT + "\n" + TEXT, 12, step=1)
    model = transformer.character_model(len(characters), 12, 32, blocks=1, heads=2, positions="rotary")
    train.fit(model, x, steps=150, batch_size=32, learning_rate=1e-2, progress=False)
    write = partial(transformer.generate, model, characters)
    assert write("the cat ", longest=13, temperature=0) == ["sat on the ma"]
    assert write("the cat ", stop="t", longest=13, temperature=0) == ["sa"]
    assert write("the ", count=3, seed=4) == write("the ", count=3, seed=4)
    assert len(set(write("the ", count=3, seed=4, temperature=2.0))) > 1
    assert write("the mat; the cat " * 9, longest=5, temperature=0) == ["sat o"]  # its last part is read
    assert [len(text) for text in write(count=2, longest=30, temperature=2.0)] == [30, 30]  # no prompt
    listed = transformer.generate(model, list(characters), list("the cat "), longest=3, temperature=0)
    assert listed == [["s", "a", "t"]]


def test_dropout_works_in_training_only():
    model = transformer.character_model(11, **SMALL, dropout=0.5)
    x = tokens_of((2, 13))
    assert np.array_equal(numbers(model(x)), numbers(model(x)))
    assert not np.array_equal(numbers(model(x, training=True)), numbers(model(x)))


def test_windows_may_overlap():
    tokens, _ = transformer.windows("abcdefghij", 4, step=2)
    assert tokens.tolist() == [[0, 1, 2, 3, 4], [2, 3, 4, 5, 6], [4, 5, 6, 7, 8]]


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: transformer.character_model(11, width=10, heads=4), "multiple of heads"),
        (lambda: transformer.character_model(11, blocks=0), "blocks must be at least 1"),
        (lambda: transformer.character_model(11, positions="none"), "one of learned, sinusoidal, rotary"),
        (lambda: transformer.character_model(11, width=12, heads=4, positions="rotary"), "an even width"),
        (lambda: transformer.character_model(11, dropout=1.5), r"`rate`"),
        (lambda: transformer.windows("abc", 4), "one window needs 5"),
        (lambda: transformer.windows("abcdef", 4, step=0), "at least 1 character apart"),
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


LETTERS = "abcdefghijk"


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda model: transformer.generate(model, LETTERS, "abz"), "not in the vocabulary: 'z'"),
        (lambda model: transformer.generate(model, LETTERS), "an empty prompt, which stands for it, is not"),
        (lambda model: transformer.generate(model, LETTERS, "a", stop="."), "so stop is not possible"),
        (lambda model: transformer.generate(model, "abc", "a"), "the model has 11 tokens, the vocabulary 3"),
        (lambda model: transformer.generate(model, LETTERS, "a", count=0), "at least one text"),
        (lambda model: transformer.generate(model, LETTERS, "a", temperature=-1), "must not be negative"),
        (lambda model: transformer.generate(model, LETTERS, "a", temperature=np.nan), "must not be negative"),
        (lambda model: transformer.generate(model, LETTERS, "a", top_p=0), r"top_p must lie in \(0, 1\]"),
        (lambda model: transformer.token_bits(model, [1]), "at least two tokens"),
        (lambda model: transformer.token_bits(model, [1, 11]), "must lie in 0 to 10"),
        (lambda model: transformer.Decoder(model, 2).step([1]), "one token for each of the 2 texts"),
    ],
)
def test_what_cannot_be_written_is_said(model, call, words):
    with pytest.raises(ValueError, match=words):
        call(model)
