"""Pictures to features and class probabilities, by the frozen network. Introduced in notebook 00."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from aigc_lab.evaluate import network
from aigc_lab.evaluate.intervals import Score, share
from aigc_lab.evaluate.network import CLASS_NAMES, GROUPS


def as_images(images: Any) -> np.ndarray:
    """Pictures as the network wants them: ``float32`` (n, 28, 28, 1) in [0, 1].

    Args:
        images: ``uint8`` 0 to 255, or floats in [0, 1]; shape (n, 28, 28) or (n, 28, 28, 1);
            or a ``Dataset`` of such.

    Raises:
        ValueError: another size, more than one channel, NaN, or values outside the range.
    """
    pictures = np.asarray(getattr(images, "data", images) if not isinstance(images, np.ndarray) else images)
    size = network.PICTURE_SIZE
    if pictures.shape[1:] not in ((size, size), (size, size, 1)):
        raise ValueError(
            f"the feature network reads grey pictures (n, {size}, {size}) or (n, {size}, {size}, 1), not "
            f"{pictures.shape}; resize them or turn them grey first"
        )
    pictures = pictures.reshape(len(pictures), size, size, 1)
    if pictures.dtype == np.uint8:
        return pictures.astype(np.float32) / 255
    if not np.issubdtype(pictures.dtype, np.floating):
        raise ValueError(f"pictures must be uint8 (0 to 255) or floats in [0, 1], got {pictures.dtype}")
    if not np.isfinite(pictures).all():
        bad = int((~np.isfinite(pictures).all(axis=(1, 2, 3))).sum())
        raise ValueError(
            f"{bad} of {len(pictures)} pictures hold NaN or infinite values; the generator has diverged"
        )
    # A rounding error past the ends is forgiven, another scale is not.
    if pictures.size and (pictures.min() < -1e-3 or pictures.max() > 1 + 1e-3):
        raise ValueError(
            f"float pictures must lie in [0, 1], these go from {pictures.min():.3g} to {pictures.max():.3g}; "
            "scale them first"
        )
    return np.clip(pictures, 0, 1).astype(np.float32)


def features(images: Any) -> np.ndarray:
    """What the frozen network sees in each picture, just before it decides on a class.

    Args:
        images: see ``as_images``.

    Returns:
        ``float32`` (n, 96), never negative. No framework is used, so the numbers do not depend
        on the Keras backend.

    Raises:
        ValueError: pictures of another size or range.
        OSError: the shipped weights are damaged.
    """
    return network.run(as_images(images))[0]


def classify(images: Any, among: str | None = None) -> np.ndarray:
    """Class probabilities (softmax of the network's logits).

    Args:
        images: see ``as_images``.
        among: ``"animals"``, ``"quickdraw"`` or ``"digits"``: only the classes of that set, in
            the order of ``GROUPS[among]``. None: all, in the order of ``CLASS_NAMES``.

    Returns:
        ``float32`` (n, classes); each row adds up to 1.
    """
    return features_and_classes(images, among)[1]


def features_and_classes(images: Any, among: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """What ``features`` and ``classify`` give, in one pass: ``float32`` (n, 96) and (n, classes)."""
    found, logits = network.run(as_images(images))
    logits = logits[:, _columns(among)]
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return found, odds / odds.sum(axis=1, keepdims=True)


def class_accuracy(
    images: Any,
    labels: Sequence[Any] | np.ndarray,
    class_names: Sequence[str] = (),
    among: str | None = None,
    level: float = 0.95,
) -> Score:
    """Share of pictures that the network takes for the class they were asked to be.

    For samples of a conditional generator. Real pictures do not reach 1 either: compare with
    ``class_accuracy`` of held-out real ones, or with ``about()["held_out_accuracy"]``.

    Args:
        images: see ``as_images``.
        labels: integers (n,) that index ``class_names``, or n names.
        class_names: as in ``Dataset.class_names``; not needed if ``labels`` are names.
        among: the set whose classes compete; None: the one set that has all the names.

    Returns:
        a share in [0, 1] with Wilson's interval.

    Raises:
        ValueError: labels of another length, or names that the network does not know.
    """
    wanted = np.asarray(labels)
    if np.issubdtype(wanted.dtype, np.integer):
        if not len(class_names):
            raise ValueError("integer labels need class_names, the name of each class in label order")
        if wanted.size and (wanted.min() < 0 or wanted.max() >= len(class_names)):
            raise ValueError(
                f"labels go from {wanted.min()} to {wanted.max()}, but there are {len(class_names)} names"
            )
        wanted = np.asarray(class_names, dtype=str)[wanted]
    names = set(wanted.tolist()) | set(class_names)
    among = among or _group_of(names)
    known = GROUPS[_known_group(among)]
    unknown = sorted(names - set(known))
    if unknown:
        raise ValueError(f"the network knows no {unknown[0]!r} among {among}; it knows {', '.join(known)}")
    probabilities = classify(images, among)
    if wanted.shape != (len(probabilities),):
        raise ValueError(f"there are {len(probabilities)} pictures but labels of shape {wanted.shape}")
    found = np.asarray(known)[probabilities.argmax(axis=1)] if len(probabilities) else wanted
    return share(int((found == wanted).sum()), len(wanted), "class accuracy", level)


def _known_group(among: str) -> str:
    if among not in GROUPS:
        raise ValueError(f"among must be one of {', '.join(GROUPS)}, got {among!r}")
    return among


def _columns(among: str | None) -> list[int]:
    if among is None:
        return list(range(len(CLASS_NAMES)))
    return [CLASS_NAMES.index(f"{among}/{name}") for name in GROUPS[_known_group(among)]]


def _group_of(names: set[str]) -> str:
    fitting = [group for group, known in GROUPS.items() if names <= set(known)]
    if len(fitting) != 1:
        why = "no set has" if not fitting else f"{' and '.join(fitting)} have"
        raise ValueError(f"{why} all of {', '.join(sorted(names))}: say among= one of {', '.join(GROUPS)}")
    return fitting[0]
