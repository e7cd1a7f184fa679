"""What adversarial models have in common, trained by plain `fit`."""

import numbers
from typing import Any

import keras
import numpy as np
from keras import ops

from dagen_keras import backend, checks
from dagen_keras.models import dcgan, losses
from dagen_keras.models.callbacks import FollowSchedule
from dagen_keras.models.generative import GenerativeModel
from dagen_keras.models.moving_average import MovingAverage
from dagen_keras.models.networks import check_dtypes
from dagen_keras.models.training import as_list
from dagen_keras.sampling import Sampler, SelectingSampler, sampler_of


def gan_optimizer(learning_rate=2e-4):
    """Adam with beta_1 0.5, for both players; the paper does not name its own."""
    return keras.optimizers.Adam(learning_rate, beta_1=0.5)


class GAN(GenerativeModel):
    """Two players of whom the generator is told the class; what they have in common.

    Both players' losses are one scalar, whose gradient is theirs:

        loss = d_loss(D(real), D(stop_gradient(fake))) + g_loss(frozen D(fake))

    Nothing flows from d_loss to the generator, nor from g_loss to the discriminator, which is
    called with its variables as constants. With one Adam, whose updates are each variable's own,
    `fit(images, labels)` is then simultaneous training of the two. Clipping gradients by their
    global norm would couple the players, and weights of images have no meaning for generated
    ones: both are refused.

    d_loss is the mean cross-entropy of a batch with a share `real_share` of real images, and
    g_loss the non-saturating -log D(fake): the published losses' log(1 - D(fake)) has no gradient
    where the discriminator is sure, as it is at first. Labels of generated images are those of
    the real batch, so that both have the same classes.

    Args:
        image_shape: (height, width, channels).
        n_classes: number of classes; labels are 0 to n_classes - 1. With 1 it is a plain,
            unconditional GAN that needs no labels.
        latent_dim: dimension of the generator's noise.
        filters: width of the networks, see `dagen_keras.models.dcgan`.
        dropout: share of the discriminator's units that is dropped.
        real_share: share of real images that the discriminator sees, in (0, 1), or a function
            that gives it from the number of epochs of `fit` that are done, such as
            `EveryThirdEpoch`; to be saved, a function must be registered with
            `keras.saving.register_keras_serializable`. It is the variable `share`: a change
            recompiles nothing.
        generator, discriminator: networks of your own, as those of `dagen_keras.models.dcgan`.
        augmentation: a layer that changes real and generated images at random before the
            discriminator sees them, such as `DiffAugment`: the same changed images in both
            players' losses. None changes nothing.
        generator_ema: momentum in (0, 1), such as 0.999, of a `MovingAverage` of the generator,
            which then generates. None: the generator itself generates.
        seed: seed of the noise in training; None draws one.

    Raises:
        ValueError: if an argument is not as described.
    """

    loss_tells = False
    # Arguments that are objects of Keras.
    serialized = ("generator", "discriminator", "real_share", "augmentation")

    def __init__(
        self,
        image_shape,
        n_classes=1,
        latent_dim=100,
        filters=64,
        dropout=0.3,
        real_share=0.5,
        generator=None,
        discriminator=None,
        augmentation=None,
        generator_ema=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        image_shape, n_classes, latent_dim, filters = dcgan.sizes(
            image_shape, n_classes=n_classes, latent_dim=latent_dim, filters=filters
        )
        self.image_shape, self.n_classes = image_shape, n_classes
        self.latent_dim, self.filters = latent_dim, filters
        if not isinstance(dropout, numbers.Real) or not 0 <= dropout < 1:
            raise ValueError(f"dropout must be a share in [0, 1); got {dropout!r}.")
        self.dropout = dropout
        self.seed = seed
        self.generator = generator or dcgan.generator(image_shape, n_classes, latent_dim, filters)
        if self.generator.output_shape[1:] != self.image_shape or self.generator.input_shape[0] != (
            None,
            latent_dim,
        ):
            raise ValueError(
                f"generator must map [z, labels] with latent_dim={latent_dim} to images of "
                f"{self.image_shape}; it maps {self.generator.input_shape} to "
                f"{self.generator.output_shape}."
            )
        self.discriminator = discriminator or self._new_discriminator()
        check_dtypes(self, self.generator, self.discriminator)
        self.augmentation = augmentation
        self.generator_ema, self.average = generator_ema, None
        if generator_ema is not None:
            if not isinstance(generator_ema, numbers.Real) or not 0 < generator_ema < 1:
                raise ValueError(
                    f"generator_ema must be in (0, 1), or None; got {generator_ema!r}."
                )
            self.average = MovingAverage(self.generator, generator_ema)
        self.noise = keras.random.SeedGenerator(seed)
        self.share = self.add_weight(shape=(), trainable=False, name="real_share")
        self.set_real_share(real_share)
        self.trackers = {
            name: keras.metrics.Mean(name)
            for name in ("discriminator_loss", "generator_loss", "real_score", "fake_score")
        }
        self.built = True  # Its networks are.

    def _new_discriminator(self):
        raise NotImplementedError

    def compile(self, optimizer: Any = "adam", **options: Any) -> None:
        """Keras's `compile`, as of every `GenerativeModel`.

        Raises:
            ValueError: if the optimizer clips by the global norm, which couples the players, or
                there are metrics.
        """
        super().compile(optimizer, **options)
        inner = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        if getattr(inner, "global_clipnorm", None):
            raise ValueError(
                "an optimizer with global_clipnorm would clip each player's gradients by the "
                "other's: use clipnorm or clipvalue, which clip each variable's own."
            )

    def call(self, images, training=None):
        """The images as they are: the players meet in `compute_loss`."""
        if training is None:  # Keras says True or False, only a user says nothing.
            self._refuse_images()
        return images

    def predict(self, *args, **kwargs):
        """Refused with a `ValueError`, which says what to ask instead."""
        self._refuse_images()

    predict_on_batch = predict

    def _refuse_images(self):
        raise ValueError(
            f"a {type(self).__name__} maps no images to anything: new ones are "
            "`generate(labels, seed)`; its parts are `generator` and `discriminator`."
        )

    def fit(
        self, x=None, y=None, batch_size=None, epochs=1, verbose="auto", callbacks=None, **kwargs
    ):
        """Keras's `fit`; refuses bad images and labels and stops where the loss is not finite.

        Raises:
            ValueError: if `x`, or a batch where it comes in batches, is not of images of this
                model's shape in [0, 1], if there is not a label of this model for each, or if
                images are weighted.
            NonFiniteLossError: if the loss becomes NaN or infinite; says where.
        """
        # Before the first step: an error inside loses the weights on JAX.
        self._refuse_weights(kwargs.get("class_weight"))
        callbacks = as_list(callbacks)
        if callable(self.real_share):
            callbacks.append(FollowSchedule(self.share, self.real_share, _checked_share))
        return super().fit(x, y, batch_size, epochs, verbose, callbacks, **kwargs)

    def checked_batch(self, images, labels=None, sample_weight=None):
        if labels is None and self.n_classes > 1:
            raise ValueError("a class-conditional model needs labels beside its images.")
        labels = np.zeros(len(images), "int64") if labels is None else labels
        self._refuse_weights(sample_weight)
        return *self._checked(images, labels), None

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        self._refuse_weights(sample_weight)
        if y is None and self.n_classes > 1:
            raise ValueError("a class-conditional model needs labels beside its images.")
        labels = ops.zeros(ops.shape(x)[0]) if y is None else y
        labels = ops.reshape(ops.cast(labels, "int32"), (-1,))
        if self.average is not None and training:
            self.average.update(self.generator)  # As it is before this update.
        real, fake = self.discriminator_inputs(x, labels, training)
        if self.augmentation is not None:
            real, fake = ([self.augmentation(images), *rest] for images, *rest in (real, fake))
        # Read once, for both passes: TensorFlow may update a variable before a second read of it.
        weights = [ops.copy(v) for v in self.discriminator.trainable_variables]
        state = [ops.copy(v) for v in self.discriminator.non_trainable_variables]
        both = [ops.stop_gradient(ops.concatenate(pair)) for pair in zip(real, fake, strict=True)]
        outputs, state = self.discriminate(both, weights, state, training)
        for variable, value in zip(self.discriminator.non_trainable_variables, state, strict=True):
            variable.assign(value)

        def frozen(inputs):
            constants = [ops.stop_gradient(w) for w in weights]
            return self.discriminate(inputs, constants, state, training)[0]

        n = ops.shape(x)[0]
        of_real, of_fake = [part[:n] for part in outputs], [part[n:] for part in outputs]
        weight = self.weight_of_fake(labels)
        d_loss = self.share * ops.mean(self.cross_entropies(of_real, labels, real=True))
        d_loss += (1 - self.share) * ops.mean(self.cross_entropies(of_fake, labels, False, weight))
        g_loss = self.generator_loss(real, fake, labels, frozen)
        values = (d_loss, g_loss, ops.sigmoid(of_real[0]), ops.sigmoid(of_fake[0]))
        for tracker, value in zip(self.trackers.values(), values, strict=True):
            tracker.update_state(value)
        return losses.with_losses_of(self, d_loss + g_loss)

    def _refuse_weights(self, *weights):
        if any(weight is not None for weight in weights):
            raise ValueError(
                f"a {type(self).__name__} takes no sample_weight and no class_weight: generated "
                "images have none. Repeat images that are to count for more."
            )

    def discriminator_inputs(self, images, labels, training):
        """What the discriminator is shown of real and of generated images, as lists of inputs."""
        fake = self.generator([self.draw(ops.shape(images)[0]), labels], training=training)
        return self.judged(images, labels), self.judged(fake, labels)

    def judged(self, images, labels):
        """What the discriminator is shown of these images of these classes, as a list."""
        raise NotImplementedError

    def cross_entropies(self, outputs, labels, real, weight=1.0):
        """Of the discriminator's outputs with "real" or "generated", shape (n,).

        `weight` weighs the real/fake part.
        """
        logit = outputs[0][:, 0]
        return weight * ops.softplus(-logit if real else logit)

    def weight_of_fake(self, labels):
        """Weights of generated images in the real/fake loss, with a mean of 1."""
        return 1.0

    def generator_loss(self, real, fake, labels, frozen):
        """-log D(fake), and what else the generator minimises, a scalar.

        `frozen` gives the outputs of a discriminator whose variables are constants.
        """
        return ops.mean(
            self.cross_entropies(frozen(fake), labels, True, self.weight_of_fake(labels))
        )

    def discriminate(self, inputs, weights, state, training):
        """The discriminator's outputs with these values of its variables, and its new state."""
        inputs = inputs[0] if len(inputs) == 1 else inputs
        outputs, state = self.discriminator.stateless_call(
            weights, state, inputs, training=training
        )
        return keras.tree.flatten(outputs), state

    def draw(self, n):
        """Noise (n, latent_dim) from N(0, I) for a step of training."""
        return keras.random.normal((n, self.latent_dim), seed=self.noise)

    def generate(
        self,
        labels: np.ndarray | int,
        seed: int | None = None,
        sampler: str | Sampler = "prior",
    ) -> np.ndarray:
        """New images of the given classes, by the averaged generator where there is one.

        Args:
            labels: integers from 0 to n_classes - 1, shape (n,); of a model of one class their
                number will do.
            seed: fixes the images; two calls without one give different images.
            sampler: how they are drawn: an object of `dagen_keras.sampling`, or its name.

        Returns:
            Images in [0, 1], float32 (n, *image_shape).

        Raises:
            ValueError: if labels are not as described, or the sampler does not fit the model.
        """
        if self.n_classes == 1 and np.ndim(labels) == 0:
            labels = np.zeros(checks.integer(labels, "n", least=0), int)
        labels = np.asarray(labels)
        labels = self._labels(labels, labels.size)
        if not len(labels):
            return np.zeros((0, *self.image_shape), "float32")
        sampler, seed = sampler_of(sampler, self), backend.any_seed(seed)
        if isinstance(sampler, SelectingSampler):
            return sampler.images(self, labels, seed)
        z = sampler.checked_points(self, len(labels), seed)
        generator = self.generator if self.average is None else self.average.network
        return self.drawn(generator, [z, labels.astype("int32")])

    def set_real_share(self, share):
        """Another share of real images, or schedule of it, without compiling anew."""
        first = _checked_share(share(0) if callable(share) else share)
        self.real_share = share
        self.share.assign(first)

    def _checked(self, images, labels):
        images = self.checked_images(images)
        return images, self._labels(labels, len(images))

    def _labels(self, labels, n):
        return checks.labels(labels, n, n_classes=self.n_classes)

    def get_config(self):
        serialized = {
            name: keras.saving.serialize_keras_object(getattr(self, name))
            for name in self.serialized
        }
        names = ("image_shape", "n_classes", "latent_dim", "filters", "dropout", "generator_ema")
        own = {name: getattr(self, name) for name in (*names, "seed")}
        return {**super().get_config(), **own, **serialized}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        deserialized = {
            name: keras.saving.deserialize_keras_object(config[name], custom_objects)
            for name in cls.serialized
        }
        return cls(**{**config, **deserialized})


def _checked_share(share):
    if not isinstance(share, numbers.Real) or not 0 < share < 1:
        raise ValueError(
            f"real_share must be in (0, 1), or a function of the epoch that is; got {share!r}."
        )
    return share
