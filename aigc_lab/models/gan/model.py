"""Two networks that one ``train.fit`` trains against each other. See the package's first page."""

from __future__ import annotations

import warnings
from typing import Any

import keras
import numpy as np
from keras import ops

from aigc_lab.models.gan.losses import LOSSES, gradient_penalty
from aigc_lab.models.gan.optimizer import TwoPlayerAdam


@keras.saving.register_keras_serializable("aigc_lab")
class GAN(keras.Model):
    """A generator and a discriminator that one ``train.fit`` trains together.

    ``loss`` is the sum of both losses, built so that its gradient is what two separate passes
    give: the discriminator's loss sees fakes that are cut off from the generator
    (``stop_gradient``), and the generator's loss goes through a copy of the discriminator whose
    weights are cut off (``stateless_call``). The sum itself says nothing about quality. Both players
    step at the same time, from the same fakes: the *simultaneous* update of the game, where the
    usual loop lets the generator answer a discriminator that has moved already. Step for step the
    usual loop draws better, in equal time no difference was seen (``benchmarks/gan_step.py``).

    Args:
        generator: latent points ``(n, latent_size)`` -> pictures ``(n, *image_shape)``; a conditional
            one takes [latent points, one-hot labels].
        discriminator: pictures -> logits ``(n, 1)``, each from its own picture alone: no batch
            normalisation, since real and fake pictures are judged in one call. A conditional one
            takes [pictures, one-hot labels].
        loss: ``"non-saturating"``, ``"saturating"`` or ``"wasserstein"``; see ``losses``.
        penalty: weight of the gradient penalty; 10 in Gulrajani et al. 2017, 0 for none.
        penalty_share: the penalty is the mean over this share of the batch. Its expectation is the
            same for every share; a smaller one costs less time and varies more from step to step.
        augmentation: a layer that changes pictures, applied to real and fake ones alike before
            the discriminator sees them; gradients must flow through it. See ``augment.Differentiable``.
        momentum: beta_1 of Adam, for both. Radford et al. 2015 take 0.5: an opponent who answers
            makes old gradients stale.
        discriminator_rate: the discriminator's learning rate over the generator's (Heusel et al.
            2017, arXiv 1706.08500: two time scales).
        class_count: 0, or the number of classes that both networks take as a condition.
        seed: of the latent points.

    Raises:
        ValueError: an unknown loss, or a negative weight.
    """

    # Batch normalisation of one picture is that picture: what it learns is nothing.
    smallest_batch = 2

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        augmentation: Any = None,
        seed: int = 0,
        loss: str = "non-saturating",
        penalty: float = 0.0,
        momentum: float = 0.5,
        discriminator_rate: float = 1.0,
        class_count: int = 0,
        penalty_share: float = 1.0,
        **options: Any,
    ) -> None:
        # autocast=False: in mixed precision the layers compute in half, what is summed here does not.
        super().__init__(autocast=False, **options)
        if loss not in LOSSES:
            raise ValueError(f"there is no loss {loss!r}; choose one of {', '.join(LOSSES)}")
        if penalty < 0 or discriminator_rate <= 0 or not 0 <= momentum < 1:
            raise ValueError(
                "penalty must be at least 0, discriminator_rate above 0 and momentum from 0 up to 1, "
                f"got {penalty}, {discriminator_rate} and {momentum}"
            )
        if not 0 < penalty_share <= 1:
            raise ValueError(f"penalty_share must lie above 0 and at most at 1, got {penalty_share}")
        self.generator, self.discriminator, self.augmentation = generator, discriminator, augmentation
        self.seed, self.class_count = seed, class_count
        self.loss_name, self.game, self.penalty = loss, LOSSES[loss](), float(penalty)
        self.momentum, self.discriminator_rate = momentum, discriminator_rate
        self.penalty_share = float(penalty_share)
        self.noise = keras.random.SeedGenerator(seed)
        # Keras' own fit shows these beside the loss.
        one = np.zeros((1, 1), "float32")
        shown = ["discriminator", "generator", *self.game.measures(one, one)]
        shown += ["penalty"] if penalty else []
        self.trackers = [keras.metrics.Mean(name=name) for name in shown]
        self.image_shape = tuple(generator.outputs[0].shape[1:])
        self.latent_size = int(generator.inputs[0].shape[-1])

    # -- training ---------------------------------------------------------------------------------

    def make_optimizer(self, learning_rate: Any) -> keras.optimizers.Optimizer:
        """Adam with this game's momentum and a learning rate for each player; ``train.fit`` asks for it."""
        of_discriminator = {id(each) for each in self.discriminator.trainable_variables}
        factors = [
            self.discriminator_rate if id(each) in of_discriminator else 1.0
            for each in self.trainable_variables
        ]
        return TwoPlayerAdam(learning_rate, factors=factors, beta_1=self.momentum)

    def call(self, inputs: Any, training: bool | None = None) -> dict[str, Any]:
        """One round of the game: as many fakes as there are real pictures, and three sets of logits."""
        pictures, condition = self._taken_apart(inputs)
        count = ops.shape(pictures)[0]
        latent = keras.random.normal((count, self.latent_size), seed=self.noise)
        fakes = self._full(self.generator([latent, *condition] if condition else latent, training=training))
        shown_real, shown_fake = self._augmented(pictures, training), self._augmented(fakes, training)
        discriminator = self.discriminator
        cut_off = ops.stop_gradient(shown_fake)
        # One call for both: spectral normalisation has a state.
        twice = [ops.concatenate([each, each]) for each in condition]
        both = ops.concatenate([shown_real, cut_off])
        logits = self._full(discriminator([both, *twice] if twice else both, training=training))
        fixed = [ops.stop_gradient(variable.value) for variable in discriminator.trainable_variables]
        state = [variable.value for variable in discriminator.non_trainable_variables]
        judged, _ = discriminator.stateless_call(
            fixed, state, [shown_fake, *condition] if condition else shown_fake, training=training
        )
        outputs = {
            "fakes": fakes,
            "real_logits": logits[:count],
            "fake_logits": logits[count:],
            "fake_logits_for_generator": self._full(judged),
        }
        if self.penalty:
            # The batch comes in random order: its first items are a random part.
            some = slice(int(np.ceil(self.penalty_share * count)) if isinstance(count, int) else None)
            outputs["penalty"] = self._gradient_penalty(
                shown_real[some], cut_off[some], [each[some] for each in condition]
            )
        return outputs

    def _gradient_penalty(self, real: Any, fake: Any, condition: list[Any]) -> Any:
        discriminator = self.discriminator
        weights = [variable.value for variable in discriminator.trainable_variables]
        state = [variable.value for variable in discriminator.non_trainable_variables]

        def critic(pictures: Any) -> Any:
            taken = [pictures, *condition] if condition else pictures
            return self._full(discriminator.stateless_call(weights, state, taken, training=False)[0])

        mix = keras.random.uniform((ops.shape(real)[0], *[1] * (len(real.shape) - 1)), seed=self.noise)
        return gradient_penalty(critic, real, fake, mix)

    def loss_terms(self, inputs: Any, outputs: dict[str, Any]) -> dict[str, Any]:
        """Both losses and their sum, the penalty before its weight, and what the loss object measures."""
        discriminator = self.game.discriminator(outputs["real_logits"], outputs["fake_logits"])
        generator = self.game.generator(outputs["fake_logits_for_generator"])
        terms = {"discriminator": discriminator, "generator": generator}
        total = discriminator + generator
        if self.penalty:
            terms["penalty"] = outputs["penalty"]
            total = total + self.penalty * outputs["penalty"]
        return {"loss": total, **terms, **self.game.measures(outputs["real_logits"], outputs["fake_logits"])}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """What Keras' own ``fit`` minimises (the same number as ``loss_terms``)."""
        terms = self.loss_terms(x, y_pred)
        for tracker in self.trackers:
            tracker.update_state(terms[tracker.name])
        return terms["loss"]

    def check_training_data(self, x: np.ndarray, labels: Any = None) -> None:
        """What ``train.fit`` asks before the first step.

        Raises:
            ValueError: pictures or labels that the model does not take.

        Warns:
            UserWarning: all pictures are equal, or a class has no picture.
        """
        pictures = np.asarray(x)
        if pictures.shape[1:] != self.image_shape:
            raise ValueError(
                f"the generator draws {self.image_shape}, the pictures are {pictures.shape[1:]}; "
                "build the model for this shape or resize the pictures"
            )
        if self.class_count:
            if labels is None:
                raise ValueError("a conditional GAN needs labels, one for each item: fit(model, x, labels)")
            self._one_hot(labels, len(pictures))
            missing = sorted(set(range(self.class_count)) - set(np.unique(labels).tolist()))
            if missing:
                warnings.warn(
                    f"class {missing[0]} has no picture ({len(missing)} of {self.class_count} classes are "
                    "empty): what is drawn for it means nothing",
                    stacklevel=3,
                )
        if (pictures == pictures[:1]).all():
            warnings.warn("all pictures are the same: the generator can only learn to copy it", stacklevel=3)

    def remark(self, rows: list[dict[str, float]]) -> str | None:
        """One sentence when the game is lost, from the reports of ``train.fit``; else None.

        The discriminator has won when over two reports it was surer than 99% on either side: then
        the generator's gradient comes from a function that is flat, or steep in no useful direction.
        """
        if "real_probability" not in rows[-1] or len(rows) < 2:
            return None
        if all(row["real_probability"] > 0.99 and row["fake_probability"] < 0.01 for row in rows[-2:]):
            real, fake = rows[-1]["real_probability"], rows[-1]["fake_probability"]
            return (
                f"the discriminator has won by step {rows[-1]['step']} (D is {real:.3f} on real pictures, "
                f"{fake:.3f} on fakes) and the generator learns little from here; lower discriminator_rate, "
                "add augmentation or spectral normalisation, or take the wasserstein loss with a penalty"
            )
        return None

    def _full(self, outputs: Any) -> Any:
        """What a network gives, in the precision of the weights."""
        return ops.cast(outputs, self.variable_dtype)

    def _augmented(self, pictures: Any, training: bool | None) -> Any:
        return pictures if self.augmentation is None else self.augmentation(pictures, training=training)

    def _taken_apart(self, inputs: Any) -> tuple[Any, list[Any]]:
        if not isinstance(inputs, (tuple, list)):
            return inputs, []
        pictures, labels = inputs
        return pictures, [ops.one_hot(labels, self.class_count)] if self.class_count else []

    # -- use --------------------------------------------------------------------------------------

    def decode(self, z: np.ndarray, labels: Any = None) -> np.ndarray:
        """Pictures ``(n, *image_shape)`` for latent points ``(n, latent_size)``."""
        latent = np.asarray(z, "float32")
        if latent.ndim != 2 or latent.shape[1] != self.latent_size:
            raise ValueError(f"latent points must have shape (n, {self.latent_size}), got {latent.shape}")
        taken = [latent, *self._one_hot(labels, len(latent))]
        parts = []
        for start in range(0, len(latent), 500):
            chunk = [each[start : start + 500] for each in taken]
            parts.append(self._full(self.generator(chunk if len(chunk) > 1 else chunk[0])))
        return np.concatenate([ops.convert_to_numpy(ops.stop_gradient(part)) for part in parts])

    def sample(self, n: int, labels: Any = None, seed: int = 0, temperature: float = 1.0) -> np.ndarray:
        """``n`` new pictures; without ``labels`` a conditional model takes each class in turn.

        z is drawn from N(0, temperature^2). The model was trained at 1; below 1 the pictures are more
        typical and less diverse (the trade of Brock et al. 2019, arXiv 1809.11096, section 3.1, who
        cut the tails off instead).
        """
        if n < 1:
            raise ValueError(f"draw at least one picture, got {n}")
        if not 0 <= temperature < np.inf:
            raise ValueError(f"temperature must be a number from 0 up, got {temperature}")
        z = np.random.default_rng(seed).standard_normal((n, self.latent_size), "float32")
        return self.decode(temperature * z, labels)

    def _one_hot(self, labels: Any, count: int) -> list[np.ndarray]:
        if not self.class_count:
            return []
        chosen = np.arange(count) % self.class_count if labels is None else np.asarray(labels)
        chosen = np.broadcast_to(chosen, (count,))
        if (
            not np.issubdtype(chosen.dtype, np.integer)
            or chosen.min() < 0
            or chosen.max() >= self.class_count
        ):
            raise ValueError(
                f"labels must be whole numbers from 0 to {self.class_count - 1}, got {np.unique(chosen)[:5]}"
            )
        return [np.eye(self.class_count, dtype="float32")[chosen]]

    # -- saving -----------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        parts = {name: getattr(self, name) for name in ("generator", "discriminator", "augmentation")}
        plain = ("seed", "penalty", "momentum", "discriminator_rate", "class_count", "penalty_share")
        return {
            **super().get_config(),
            **{name: part and keras.saving.serialize_keras_object(part) for name, part in parts.items()},
            **{name: getattr(self, name) for name in plain},
            "loss": self.loss_name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> GAN:
        for name in ("generator", "discriminator", "augmentation"):
            if config.get(name) is not None:
                config[name] = keras.saving.deserialize_keras_object(config[name], custom_objects)
        return cls(**config)

    def build(self, input_shape: Any = None) -> None:
        # Both networks are Functional models: they are built when they are made.
        self.built = True
