"""Where in the latent space the data lie, so that samples can be drawn from there. NumPy alone, no Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from aigc_lab.collect.dataset import atomic_write

_NAMES = ("weights", "means", "factors")


class LatentMixture:
    """A Gaussian mixture over latent points for each class, from which samples can be drawn.

    A VAE is trained so that the codes of all data together come near N(0, 1), and they never quite do:
    a point drawn from N(0, 1) may fall into a hole that no training image was coded to. A mixture fitted
    to the codes after training (ex-post density estimation, Ghosh et al. 2020, arXiv 1903.12436, section
    4) draws from where the data are. Introduced in notebook 00.

    Args:
        parts: of each class that had items the weights ``(components,)``, means ``(components, latent_size)``
            and lower Cholesky factors of the covariances ``(components, latent_size, latent_size)``.
    """

    def __init__(self, parts: dict[int, tuple[np.ndarray, ...]]) -> None:
        self.parts = parts

    @classmethod
    def fit(
        cls, vae: Any, x: np.ndarray, labels: Any = None, components: int = 20, seed: int = 0
    ) -> LatentMixture:
        """Fit to draws from q(z|x) of the training images, for each class apart.

        Args:
            vae: a trained VAE; x: ``(n, *image_shape)``; labels: ``(n,)``, needed by a conditional one.
            components: at most so many Gaussians a class; fewer where a class has few items.

        Raises:
            ValueError: a class has fewer items than the latent space has dimensions.
        """
        from sklearn.mixture import GaussianMixture
        from threadpoolctl import threadpool_limits

        mean, log_variance = vae.encode(x, labels)
        noise = np.random.default_rng(seed).standard_normal(mean.shape)
        latent = mean + np.exp(0.5 * log_variance) * noise
        class_of = np.zeros(len(x), int) if labels is None else np.asarray(labels)
        parts = {}
        for number in sorted(set(range(vae.class_count or 1)) & set(class_of.tolist())):
            points = latent[class_of == number]
            if len(points) <= vae.latent_size:
                raise ValueError(
                    f"class {number} has {len(points)} items, too few for {vae.latent_size} dimensions; "
                    "leave the class out or use a smaller latent_size"
                )
            # At least twice as many points as dimensions for each covariance matrix.
            count = max(1, min(components, len(points) // (2 * vae.latent_size)))
            with threadpool_limits(limits=1):  # the matrices are small: threads cost more than they bring
                mixture = GaussianMixture(count, reg_covar=1e-2, random_state=seed).fit(points)
            parts[number] = mixture.weights_, mixture.means_, np.linalg.cholesky(mixture.covariances_)
        return cls(parts)

    def sample(self, n: int, labels: Any = None, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """``n`` latent points ``(n, latent_size)``, and the class of each: without ``labels`` in turn.

        Raises:
            ValueError: a class that had no items.
        """
        known = list(self.parts)
        labels = np.resize(known, n) if labels is None else np.broadcast_to(np.asarray(labels), (n,))
        strange = sorted(set(labels.tolist()) - set(known))
        if strange:
            raise ValueError(
                f"class {strange[0]} had no items to learn from; there are {', '.join(map(str, known))}"
            )
        random = np.random.default_rng(seed)
        size = self.parts[known[0]][1].shape[1]
        noise = random.standard_normal((n, size))
        uniform = random.random(n)
        points = np.empty((n, size), "float32")
        for number in np.unique(labels):
            here, (weights, means, factors) = labels == number, self.parts[number]
            chosen = np.searchsorted(np.cumsum(weights)[:-1], uniform[here], side="right")
            points[here] = means[chosen] + np.einsum("nij,nj->ni", factors[chosen], noise[here])
        return points, labels

    def save(self, path: str | Path) -> Path:
        """Write one ``.npz`` file (no pickle); it and the exported decoder are all that drawing needs."""
        arrays = {
            f"{name}_{number}": part[place]
            for place, name in enumerate(_NAMES)
            for number, part in self.parts.items()
        }
        with atomic_write(path) as stream:
            np.savez_compressed(stream, classes=np.array(max(self.parts) + 1), **arrays)
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> LatentMixture:
        """Read what ``save`` wrote.

        Raises:
            ValueError: another file.
        """
        try:
            with np.load(path, allow_pickle=False) as stored:
                known = [n for n in range(int(stored["classes"])) if f"weights_{n}" in stored]
                return cls({n: tuple(stored[f"{name}_{n}"] for name in _NAMES) for n in known})
        except (KeyError, ValueError, EOFError, TypeError) as error:
            raise ValueError(f"{path} is no latent mixture written by LatentMixture.save: {error}") from error
