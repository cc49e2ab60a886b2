"""A small causal Transformer on characters or other tokens: embedding, positions, blocks, logits; writing.

Decoder-only, as Radford et al. 2018 (GPT); attention is Vaswani et al. 2017 (arXiv 1706.03762), equation 1;
normalisation stands before each part, as Xiong et al. 2020 (arXiv 2002.04745), which trains without warm-up.
``Decoder`` computes one token after the other in NumPy, with a key-value cache; ``generate`` writes texts
with it. Introduced in notebook 11, which writes each piece out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from scipy.special import erf, log_softmax, softmax

from aigc_lab.backend import seeded
from aigc_lab.models.base import TrainedModel, as_array

POSITIONS = ("learned", "sinusoidal", "rotary")


@keras.saving.register_keras_serializable("aigc_lab")
class CharacterModel(TrainedModel):
    """Predicts each character of a text from those before it.

    Args:
        network: tokens ``(n, length)`` to logits ``(n, length, vocabulary_size)``; position t sees 0 to t.
    """

    def __init__(self, network: keras.Model, **options: Any) -> None:
        super().__init__(**options)
        self.network = network
        self.length = int(network.inputs[0].shape[1])
        self.vocabulary_size = int(network.outputs[0].shape[-1])

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Logits ``(n, length, vocabulary_size)`` of tokens 1 to length, from tokens 0 to length - 1."""
        return self.network(inputs[:, :-1], training=training)

    def loss_terms(self, inputs: Any, outputs: Any) -> dict[str, Any]:
        """Mean negative log-probability of the next character, in nats per character."""
        logits = ops.cast(outputs, "float32")  # in half precision the sum over the vocabulary is too coarse
        nats = ops.sparse_categorical_crossentropy(inputs[:, 1:], logits, from_logits=True)
        return {"loss": ops.mean(nats)}

    def check_training_data(self, x: np.ndarray, labels: Any = None) -> None:
        """ValueError for windows of another length, and characters that the vocabulary does not have."""
        if x.ndim != 2 or x.shape[1] != self.length + 1 or x.dtype != np.int32:
            raise ValueError(
                f"a text must come as integers (n, {self.length + 1}): {self.length} characters and the one "
                f"that follows; got {x.dtype} {x.shape}; transformer.windows(text, {self.length}) makes them"
            )
        if x.min() < 0 or x.max() >= self.vocabulary_size:
            raise ValueError(
                f"tokens must lie in 0 to {self.vocabulary_size - 1}, got {x.min()} to {x.max()}; build the "
                "model for the vocabulary of this text"
            )


def character_model(
    vocabulary_size: int,
    length: int = 64,
    width: int = 64,
    blocks: int = 2,
    heads: int = 4,
    positions: str = "learned",
    dense: bool = True,
    dropout: float = 0.0,
    seed: int = 0,
    recompute: bool = False,
) -> CharacterModel:
    """A Transformer of ``blocks`` blocks on windows of ``length`` characters.

    Args:
        width: numbers for each character; the dense layer of a block has four times as many.
        heads: attention heads; ``width`` must be a multiple of it.
        positions: how a place in the window is told: a ``learned`` vector each (Radford et al. 2018), waves
            (``sinusoidal``, Vaswani et al. 2017, section 3.5), or by turning queries and keys (``rotary``,
            Su et al. 2021, arXiv 2104.09864).
        dense: False leaves attention alone in each block (Elhage et al. 2021).
        dropout: share of each part's output that is dropped in training.
        recompute: keep only the input of each block and compute its inside again for the gradient: less
            memory, more time (Chen et al. 2016, arXiv 1604.06174).

    Raises:
        ValueError: a width that is no multiple of heads, sizes below 1, unknown positions, or positions
            that need an even number of dimensions (of a head, for rotary ones).
    """
    sizes = {"vocabulary_size": vocabulary_size, "length": length, "width": width, "blocks": blocks}
    for name, value in {**sizes, "heads": heads}.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if width % heads:
        raise ValueError(f"width must be a multiple of heads, got {width} and {heads}")
    if positions not in POSITIONS:
        raise ValueError(f"positions must be one of {', '.join(POSITIONS)}, got {positions!r}")
    if positions != "learned" and (width if positions == "sinusoidal" else width // heads) % 2:
        raise ValueError(f"{positions} positions need an even width, got {width} and {heads} heads")
    with seeded(seed):
        tokens = keras.Input((length,), dtype="int32")
        hidden = layers.Embedding(vocabulary_size, width)(tokens)  # (n, length) -> (n, length, width)
        if positions != "rotary":
            hidden = Positions(length, learned=positions == "learned")(hidden)
        for number in range(blocks):
            block = Block(
                width, heads, positions == "rotary", dense, dropout, recompute, name=f"block_{number}"
            )
            hidden = block(hidden)
        # Small weights at the end: training starts at the uniform guess, log(vocabulary_size) nats.
        head = layers.Dense(vocabulary_size, kernel_initializer=keras.initializers.RandomNormal(stddev=0.02))
        logits = head(layers.LayerNormalization()(hidden))
    return CharacterModel(keras.Model(tokens, logits))


def waves(places: Any, size: int) -> np.ndarray:
    """Angles ``(…, size / 2)``: place times 10000^(-2i / size) (Vaswani et al. 2017, section 3.5)."""
    return np.asarray(places)[..., None] / 10_000.0 ** (np.arange(0, size, 2) / size)


def turned(values: Any, cosine: Any, sine: Any, together: Callable[..., Any]) -> Any:
    """Each pair (first half, second half) of the last axis, turned by the angle of its place."""
    half = values.shape[-1] // 2
    first, second = values[..., :half], values[..., half:]
    return together([first * cosine - second * sine, first * sine + second * cosine], axis=-1)


@keras.saving.register_keras_serializable("aigc_lab")
class Positions(layers.Layer):
    """Adds a vector for each place in the window: learned, or sines and cosines of ``waves``."""

    def __init__(self, length: int, learned: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.length, self.learned = length, learned

    def build(self, shape: Any) -> None:
        if self.learned:
            small = keras.initializers.RandomNormal(stddev=0.02)
            self.table = self.add_weight(shape=(self.length, shape[-1]), initializer=small, name="table")
        else:
            angles = waves(np.arange(self.length), shape[-1])
            # Scaled like the learned vectors' sum with an embedding: the waves must not drown the characters.
            self.table = (0.05 * np.concatenate([np.sin(angles), np.cos(angles)], axis=1)).astype("float32")

    def call(self, inputs: Any) -> Any:
        return inputs + ops.cast(self.table, inputs.dtype)  # (n, length, width) + (length, width)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "length": self.length, "learned": self.learned}


@keras.saving.register_keras_serializable("aigc_lab")
class Attention(layers.Layer):
    """Causal self-attention with several heads: softmax(Q K' / sqrt(d)) V, where place t sees 0 to t.

    Args:
        heads: each has its own d = width / heads dimensions of queries, keys and values.
        rotary: turn queries and keys by ``waves``, so that a score depends on the distance of two places.
    """

    def __init__(self, heads: int, rotary: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.heads, self.rotary = heads, rotary

    def build(self, shape: Any) -> None:
        length, width = shape[-2:]
        self.size = width // self.heads
        # Queries, keys and values in one product; the spread of their weights is that of three separate ones.
        spread = keras.initializers.VarianceScaling(1.0, "fan_in", "uniform")
        self.together = layers.Dense(3 * width, kernel_initializer=spread)
        self.together.build(shape)
        self.output_dense = layers.Dense(width)
        self.output_dense.build(shape)
        self.future = np.triu(np.full((length, length), -1e4, "float32"), 1)  # exp(-1e4) is 0, in half too
        angles = waves(np.arange(length), self.size)
        self.turn = np.cos(angles).astype("float32"), np.sin(angles).astype("float32")

    def call(self, inputs: Any, return_weights: bool = False) -> Any:
        """``(n, length, width)`` to the same; with ``return_weights`` also those (n, heads, to, from)."""
        length, width = inputs.shape[1:]
        parts = ops.reshape(self.together(inputs), (-1, length, 3, self.heads, self.size))
        parts = ops.transpose(parts, (2, 0, 3, 1, 4))  # (n, t, 3, heads, d) -> (3, n, heads, t, d)
        query, key, value = parts[0], parts[1], parts[2]
        if self.rotary:
            turn = [ops.cast(each, query.dtype) for each in self.turn]  # (t, d / 2) each
            query, key = (turned(each, *turn, ops.concatenate) for each in (query, key))
        # (n, heads, t, d) x (n, heads, d, t) -> (n, heads, t, t)
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) / self.size**0.5
        weights = ops.softmax(scores + ops.cast(self.future, scores.dtype))
        mixed = ops.transpose(ops.matmul(weights, value), (0, 2, 1, 3))  # -> (n, t, heads, d)
        output = self.output_dense(ops.reshape(mixed, (-1, length, width)))
        return (output, weights) if return_weights else output

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "heads": self.heads, "rotary": self.rotary}


@keras.saving.register_keras_serializable("aigc_lab")
class Block(layers.Layer):
    """h + attention(norm(h)), then h + dense(norm(h)); position t attends to 0 to t."""

    def __init__(
        self,
        width: int,
        heads: int,
        rotary: bool = False,
        dense: bool = True,
        dropout: float = 0.0,
        recompute: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.settings = {"width": width, "heads": heads, "rotary": rotary, "dense": dense}
        self.settings |= {"dropout": dropout, "recompute": recompute}
        self.norm_attention = layers.LayerNormalization()
        self.attention = Attention(heads, rotary)
        if dense:
            self.norm_dense = layers.LayerNormalization()
            self.widen = layers.Dense(4 * width, activation="gelu")
            self.narrow = layers.Dense(width)
        self.drop = layers.Dropout(dropout)

    def build(self, shape: Any) -> None:
        self.norm_attention.build(shape)
        self.attention.build(shape)
        if self.settings["dense"]:
            self.norm_dense.build(shape)
            self.widen.build(shape)
            self.narrow.build((*shape[:-1], 4 * shape[-1]))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        def inside(hidden: Any) -> Any:
            hidden = hidden + self.drop(self.attention(self.norm_attention(hidden)), training=training)
            if self.settings["dense"]:
                inner = self.narrow(self.widen(self.norm_dense(hidden)))
                hidden = hidden + self.drop(inner, training=training)
            return hidden

        return keras.remat(inside)(inputs) if self.settings["recompute"] else inside(inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.settings}


def encode(text: str | Sequence[str], vocabulary: Sequence[str]) -> np.ndarray:
    """The number of each character (or other token) in the vocabulary: int32 ``(length,)``.

    Raises:
        ValueError: something that the vocabulary does not have.
    """
    number = {token: place for place, token in enumerate(vocabulary)}
    unknown = sorted(set(text) - set(number))
    if unknown:
        raise ValueError(f"these characters are not in the vocabulary: {''.join(unknown[:20])!r}; drop them")
    return np.array([number[token] for token in text], "int32")


def windows(
    text: str | Sequence[str], length: int, characters: Any = None, step: int | None = None
) -> tuple[np.ndarray, Any]:
    """A text as windows: integers ``(n, length + 1)``, and the characters they number.

    By default each window begins with the last character of the one before, so that every character but the
    first is predicted once; a smaller ``step`` makes windows that overlap. ``characters`` is the vocabulary
    of another text (the training text), which this one must not leave.

    Raises:
        ValueError: a text shorter than one window, a step below 1, or a character outside the vocabulary.
    """
    characters = "".join(sorted(set(text))) if characters is None else characters
    tokens = encode(text, characters)
    step = length if step is None else step
    if len(tokens) < length + 1:
        raise ValueError(f"the text has {len(tokens)} characters; one window needs {length + 1}")
    if step < 1:
        raise ValueError(f"windows must start at least 1 character apart, got step={step}")
    return np.lib.stride_tricks.sliding_window_view(tokens, length + 1)[::step].copy(), characters


def token_bits(model: CharacterModel, tokens: np.ndarray) -> np.ndarray:
    """-log2 p(token | those before) of every token but the first: ``(len(tokens) - 1,)``.

    The windows overlap by half, and from the second on only the later half of each counts: every token is
    predicted from at least half a window (from all there is, near the start).

    Raises:
        ValueError: fewer than two tokens, or tokens outside the vocabulary.
    """
    tokens = np.asarray(tokens, "int32")
    if tokens.ndim != 1 or len(tokens) < 2:
        raise ValueError(f"give at least two tokens in one row, got shape {tokens.shape}")
    if tokens.min() < 0 or tokens.max() >= model.vocabulary_size:
        raise ValueError(f"tokens must lie in 0 to {model.vocabulary_size - 1}")
    length, half = model.length, max(model.length // 2, 1)
    count = max(-(-(len(tokens) - 1 - length) // half), 0) + 1  # windows
    padded = np.zeros((count - 1) * half + length + 1, "int32")
    padded[: len(tokens)] = tokens  # what is added stands at the end: no earlier token sees it
    rows = np.lib.stride_tricks.sliding_window_view(padded, length + 1)[::half]  # (count, length + 1)
    bits = np.empty((count, length), "float32")
    for start in range(0, count, 64):
        batch = rows[start : start + 64]
        logits = as_array(model.network(batch[:, :-1])).astype("float32")
        chosen = np.take_along_axis(log_softmax(logits, axis=-1), batch[:, 1:, None], axis=-1)[..., 0]
        bits[start : start + 64] = -chosen / np.log(2)
    later = bits[1:, length - half :].reshape(-1)  # (count - 1, half) -> ((count - 1) * half,)
    return np.concatenate([bits[0], later])[: len(tokens) - 1]


class Decoder:
    """Next-token logits of several texts side by side, one token a step, in NumPy with a key-value cache.

    The keys and values of earlier tokens do not change (none of them sees a later one), so each step computes
    one token only. Within the first ``model.length`` tokens the logits equal the network's. With rotary
    positions one may go on: each token then sees the last ``length`` before it. Introduced in notebook 11.
    """

    def __init__(self, model: CharacterModel, count: int = 1) -> None:
        def weights(layer: Any) -> list[np.ndarray]:
            return [np.asarray(each, "float32") for each in layer.get_weights()]

        if count < 1:
            raise ValueError(f"decode at least one text, got {count}")
        found = {type(layer).__name__: layer for layer in model.network.layers}
        blocks = [layer for layer in model.network.layers if isinstance(layer, Block)]
        (self._embedding,) = weights(found["Embedding"])
        self._positions = ops.convert_to_numpy(found["Positions"].table) if "Positions" in found else None
        self._blocks = [weights(each) for each in blocks]
        self._norm, self._head = weights(found["LayerNormalization"]), weights(found["Dense"])
        self.length, self.count, self.place = model.length, count, 0
        self._heads = blocks[0].settings["heads"]
        self._size = self._embedding.shape[1] // self._heads
        self._rotary = blocks[0].settings["rotary"]
        shape = (len(blocks), 2, count, self._heads, self.length, self._size)
        self._cache = np.zeros(shape, "float32")  # block, key or value, text, head, place, d

    def step(self, tokens: np.ndarray) -> np.ndarray:
        """The next token of each text ``(count,)`` in, the logits of the one after it out ``(count, size)``.

        Raises:
            ValueError: another number of tokens, or a window that is full and cannot move (see ``rotary``).
        """
        tokens = np.asarray(tokens)
        if tokens.shape != (self.count,):
            raise ValueError(f"give one token for each of the {self.count} texts, got shape {tokens.shape}")
        if self.place >= self.length and not self._rotary:
            raise ValueError(
                f"the window of {self.length} tokens is full; a model with positions='rotary' can go on"
            )
        hidden = self._embedding[tokens]  # (count,) -> (count, width)
        if self._positions is not None:
            hidden = hidden + self._positions[self.place]
        slot, seen = self.place % self.length, min(self.place + 1, self.length)
        angle = waves(self.place, self._size)
        turn = np.cos(angle).astype("float32"), np.sin(angle).astype("float32")
        for block, cache in zip(self._blocks, self._cache, strict=True):
            together, bias, out, out_bias = block[2:6]
            parts = _normal(hidden, *block[:2]) @ together + bias
            parts = parts.reshape(self.count, 3, self._heads, self._size)
            query, key, value = parts[:, 0], parts[:, 1], parts[:, 2]  # (count, heads, d) each
            if self._rotary:
                query, key = (turned(each, *turn, np.concatenate) for each in (query, key))
            cache[0, :, :, slot], cache[1, :, :, slot] = key, value
            keys, values = cache[:, :, :, :seen]  # (count, heads, seen, d) each
            scores = (keys @ query[..., None])[..., 0] / self._size**0.5  # (count, heads, seen)
            scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
            scores /= scores.sum(axis=-1, keepdims=True)
            mixed = (scores[..., None, :] @ values)[..., 0, :]  # (count, heads, d)
            hidden = hidden + (mixed.reshape(self.count, -1) @ out + out_bias)
            if len(block) > 6:
                widened = _gelu(_normal(hidden, *block[6:8]) @ block[8] + block[9])
                hidden = hidden + (widened @ block[10] + block[11])
        self.place += 1
        return _normal(hidden, *self._norm) @ self._head[0] + self._head[1]


def choose(
    logits: np.ndarray,
    generator: np.random.Generator,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
) -> np.ndarray:
    """One token a row, drawn from softmax(logits / temperature) ``(n, size)``; at 0 the likeliest.

    Args:
        top_k: draw among the k likeliest only (Fan et al. 2018); 0 for all.
        top_p: draw among the fewest that together have this probability (Holtzman et al. 2020); 1 for all.

    Raises:
        ValueError: a negative temperature or top_k, or top_p outside (0, 1].
    """
    if not temperature >= 0 or top_k < 0 or not 0 < top_p <= 1:
        raise ValueError(
            "temperature and top_k must not be negative and top_p must lie in (0, 1]; "
            f"got {temperature}, {top_k} and {top_p}"
        )
    if temperature == 0:
        return logits.argmax(axis=-1)
    logits = np.asarray(logits, "float64") / temperature
    if 0 < top_k < logits.shape[-1]:
        least = np.partition(logits, -top_k, axis=-1)[:, [-top_k]]
        logits = np.where(logits < least, -np.inf, logits)
    chances = softmax(logits, axis=-1)
    if top_p < 1:
        order = np.argsort(-chances, axis=-1)
        ordered = np.take_along_axis(chances, order, axis=-1)
        ordered[ordered.cumsum(axis=-1) - ordered >= top_p] = 0  # those before it are enough already
        np.put_along_axis(chances, order, ordered, axis=-1)
        chances /= chances.sum(axis=-1, keepdims=True)
    # The first place where the running sum exceeds a random number of [0, 1).
    return (chances.cumsum(axis=-1) > generator.random((len(chances), 1))).argmax(axis=-1)


def generate(
    model: CharacterModel,
    vocabulary: Sequence[str],
    prompt: str | Sequence[str] = "",
    count: int = 1,
    longest: int = 400,
    stop: str = "",
    seed: int = 0,
    **options: float,
) -> list[Any]:
    """``count`` continuations of a prompt, of ``longest`` tokens or up to ``stop``, without the prompt.

    Of a prompt that is longer than the window the last part is read. An empty one stands for a new line.

    Args:
        vocabulary: the characters, or other tokens, that the model's numbers stand for.
        options: ``temperature``, ``top_k`` and ``top_p`` of ``choose``.

    Raises:
        ValueError: a prompt outside the vocabulary, a vocabulary of another size, or bad options.
    """
    if len(vocabulary) != model.vocabulary_size:
        raise ValueError(f"the model has {model.vocabulary_size} tokens, the vocabulary {len(vocabulary)}")
    if count < 1 or longest < 1:
        raise ValueError(f"write at least one text of at least one token, got {count} and {longest}")
    for token, what in (
        (stop, "stop"),
        ("" if len(prompt) else "\n", "an empty prompt, which stands for it,"),
    ):
        if token and token not in vocabulary:
            raise ValueError(f"{token!r} is not in the vocabulary, so {what} is not possible; give another")
    given = encode(prompt if len(prompt) else "\n", vocabulary)[-model.length :]
    last = vocabulary.index(stop) if stop else -1
    generator = np.random.default_rng(seed)
    decoder = Decoder(model, count)
    for token in given:
        logits = decoder.step(np.full(count, token))
    written = np.full((count, longest), last)
    going = np.ones(count, bool)
    for place in range(longest):
        chosen = choose(logits, generator, **options)
        written[going, place] = chosen[going]
        going &= chosen != last
        if not going.any() or place == longest - 1:
            break
        logits = decoder.step(chosen)
    texts = []
    for row in written:
        ended = np.flatnonzero(row == last) if last >= 0 else []
        tokens = [vocabulary[token] for token in row[: ended[0] if len(ended) else longest]]
        texts.append("".join(tokens) if isinstance(vocabulary, str) else tokens)
    return texts


def _normal(hidden: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
    centred = hidden - hidden.mean(axis=-1, keepdims=True)
    return centred / np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + 1e-3) * gamma + beta


def _gelu(values: np.ndarray) -> np.ndarray:
    return 0.5 * values * (1 + erf(values / 2**0.5))
