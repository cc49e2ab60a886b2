"""Bring pairs of images together by shift, turn and contrast. Introduced in notebook 02.

All functions work on many pairs at once, in blocks that fit into the cache of a small machine. What they
are for is told in ``aigc_lab.clean.duplicates``.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

_WORKING_SIDE = 32  # pixels: larger images are compared at this size
_SHORTEST_SIDE = 8  # pixels
_SMOOTHING = 0.7  # pixels: interpolated copies are a little smoother than their originals; this evens it out
_COMPONENTS = 48
_NEIGHBOURS = 20  # candidates for each image
_LEAST_CORRELATION = 0.7  # of centred and smoothed candidates; copies of silhouettes have 0.94 and more
_PAIRS_EACH = 2  # so many pairs for each item are aligned, those with the smallest tangent distance
_MARGIN = 0.1  # of the side: what a movement brings in from outside the frame is not compared
_LARGEST_TURN = np.deg2rad(12)
_LARGEST_SHIFT = 0.15  # of the side
_FEW = 100  # up to so many images every pair is aligned
_BLOCK = 512


def working_size(grey: np.ndarray) -> np.ndarray:
    """Images ``(n, height, width)`` at working size, ``float32``."""
    side = max(grey.shape[1:])
    if side <= _WORKING_SIDE or not len(grey):
        return grey
    ratio = _WORKING_SIDE / side
    blurred = ndimage.gaussian_filter(grey, (0, 0.4 / ratio, 0.4 / ratio))
    # A long thin image is stretched, so that something of its short side is left.
    ratios = [max(ratio, _SHORTEST_SIDE / length) for length in grey.shape[1:]]
    return np.stack([ndimage.zoom(image, ratios, order=1) for image in blurred])


def likely_pairs(images: np.ndarray) -> np.ndarray:
    """Pairs ``(m, 2)``, earlier item first, that a small movement may bring together (steps 1 and 2)."""
    if len(images) <= _FEW:
        return np.stack(np.triu_indices(len(images), 1), axis=1)
    starts = range(0, len(images), _BLOCK)
    centred = np.concatenate([_centred(images[s : s + _BLOCK]) for s in starts])
    directions = _principal_directions(centred.reshape(len(centred), -1))
    # In blocks: all slopes of 50,000 small images at once would take a gigabyte.
    blocks = [_tangents(centred[s : s + _BLOCK], directions) for s in starts]
    flat, bases = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    pairs = _nearest(flat)
    left = np.minimum(_unexplained(flat, bases, pairs), _unexplained(flat, bases, pairs[:, ::-1]))
    return pairs[np.sort(np.argsort(left, kind="stable")[: _PAIRS_EACH * len(images)])]


def _centred(images: np.ndarray) -> np.ndarray:
    """The images with their centre of brightness in the middle, smooth, with mean 0 and length 1."""
    moves = _centres(images) - (np.array(images.shape[1:]) - 1) / 2
    # Light beyond the border counts as none: continuing the edges would draw streaks of every cut-off leg.
    light = np.pad(images - images.min(axis=(1, 2), keepdims=True), ((0, 0), (1, 1), (1, 1)))
    still = np.zeros(len(images), dtype=np.float32)
    moved = _moved(light, np.arange(len(images)), moves[:, 0], moves[:, 1], still)[:, 1:-1, 1:-1]
    centred = ndimage.gaussian_filter(moved, (0, 1, 1))
    centred -= centred.mean(axis=(1, 2), keepdims=True)
    centred /= np.linalg.norm(centred, axis=(1, 2), keepdims=True) + 1e-6
    return centred


def _tangents(centred: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The images in the principal directions ``(n, d)``, and a basis ``(n, d, 4)`` of each image and
    what begins to become of it when it is shifted or turned."""
    down, right = np.gradient(centred, axis=(1, 2))
    parts = (centred, down, right, _turning(down, right))
    level = [part - part.mean(axis=(1, 2), keepdims=True) for part in parts]
    projected = np.stack([part.reshape(len(part), -1) @ directions for part in level], axis=2)
    return projected[:, :, 0], np.linalg.qr(projected)[0]


def align(images: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """What the best shift, turn and contrast of the first image leaves unexplained of the second.

    Three Gauss-Newton steps on shift and turn; contrast and brightness have a closed form in each step.

    Args:
        images: ``(n, height, width)``.
        pairs: integers ``(m, 2)``.

    Returns:
        ``(m,)`` lengths relative to the second image's contrast: 0 is a perfect copy, 1 has nothing in
        common; infinite where the best movement is not small any more, or one is the negative of the other.
    """
    smooth = ndimage.gaussian_filter(images, (0, _SMOOTHING, _SMOOTHING))
    centres = _centres(images)
    starts = range(0, len(pairs), _BLOCK)
    blocks = [align_block(smooth, centres, pairs[start : start + _BLOCK], 3) for start in starts]
    return np.concatenate([np.empty(0), *blocks])


def align_block(images: np.ndarray, centres: np.ndarray, pairs: np.ndarray, steps: int) -> np.ndarray:
    first, second = pairs.T
    target = _inside(images[second]).reshape(len(pairs), -1)
    target = target - target.mean(axis=1, keepdims=True)
    move = centres[first] - centres[second]
    turn = np.zeros(len(pairs), dtype=np.float32)
    for step in range(steps + 1):
        moved = _inside(_moved(images, first, move[:, 0], move[:, 1], turn))
        flat = moved.reshape(len(pairs), -1)
        flat = flat - flat.mean(axis=1, keepdims=True)
        power = np.einsum("np,np->n", flat, flat) + 1e-6
        gain = np.einsum("np,np->n", flat, target) / power
        rest = target - gain[:, None] * flat
        if step == steps:
            break
        down, right = np.gradient(moved, axis=(1, 2))
        slopes = np.stack([down, right, _turning(down, right)], axis=1).reshape(len(pairs), 3, -1)
        slopes -= slopes.mean(axis=2, keepdims=True)
        # Contrast is fitted anyway: movement must explain what contrast cannot.
        slopes -= (slopes @ flat[:, :, None] / power[:, None, None]) * flat[:, None, :]
        slopes *= gain[:, None, None]
        normal = slopes @ slopes.transpose(0, 2, 1)
        # A little damping keeps an image that looks the same when turned from spinning.
        normal += 1e-3 * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(3) + 1e-6 * np.eye(3)
        change = np.linalg.solve(normal, slopes @ rest[:, :, None])[:, :, 0]
        shift, spin = np.clip(change[:, :2], -1.5, 1.5), np.clip(change[:, 2], -0.1, 0.1)
        cosine, sine = np.cos(turn), np.sin(turn)
        move = move + np.stack(
            [cosine * shift[:, 0] - sine * shift[:, 1], sine * shift[:, 0] + cosine * shift[:, 1]], axis=1
        )
        turn = turn + spin
    left = np.linalg.norm(rest, axis=1) / (np.linalg.norm(target, axis=1) + 1e-6)
    far = np.abs(move).max(axis=1) > _LARGEST_SHIFT * max(images.shape[1:])
    return np.where((gain <= 0) | far | (np.abs(turn) > _LARGEST_TURN), np.inf, left)


def _centres(images: np.ndarray) -> np.ndarray:
    """Centre of brightness ``(n, 2)`` as (row, column), brightness counted from the darkest pixel."""
    light = images - images.min(axis=(1, 2), keepdims=True)
    total = light.sum(axis=(1, 2)) + 1e-6
    rows = light.sum(axis=2) @ np.arange(images.shape[1], dtype=np.float32) / total
    columns = light.sum(axis=1) @ np.arange(images.shape[2], dtype=np.float32) / total
    return np.stack([rows, columns], axis=1)


def _inside(images: np.ndarray) -> np.ndarray:
    """The images without their margin."""
    rows, columns = (round(_MARGIN * side) for side in images.shape[1:])
    return images[:, rows : images.shape[1] - rows, columns : images.shape[2] - columns]


def _turning(down: np.ndarray, right: np.ndarray) -> np.ndarray:
    """How an image changes when it begins to turn about its middle, from its slopes ``(n, h, w)``."""
    rows, columns = (np.arange(side, dtype=np.float32) - (side - 1) / 2 for side in down.shape[1:])
    return right * rows[:, None] - down * columns[None, :]


def _moved(images: np.ndarray, which: np.ndarray, down: np.ndarray, right: np.ndarray, turn: np.ndarray):
    """The chosen images, read at turned and shifted places with linear interpolation; edges continue."""
    height, width = images.shape[1:]
    rows = np.arange(height, dtype=np.float32)[None, :, None] - (height - 1) / 2
    columns = np.arange(width, dtype=np.float32)[None, None, :] - (width - 1) / 2
    values = (np.cos(turn), np.sin(turn), down, right)
    cosine, sine, down, right = (np.asarray(value, dtype=np.float32)[:, None, None] for value in values)
    at_row = np.clip(cosine * rows - sine * columns + (height - 1) / 2 + down, 0, height - 1.001)
    at_column = np.clip(sine * rows + cosine * columns + (width - 1) / 2 + right, 0, width - 1.001)
    top, left = at_row.astype(np.int32), at_column.astype(np.int32)
    at_row -= top
    at_column -= left
    place = np.asarray(which, dtype=np.int64)[:, None, None] * (height * width) + top * width + left
    flat = images.reshape(-1)
    upper = flat[place] + at_column * (flat[place + 1] - flat[place])
    lower = flat[place + width] + at_column * (flat[place + width + 1] - flat[place + width])
    return upper + at_row * (lower - upper)


def _principal_directions(flat: np.ndarray) -> np.ndarray:
    """The leading directions ``(pixels, d)`` in which the images differ."""
    from sklearn.decomposition import PCA  # here, because it is slow to import

    sample = flat[:: max(1, len(flat) // 4000)]
    size = min(_COMPONENTS, *sample.shape)
    return PCA(size, svd_solver="covariance_eigh").fit(sample).components_.T.copy()


def _nearest(flat: np.ndarray) -> np.ndarray:
    """Pairs of each item with those earlier items that correlate with it most."""
    unit = flat / (np.linalg.norm(flat, axis=1, keepdims=True) + 1e-6)
    found = []
    for start in range(0, len(unit), _BLOCK):
        end = min(start + _BLOCK, len(unit))
        likeness = unit[start:end] @ unit[:end].T
        rows = np.arange(start, end)
        likeness[:, start:][np.triu_indices(end - start)] = -1  # itself and later items
        count = min(_NEIGHBOURS, end)
        columns = np.argpartition(likeness, -count, axis=1)[:, -count:]
        good = (np.take_along_axis(likeness, columns, axis=1) >= _LEAST_CORRELATION).ravel()
        found.append(np.stack([columns.ravel()[good], np.repeat(rows, count)[good]], axis=1))
    return np.concatenate(found)


def _unexplained(flat: np.ndarray, bases: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Tangent distance: how far the second image is from what small movements make of the first."""
    left = np.empty(len(pairs))
    for start in range(0, len(pairs), 8 * _BLOCK):
        first, second = pairs[start : start + 8 * _BLOCK].T
        basis, target = bases[first], flat[second]
        shares = np.einsum("ndk,nd->nk", basis, target)
        rest = target - np.einsum("ndk,nk->nd", basis, shares)
        whole = np.linalg.norm(target, axis=1) + 1e-6
        left[start : start + len(first)] = np.linalg.norm(rest, axis=1) / whole
    return left
