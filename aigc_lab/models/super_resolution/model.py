"""The network that learns what bicubic enlargement leaves out, trained on L1.

Convolutions work at the small size; the last one gives scale² numbers for each small pixel, and
``depth_to_space`` lays them out as scale x scale large ones: the sub-pixel convolution of Shi and others
2016 (arXiv 1609.05158, equation 4). The residual blocks are those of Lim and others 2017 (EDSR, arXiv
1707.02921, figure 2c): no batch normalisation. Luminance only: a third of the work of RGB, and where
the eye and the usual measures look; ``upscale`` adds the detail to the colours. Notebook 10.
"""

from __future__ import annotations

import warnings
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from aigc_lab.models.super_resolution.degradation import checked_scale, enlarging_weights, shrinking_weights


def depth_to_space(values: Any, scale: int) -> Any:
    """``(n, h, w, scale² · c)`` -> ``(n, h · scale, w · scale, c)``: block (i, j) becomes pixel (i, j)."""
    shape = ops.shape(values)
    height, width, channels = shape[1], shape[2], values.shape[3] // scale**2
    values = ops.reshape(values, (-1, height, width, scale, scale, channels))
    values = ops.transpose(values, (0, 1, 3, 2, 4, 5))  # (n, h, scale, w, scale, c)
    return ops.reshape(values, (-1, height * scale, width * scale, channels))


def shrink(pictures: Any, scale: int) -> Any:
    """``low_resolution`` for a batch in the graph, ``(n, h, w, 1)`` -> ``(n, h / scale, w / scale, 1)``.

    One convolution with the weights of the antialiased bicubic, so training needs no second array. It
    equals ``low_resolution`` but for the outermost pixels, where pictures are mirrored here and Pillow
    rescales the weights.
    """
    weights, first = shrinking_weights(scale)
    after = first + len(weights) - scale
    pictures = ops.pad(pictures, ((0, 0), (-first, after), (-first, after), (0, 0)), mode="symmetric")
    kernel = np.outer(weights, weights).astype("float32")[:, :, None, None]  # (h, w) -> (h, w, 1, 1)
    return ops.conv(pictures, kernel, strides=scale, padding="valid")


@keras.saving.register_keras_serializable("aigc_lab")
class BicubicEnlargement(layers.Layer):
    """Bicubic enlargement as a sub-pixel convolution with fixed weights: a 5 x 5 window, scale² outputs."""

    def __init__(self, scale: int, **options: Any) -> None:
        super().__init__(**options)
        self.scale = checked_scale(scale)
        rows = enlarging_weights(scale)
        # (r, h) and (s, w) -> (h, w, r, s) -> (h, w, 1, r * s)
        kernel = np.einsum("rh,sw->hwrs", rows, rows).reshape(5, 5, 1, scale**2)
        self.kernel = kernel.astype("float32")

    def call(self, small: Any) -> Any:
        # The outermost pixel is repeated twice: two single steps, since a mirror of two needs two pixels.
        for _ in range(2):
            small = ops.pad(small, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="symmetric")
        return depth_to_space(ops.conv(small, self.kernel, padding="valid"), self.scale)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        sides = (side and side * self.scale for side in input_shape[1:3])
        return (input_shape[0], *sides, 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.scale}


@keras.saving.register_keras_serializable("aigc_lab")
class DepthToSpace(layers.Layer):
    """``depth_to_space`` as a layer."""

    def __init__(self, scale: int, **options: Any) -> None:
        super().__init__(**options)
        self.scale = scale

    def call(self, values: Any) -> Any:
        return depth_to_space(values, self.scale)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        sides = (side and side * self.scale for side in input_shape[1:3])
        return (input_shape[0], *sides, input_shape[3] // self.scale**2)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.scale}


@keras.saving.register_keras_serializable("aigc_lab")
class SuperResolution(keras.Model):
    """A network that enlarges, trained on large patches that it first makes small itself.

    Args:
        network: small luminance ``(n, h, w, 1)`` in [0, 1] -> large ``(n, h · scale, w · scale, 1)``;
            not clipped.
        scale: 2, 3 or 4.
        receptive_field: radius in small pixels: what lies farther away cannot change a pixel.
    """

    def __init__(self, network: keras.Model, scale: int, receptive_field: int, **options: Any) -> None:
        super().__init__(**options)
        self.network, self.scale, self.receptive_field = network, checked_scale(scale), int(receptive_field)

    def call(self, inputs: Any, training: bool | None = None) -> dict[str, Any]:
        """Large patches ``(n, size, size, 1)`` -> what the network makes of their small version."""
        return {"pixels": self.network(shrink(inputs, self.scale), training=training)}

    def loss_terms(self, inputs: Any, outputs: dict[str, Any]) -> dict[str, Any]:
        """Mean absolute error over all pixels, in units of the range from black to white."""
        return {"loss": ops.mean(ops.abs(inputs - outputs["pixels"]))}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """What Keras' own ``fit`` minimises (the same number as ``loss_terms``)."""
        return self.loss_terms(x, y_pred)["loss"]

    def check_training_data(self, x: np.ndarray, labels: Any = None) -> None:
        """What ``train.fit`` asks before the first step.

        Raises:
            ValueError: not ``(n, height, width, 1)``, sides that are no multiple of the scale, labels,
                or values outside [0, 1].

        Warns:
            UserWarning: every patch is flat: there is no detail to learn.
        """
        check_patches(x, self.scale, labels)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "network": keras.saving.serialize_keras_object(self.network),
            "scale": self.scale,
            "receptive_field": self.receptive_field,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> SuperResolution:
        config["network"] = keras.saving.deserialize_keras_object(config["network"], custom_objects)
        return cls(**config)

    def build(self, input_shape: Any = None) -> None:
        self.built = True  # the network is Functional: built when it is made


def check_patches(x: np.ndarray, scale: int, labels: Any = None) -> None:
    """The rules of ``SuperResolution.check_training_data``, for both models."""
    patches = np.asarray(x)
    if labels is not None:
        raise ValueError("super-resolution learns from pictures alone; leave the labels out")
    if patches.ndim != 4 or patches.shape[3] != 1:
        raise ValueError(
            f"patches must have shape (n, height, width, 1), got {patches.shape}; "
            "super_resolution.patches cuts them from photographs"
        )
    if patches.shape[1] % scale or patches.shape[2] % scale or min(patches.shape[1:3]) < 4 * scale:
        raise ValueError(
            f"the sides of a patch must be multiples of {scale} and at least {4 * scale} pixels, "
            f"got {patches.shape[1]} x {patches.shape[2]}"
        )
    if patches.size and (patches.min() < -1e-6 or patches.max() > 1 + 1e-6):
        raise ValueError(
            f"patches must lie in [0, 1], got {patches.min():g} to {patches.max():g}; "
            "divide uint8 values by 255"
        )
    if patches.size and float(np.ptp(patches, axis=(1, 2)).max()) == 0:
        warnings.warn("every patch is flat: there is no detail to learn; cut others", stacklevel=3)


def residual_network(scale: int = 2, width: int = 32, blocks: int = 3, seed: int = 0) -> SuperResolution:
    """A network that starts as bicubic enlargement and learns to add what is missing.

    Args:
        scale: 2, 3 or 4.
        width: channels of each hidden layer.
        blocks: residual blocks of two 3 x 3 convolutions; with the first and the last convolution the
            receptive field has a radius of 2 · blocks + 2 small pixels.
        seed: of the weights; equal seeds give equal models.

    Raises:
        ValueError: another scale, or width or blocks below 1.
    """
    checked_scale(scale)
    if width < 1 or blocks < 1:
        raise ValueError(f"width and blocks must be at least 1, got {width} and {blocks}")
    keras.utils.set_random_seed(seed)
    small = keras.Input((None, None, 1), name="small")
    first = layers.Conv2D(width, 3, padding="same", name="first")(small)
    hidden = first
    for number in range(blocks):
        inner = layers.Conv2D(width, 3, padding="same", activation="relu", name=f"block_{number}_a")(hidden)
        inner = layers.Conv2D(width, 3, padding="same", name=f"block_{number}_b")(inner)
        hidden = layers.Add()([hidden, inner])
    # Zeros at the start: the untrained network is bicubic enlargement, and training can only add to it.
    parts = layers.Conv2D(scale**2, 3, padding="same", kernel_initializer="zeros", name="sub_pixels")(hidden)
    detail = DepthToSpace(scale, name="detail")(parts)
    large = layers.Add(name="large")([BicubicEnlargement(scale, name="bicubic")(small), detail])
    network = keras.Model(small, large, name="enlarger")
    model = SuperResolution(network, scale, receptive_field=2 * blocks + 2, name="super_resolution")
    model.build()  # so that it can be saved before its first batch
    return model
