"""Encoder and decoder networks for the VAE, built for two CPU cores. Introduced in notebooks 00 and 06."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import layers

from aigc_lab.models.vae.model import VAE


def convolutional_vae(
    image_shape: tuple[int, int, int] = (28, 28, 1),
    latent_size: int = 10,
    class_count: int = 0,
    width: int = 32,
    seed: int = 0,
    **options: Any,
) -> VAE:
    """A small convolutional VAE, built for two CPU cores.

    All convolutions work on a grid of 4 x 4 pixel patches: the first one has stride 4, and the last
    one predicts the 16 pixels of each patch (sub-pixel upsampling, Shi et al. 2016, section 2.2).
    That is several times cheaper than strided transposed convolutions at full resolution.

    Args:
        image_shape: height, width, channels; height and width must be multiples of 4.
        latent_size: dimensions of z.
        class_count: 0 for an unconditional model, else the number of classes.
        width: channels of the convolutions; the dense layers have eight times as many units.
        seed: seed of the weights and of the noise; equal seeds give equal models.
        options: of ``VAE``: likelihood, scale, learn_scale, beta, warm_up_steps, free_bits.

    Raises:
        ValueError: a height or width that is no multiple of 4, a size below 1, or more latent
            dimensions than the picture has values.
    """
    height, image_width, channels = image_shape
    if height % 4 or image_width % 4:
        raise ValueError(
            f"height and width must be multiples of 4, got {height} x {image_width}; resize or pad first"
        )
    _check_sizes(image_shape, latent_size, class_count, width)
    keras.utils.set_random_seed(seed)
    rows, columns = height // 4, image_width // 4

    condition = _condition(class_count)
    picture = keras.Input(image_shape, name="picture")
    hidden = layers.Conv2D(width, 4, strides=4, activation="gelu")(picture)
    hidden = layers.Flatten()(hidden)  # (n, h/4, w/4, width) -> (n, h/4 * w/4 * width)
    hidden = layers.Dense(8 * width, activation="gelu")(_joined(hidden, condition))
    mean = layers.Dense(latent_size, name="mean")(hidden)
    log_variance = layers.Dense(latent_size, name="log_variance")(hidden)
    encoder = keras.Model([picture, *condition], [mean, log_variance], name="encoder")

    condition = _condition(class_count)
    latent = keras.Input((latent_size,), name="latent")
    hidden = layers.Dense(8 * width, activation="gelu")(_joined(latent, condition))
    hidden = layers.Dense(rows * columns * width, activation="gelu")(hidden)
    hidden = layers.Reshape((rows, columns, width))(hidden)  # (n, h/4 * w/4 * width) -> (n, h/4, w/4, width)
    hidden = layers.Conv2D(width, 3, padding="same", activation="gelu")(hidden)
    pixels = layers.Conv2D(16 * channels, 3, padding="same")(hidden)
    pixels = layers.Reshape((rows, columns, 4, 4, channels))(
        pixels
    )  # (n, h/4, w/4, 16 c) -> (n, h/4, w/4, 4, 4, c)
    pixels = layers.Permute((1, 3, 2, 4, 5))(pixels)  # (n, h/4, w/4, 4, 4, c) -> (n, h/4, 4, w/4, 4, c)
    pixels = layers.Reshape(image_shape, name="pixels")(pixels)  # (n, h/4, 4, w/4, 4, c) -> (n, h, w, c)
    decoder = keras.Model([latent, *condition], pixels, name="decoder")
    return _joined_vae(encoder, decoder, seed, options)


def dense_vae(
    image_shape: tuple[int, int, int] = (28, 28, 1),
    latent_size: int = 10,
    class_count: int = 0,
    width: int = 512,
    depth: int = 2,
    seed: int = 0,
    **options: Any,
) -> VAE:
    """A VAE of dense layers, for pictures of any size; ``fit(…, jit_compile=True)`` trains it fastest.

    Args:
        image_shape: height, width, channels.
        latent_size: dimensions of z.
        class_count: 0 for an unconditional model, else the number of classes.
        width: units of a hidden layer.
        depth: hidden layers of the encoder, and as many of the decoder.
        seed: seed of the weights and of the noise; equal seeds give equal models.
        options: of ``VAE``: likelihood, scale, learn_scale, beta, warm_up_steps, free_bits.

    Raises:
        ValueError: a size below 1, or more latent dimensions than the picture has values.
    """
    _check_sizes(image_shape, latent_size, class_count, width)
    if depth < 1:
        raise ValueError(f"depth must be at least 1, got {depth}")
    keras.utils.set_random_seed(seed)

    condition = _condition(class_count)
    picture = keras.Input(image_shape, name="picture")
    hidden = _joined(layers.Flatten()(picture), condition)  # (n, h, w, c) -> (n, h * w * c)
    for _ in range(depth):
        hidden = layers.Dense(width, activation="gelu")(hidden)
    mean = layers.Dense(latent_size, name="mean")(hidden)
    log_variance = layers.Dense(latent_size, name="log_variance")(hidden)
    encoder = keras.Model([picture, *condition], [mean, log_variance], name="encoder")

    condition = _condition(class_count)
    latent = keras.Input((latent_size,), name="latent")
    hidden = _joined(latent, condition)
    for _ in range(depth):
        hidden = layers.Dense(width, activation="gelu")(hidden)
    pixels = layers.Dense(math.prod(image_shape))(hidden)
    pixels = layers.Reshape(image_shape, name="pixels")(pixels)  # (n, h * w * c) -> (n, h, w, c)
    decoder = keras.Model([latent, *condition], pixels, name="decoder")
    return _joined_vae(encoder, decoder, seed, options)


def _joined_vae(encoder: keras.Model, decoder: keras.Model, seed: int, options: dict[str, Any]) -> VAE:
    model = VAE(encoder, decoder, seed=seed, name="vae", **options)
    model.build()  # so that it can be saved before its first batch
    return model


def _check_sizes(image_shape: tuple[int, ...], latent_size: int, class_count: int, width: int) -> None:
    if min(*image_shape, latent_size, width) < 1 or class_count < 0:
        raise ValueError("sizes, latent_size and width must be at least 1, and class_count at least 0")
    if latent_size > math.prod(image_shape):
        raise ValueError(
            f"latent_size {latent_size} is more than the {math.prod(image_shape)} values of a picture; "
            "choose a smaller one: a code is meant to be shorter than what it stands for"
        )


def _condition(class_count: int) -> list[Any]:
    return [keras.Input((class_count,), name="label")] if class_count else []


def _joined(tensor: Any, condition: list[Any]) -> Any:
    return layers.Concatenate()([tensor, *condition]) if condition else tensor
