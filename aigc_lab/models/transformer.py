"""A small causal Transformer on characters: pre-norm blocks of attention and a dense layer, then logits.

Decoder-only, as Radford et al. 2018 (GPT); attention is Vaswani et al. 2017 (arXiv 1706.03762), equation 1;
normalisation stands before each part, as Xiong et al. 2020 (arXiv 2002.04745), which trains without warm-up.
It is here to be timed beside the VAE and the GAN. Introduced in notebook 12.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from aigc_lab.backend import seeded


@keras.saving.register_keras_serializable("aigc_lab")
class CharacterModel(keras.Model):
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

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """What Keras' own ``fit`` minimises (the same number as ``loss_terms``)."""
        return self.loss_terms(x, y_pred)["loss"]

    def check_training_data(self, x: np.ndarray, labels: Any = None) -> None:
        """What ``train.fit`` asks before the first step.

        Raises:
            ValueError: windows of another length, or characters that the vocabulary does not have.
        """
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

    def get_config(self) -> dict[str, Any]:
        return {"network": keras.saving.serialize_keras_object(self.network)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> CharacterModel:
        return cls(keras.saving.deserialize_keras_object(config["network"]))


def character_model(
    vocabulary_size: int,
    length: int = 64,
    width: int = 64,
    blocks: int = 2,
    heads: int = 4,
    seed: int = 0,
    recompute: bool = False,
) -> CharacterModel:
    """A Transformer of ``blocks`` blocks on windows of ``length`` characters.

    Args:
        width: numbers for each character; the dense layer of a block has four times as many.
        heads: attention heads; ``width`` must be a multiple of it.
        recompute: keep only the input of each block and compute its inside again for the gradient: less
            memory, more time (Chen et al. 2016, arXiv 1604.06174).

    Raises:
        ValueError: a width that is no multiple of heads, or sizes below 1.
    """
    sizes = {"vocabulary_size": vocabulary_size, "length": length, "width": width, "blocks": blocks}
    for name, value in {**sizes, "heads": heads}.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if width % heads:
        raise ValueError(f"width must be a multiple of heads, got {width} and {heads}")
    with seeded(seed):
        tokens = keras.Input((length,), dtype="int32")
        hidden = layers.Embedding(vocabulary_size, width)(tokens)  # (n, length) -> (n, length, width)
        hidden = Positions(length)(hidden)
        for number in range(blocks):
            hidden = Block(width, heads, recompute=recompute, name=f"block_{number}")(hidden)
        # Small weights at the end: training starts at the uniform guess, log(vocabulary_size) nats.
        head = layers.Dense(vocabulary_size, kernel_initializer=keras.initializers.RandomNormal(stddev=0.02))
        logits = head(layers.LayerNormalization()(hidden))
    return CharacterModel(keras.Model(tokens, logits))


@keras.saving.register_keras_serializable("aigc_lab")
class Positions(layers.Layer):
    """Adds a learned vector for each place in the window (Radford et al. 2018)."""

    def __init__(self, length: int, **options: Any) -> None:
        super().__init__(**options)
        self.length = length

    def build(self, shape: Any) -> None:
        self.table = self.add_weight(
            shape=(self.length, shape[-1]),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
            name="table",
        )

    def call(self, inputs: Any) -> Any:
        return inputs + ops.cast(self.table, inputs.dtype)  # (n, length, width) + (length, width)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "length": self.length}


@keras.saving.register_keras_serializable("aigc_lab")
class Block(layers.Layer):
    """h + attention(norm(h)), then h + dense(norm(h)); position t attends to 0 to t."""

    def __init__(self, width: int, heads: int, recompute: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.width, self.heads, self.recompute = width, heads, recompute
        self.norm_attention = layers.LayerNormalization()
        self.attention = layers.MultiHeadAttention(heads, width // heads)
        self.norm_dense = layers.LayerNormalization()
        self.widen = layers.Dense(4 * width, activation="gelu")
        self.narrow = layers.Dense(width)

    def build(self, shape: Any) -> None:
        self.norm_attention.build(shape)
        self.attention.build(shape, shape)
        self.norm_dense.build(shape)
        self.widen.build(shape)
        self.narrow.build((*shape[:-1], 4 * self.width))

    def call(self, inputs: Any) -> Any:
        return keras.remat(self._pass)(inputs) if self.recompute else self._pass(inputs)

    def _pass(self, hidden: Any) -> Any:
        normal = self.norm_attention(hidden)
        hidden = hidden + self.attention(normal, normal, use_causal_mask=True)
        return hidden + self.narrow(self.widen(self.norm_dense(hidden)))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width, "heads": self.heads, "recompute": self.recompute}


def windows(text: str, length: int, characters: str | None = None) -> tuple[np.ndarray, str]:
    """A text as windows that do not overlap: integers ``(n, length + 1)``, and the characters they number.

    Each window begins with the last character of the one before, so that every character but the first is
    predicted once. ``characters`` is the vocabulary of another text (the training text), which this one
    must not leave.

    Raises:
        ValueError: a text shorter than one window, or a character outside the vocabulary.
    """
    characters = "".join(sorted(set(text))) if characters is None else characters
    number = {character: place for place, character in enumerate(characters)}
    unknown = sorted(set(text) - set(number))
    if unknown:
        raise ValueError(f"these characters are not in the vocabulary: {''.join(unknown[:20])!r}; drop them")
    tokens = np.array([number[character] for character in text], "int32")
    count = (len(tokens) - 1) // length
    if count < 1:
        raise ValueError(f"the text has {len(tokens)} characters; one window needs {length + 1}")
    rows = np.arange(count)[:, None] * length + np.arange(length + 1)  # (n, 1) + (length + 1,)
    return tokens[rows], characters
