"""What the families share: training, saving, images from latent points, checks of what a caller brings."""

from __future__ import annotations

import math
import warnings
from typing import Any

import keras
import numpy as np
from keras import ops


class TrainedModel(keras.Model):
    """A model that ``train.fit`` and Keras' own ``fit`` train alike, and that is saved with its parts.

    A subclass has ``loss_terms`` (see ``train``), and ``check_training_data``, which ``train.fit`` asks
    before the first step. Its arguments are its ``networks`` (Functional models, or None) and its
    ``settings``; of ``loss_terms`` Keras' own ``fit`` shows the ``trackers``.
    """

    networks: tuple[str, ...] = ("network",)
    settings: tuple[str, ...] = ()
    trackers: Any = ()

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """What Keras' own ``fit`` minimises (the same number as ``loss_terms``)."""
        terms = self.loss_terms(x, y_pred)
        for tracker in self.trackers:
            tracker.update_state(terms[tracker.name])
        return terms["loss"]

    def get_config(self) -> dict[str, Any]:
        parts = {name: getattr(self, name) for name in self.networks}
        return {
            **super().get_config(),
            **{name: part and keras.saving.serialize_keras_object(part) for name, part in parts.items()},
            **{name: getattr(self, name) for name in self.settings},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> TrainedModel:
        for name in cls.networks:
            if config[name] is not None:
                config[name] = keras.saving.deserialize_keras_object(config[name], custom_objects)
        return cls(**config)

    def build(self, input_shape: Any = None) -> None:
        # The networks are Functional models: they are built when they are made.
        self.built = True

    def full_precision(self, outputs: Any) -> Any:
        """What a network gives, in the precision of the weights: a sum of 784 nats needs more than 8 bits."""
        return keras.tree.map_structure(lambda each: ops.cast(each, self.variable_dtype), outputs)


class ImageModel(TrainedModel):
    """A model of images: it sets ``image_shape`` and ``class_count``, 0 for none."""

    def __init__(self, **options: Any) -> None:
        # autocast=False: in mixed precision the layers compute in half, what is summed here does not.
        super().__init__(autocast=False, **options)

    def unpack(self, inputs: Any) -> tuple[Any, list[Any]]:
        """Images, and the one-hot condition as a list that is empty when the model has none."""
        pair = isinstance(inputs, (tuple, list))
        if not self.class_count:
            return (inputs[0] if pair else inputs), []
        if not pair:
            raise ValueError("this model is conditional: give it (images, labels)")
        return inputs[0], [ops.one_hot(ops.cast(inputs[1], "int32"), self.class_count)]

    def checked_images(self, x: np.ndarray) -> np.ndarray:
        """Images as float32, or a ValueError that says what is wrong with them."""
        images = np.asarray(x)
        if images.dtype == np.uint8:
            raise ValueError("images must be float in [0, 1], got uint8; use Dataset.arrays()")
        if images.shape[1:] != self.image_shape:
            raise ValueError(
                f"images must have shape (n, {', '.join(map(str, self.image_shape))}), got {images.shape}; "
                "build the model for this shape or resize them"
            )
        if not np.isfinite(images).all():
            raise ValueError("images hold NaN or infinite values; drop or repair those items first")
        return images.astype("float32", copy=False)

    def check_training_data(self, x: np.ndarray, labels: Any = None) -> None:
        """ValueError for images or labels that the model does not take; a warning where all are equal."""
        images = self.checked_images(x)
        one_hot(labels, self.class_count, len(images))
        if (images == images[:1]).all():
            what = "there is only one image" if len(images) == 1 else "all images are the same"
            warnings.warn(f"{what}: the model can only learn to copy it; add other images", stacklevel=3)


class LatentModel(ImageModel):
    """A model that draws images from latent points: it has ``latent_size``, and ``draw`` takes a batch of
    points (and one-hot labels), in a list, to its images."""

    def decode(self, z: np.ndarray, labels: Any = None) -> np.ndarray:
        """Images ``(n, *image_shape)`` for latent points ``(n, latent_size)``.

        Raises:
            ValueError: points of another shape, or labels that are no class numbers of this model.
        """
        latent = np.asarray(z, "float32")
        if latent.ndim != 2 or latent.shape[1] != self.latent_size:
            raise ValueError(f"latent points must have shape (n, {self.latent_size}), got {latent.shape}")
        (pixels,) = in_batches(self.draw, [latent, *one_hot(labels, self.class_count, len(latent))])
        return pixels

    def sample(self, n: int, labels: Any = None, seed: int = 0, temperature: float = 1.0) -> np.ndarray:
        """``n`` new images; without ``labels`` a conditional model takes each class in turn.

        z is drawn from N(0, temperature^2). The model was trained at 1; below 1 the images are more
        typical and less diverse (the trade of Brock et al. 2019, arXiv 1809.11096, section 3.1, who
        cut the tails off instead).
        """
        if not 0 <= temperature < np.inf:
            raise ValueError(f"temperature must be a number from 0 up, got {temperature}")
        z = np.random.default_rng(seed).standard_normal((n, self.latent_size), "float32")
        if labels is None and self.class_count:
            labels = np.arange(n) % self.class_count
        return self.decode(temperature * z, labels)


def built(model: TrainedModel) -> Any:
    """The model, ready to be saved before its first batch."""
    model.build()
    return model


def check_sizes(
    image_shape: tuple[int, ...], latent_size: int, class_count: int, width: int, multiple: int = 1
) -> None:
    """ValueError for a size below 1, a height or width that is no multiple, or too many latent dimensions."""
    height, image_width, _ = image_shape
    if min(*image_shape, latent_size, width, multiple) < 1 or class_count < 0:
        raise ValueError("all sizes must be at least 1, and class_count at least 0")
    if height % multiple or image_width % multiple:
        raise ValueError(
            f"height and width must be multiples of {multiple}, got {height} x {image_width}; "
            "resize or pad first"
        )
    if latent_size > math.prod(image_shape):
        raise ValueError(
            f"latent_size {latent_size} is more than the {math.prod(image_shape)} values of an image; "
            "choose a smaller one: a code is meant to be shorter than what it stands for"
        )


def halvings(rows: int, columns: int) -> int:
    """How often a grid is halved until it has at most 8 x 8 places; an odd side ends it."""
    count = 0
    while rows * columns > 64 and rows % 2 == columns % 2 == 0:
        rows, columns, count = rows // 2, columns // 2, count + 1
    return count


def label_input(class_count: int) -> list[Any]:
    """The input for one-hot labels, in a list that is empty where there are no classes."""
    return [keras.Input((class_count,), name="label")] if class_count else []


def with_label(tensor: Any, label: list[Any]) -> Any:
    """The label's one-hot row joined to each row of ``tensor``; ``tensor`` itself where there is none."""
    return keras.layers.Concatenate()([tensor, *label]) if label else tensor


def one_hot(labels: Any, class_count: int, count: int) -> list[np.ndarray]:
    """``(count, class_count)`` in a list, which is empty where there are no classes.

    Raises:
        ValueError: no labels, or labels that are no class numbers.
    """
    if not class_count:
        return []
    if labels is None:
        raise ValueError(f"this model is conditional: give a label from 0 to {class_count - 1} for each item")
    labels = np.broadcast_to(np.asarray(labels), (count,))
    if count and (labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= class_count):
        raise ValueError(
            f"labels must be whole numbers from 0 to {class_count - 1}, got {np.unique(labels)[:5]}"
        )
    return [np.eye(class_count, dtype="float32")[labels]]


def in_batches(network: Any, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """Run ``network`` on 500 items at a time, so that memory stays bounded however many come in."""
    if not len(inputs[0]):
        raise ValueError("there are no items; give at least one")
    parts = []
    for start in range(0, len(inputs[0]), 500):
        outputs = network([ops.convert_to_tensor(each[start : start + 500]) for each in inputs])
        parts.append([as_array(each) for each in keras.tree.flatten(outputs)])
    return [np.concatenate(each) for each in zip(*parts, strict=True)]


def as_array(tensor: Any) -> np.ndarray:
    """A tensor's numbers, on every backend, whether a gradient was asked for or not."""
    return ops.convert_to_numpy(ops.stop_gradient(tensor))


def residual(hidden: Any) -> Any:
    """A residual block of two 3 x 3 convolutions: Lim and others 2017 (EDSR, 1707.02921, figure 2c)."""
    width = hidden.shape[-1]
    inner = keras.layers.Conv2D(width, 3, padding="same", activation="relu")(hidden)
    return hidden + keras.layers.Conv2D(width, 3, padding="same")(inner)


def checked_photograph(image: Any, remedy: str = "repair it first", slack: float = 1e-6) -> np.ndarray:
    """A photograph of any kind: uint8, uint16 or float in [0, 1]; ``(height, width)``, or with 1 (grey), 2
    (grey and alpha), 3 (RGB) or 4 (RGB and alpha) channels.

    Args:
        remedy: what to do about missing values, for the message.
        slack: how far float values may lie outside [0, 1].

    Raises:
        ValueError: what is wrong with it, in one sentence.
    """
    if not isinstance(image, np.ndarray) or image.ndim not in (2, 3) or not image.size:
        raise ValueError(
            f"an image is an array (height, width[, channels]), not empty; got {np.shape(image)}"
        )
    if image.ndim == 3 and image.shape[2] > 4:
        raise ValueError(f"an image has 1 to 4 channels, got shape {image.shape}")
    if image.dtype not in (np.uint8, np.uint16) and image.dtype.kind != "f":
        raise ValueError(f"an image must be uint8, uint16 or float in [0, 1], got {image.dtype}")
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise ValueError(f"the image holds NaN or infinite values; {remedy}")
    if image.dtype.kind == "f" and (image.min() < -slack or image.max() > 1 + slack):
        raise ValueError(f"float images lie in [0, 1], not {image.min():g} to {image.max():g}; divide by 255")
    return image


def white(image: np.ndarray) -> float:
    """The value of white: the largest whole number of the type, or 1."""
    return float(np.iinfo(image.dtype).max) if image.dtype.kind == "u" else 1.0
