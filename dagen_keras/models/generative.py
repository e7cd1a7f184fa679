"""What all generative models share: compiling, fitting, and what samplers ask of them."""

import random
from typing import Any

import keras
import numpy as np

from dagen_keras import backend
from dagen_keras.models.training import ShuffledBatches, prepare_fit

# Of so many batches an epoch, setting up Keras's iterator for each takes longer than the steps.
FEW_BATCHES = 20


class GenerativeModel(keras.Model):
    """A model that draws images: `compile(optimizer)`, `fit(images)`, `generate(n)`.

    Attributes:
        offers: what samplers can use of it; see `dagen_keras.sampling.Sampler.needs`.
        n_classes: how many classes of images it tells apart when it generates.
        latent_dim: dimension of its latent space.
        image_shape: (height, width, channels) of its images.
        loss_tells: whether a training loss that no longer falls says that the model is trained.
    """

    offers = ("prior",)
    n_classes = 1
    loss_tells = True

    def compile(self, optimizer: Any = "rmsprop", **options: Any) -> None:
        """Keras's `compile`; unless told otherwise, with what is fastest on this machine."""
        super().compile(optimizer, **{**backend.compile_options(), **options})

    def compile_from_config(self, config):
        """What Keras does with a saved model, but not where `compile` is overridden."""
        options = keras.saving.deserialize_keras_object(config)
        # What was fastest on the machine that saved it need not be so here.
        options.pop("jit_compile", None)
        self.compile(**options)
        self.optimizer.build(self.trainable_variables)

    def build(self, input_shape):
        self.built = True  # Its networks are.

    def fit(
        self, x=None, y=None, batch_size=None, epochs=1, verbose="auto", callbacks=None, **kwargs
    ):
        """Keras's `fit`; stops as soon as the loss is not finite.

        Arrays of few batches are shuffled and cut into batches here: Keras would set up an iterator
        for each epoch, which takes longer than the epoch.

        Raises:
            NonFiniteLossError: if the loss becomes NaN or infinite; says where.
        """
        callbacks = prepare_fit(self, callbacks)
        size = batch_size or 32
        plain = isinstance(x, np.ndarray) and isinstance(y, np.ndarray | None)
        if plain and not kwargs and self.steps_per_execution == 1 and len(x) <= FEW_BATCHES * size:
            arrays = (x,) if y is None else (x, y)
            # Keras, too, draws from Python's generator, which its `set_random_seed` seeds.
            seed = random.getrandbits(31)
            x = ShuffledBatches(arrays, size, seed, passes=epochs, once=True)
            y, batch_size = None, None
            kwargs = {"steps_per_epoch": x.steps, "shuffle": False}
        return super().fit(x, y, batch_size, epochs, verbose, callbacks, **kwargs)

    def generate(self, n, seed=None, sampler="prior"):
        """New images, float32 in [0, 1]: see the model's own."""
        raise NotImplementedError
