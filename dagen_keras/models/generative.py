"""What all generative models share: compiling, fitting, and what samplers ask of them."""

import random
from typing import Any

import keras
import numpy as np

from dagen_keras import backend, checks
from dagen_keras.models import inputs
from dagen_keras.models.training import ShuffledBatches, predict, prepare_fit

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

    def __init__(self, **kwargs: Any):
        # Its networks may be of mixed precision, what it makes of their outputs is not.
        super().__init__(**{"dtype": "float32", **kwargs})

    def compile(self, optimizer: Any = "rmsprop", **options: Any) -> None:
        """Keras's `compile`; unless told otherwise, with what is fastest on this machine.

        Raises:
            ValueError: if there is no optimizer, a loss, which is the model's own, or a metric.
        """
        if optimizer is None:
            raise ValueError("compile needs an optimizer, such as 'adam'; got None.")
        for name in ("loss", "loss_weights"):
            if options.get(name) is not None:
                raise ValueError(f"a {type(self).__name__} has a loss of its own: omit {name}.")
        if options.get("metrics") or options.get("weighted_metrics"):
            raise ValueError(
                f"a {type(self).__name__} predicts nothing that metrics could judge: omit them."
            )
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

    def checked_images(self, images):
        """The images as float32, if they are of this model's shape and in [0, 1].

        Raises:
            ValueError: if they are not.
        """
        images = checks.images(images)
        if images.shape[1:] != tuple(self.image_shape):
            raise ValueError(
                f"images must have the shape {tuple(self.image_shape)} of this model; got "
                f"{images.shape[1:]}."
            )
        return images

    def checked_batch(self, images, y=None, sample_weight=None):
        """A batch, or a whole set, of images and what stands beside them, as it is trained on.

        Raises:
            ValueError: if the model cannot be trained on it.
        """
        images = self.checked_images(images)
        if hasattr(y, "__len__") and len(y) != len(images):
            raise ValueError(f"y must be one an image; got {len(y)} for {len(images)} images.")
        if sample_weight is not None:
            weights = checks.real(sample_weight, "sample_weight")
            if weights.shape not in ((len(images),), (len(images), 1)):
                raise ValueError(
                    f"sample_weight must be one an image; got shape {weights.shape} for "
                    f"{len(images)} images."
                )
            if not (np.isfinite(weights).all() and (weights >= 0).all()):
                raise ValueError("sample_weight must be finite and 0 or more.")
        return images, y, sample_weight

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
        """Keras's `train_on_batch`; refuses what `fit` refuses."""
        x, y = self._on_batch(x, y, sample_weight)
        return super().train_on_batch(x, y, sample_weight, class_weight, return_dict)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """Keras's `test_on_batch`; refuses what `fit` refuses."""
        x, y = self._on_batch(x, y, sample_weight)
        return super().test_on_batch(x, y, sample_weight, return_dict)

    def _on_batch(self, x, y, sample_weight):
        x, y, *_ = self.checked_batch(x, y, sample_weight)
        return x, inputs.targets(x, y, sample_weight)

    def drawn(self, network, *arguments):
        """What a network of this model draws, if it is finite.

        Raises:
            ValueError: if it is not, as when weights are NaN.
        """
        images = predict(network, *arguments)
        if not np.isfinite(images).all():
            raise ValueError(
                f"the model '{self.name}' draws images of NaN or infinity: its weights are lost. "
                "Train it anew, with a smaller learning rate."
            )
        return images

    @backend.prompt_pipelines()
    def fit(
        self, x=None, y=None, batch_size=None, epochs=1, verbose="auto", callbacks=None, **kwargs
    ):
        """Keras's `fit`; refuses bad images and stops as soon as the loss is not finite.

        Arrays of few batches are shuffled and cut into batches here: Keras would set up an iterator
        for each epoch, which takes longer than the epoch.

        Raises:
            ValueError: if `x`, or a batch where it comes in batches, is not of images of this
                model's shape in [0, 1] with what the model needs beside them; or if a count is no
                integer of 1 or more.
            NonFiniteLossError: if the loss becomes NaN or infinite; says where.
        """
        if x is None:
            raise ValueError("fit needs images; got None.")
        epochs = checks.integer(epochs, "epochs")
        batch_size = None if batch_size is None else checks.integer(batch_size, "batch_size")
        callbacks = prepare_fit(self, callbacks)
        beside = map(kwargs.get, ("sample_weight", "validation_data", "class_weight"))
        with inputs.checked(self, x, y, *beside) as (x, y, validation):
            if validation is not None:
                kwargs["validation_data"] = validation
            size = batch_size or 32
            plain = isinstance(x, np.ndarray) and isinstance(y, np.ndarray | None) and not kwargs
            if plain and self.steps_per_execution == 1 and len(x) <= FEW_BATCHES * size:
                arrays = (x,) if y is None else (x, y)
                # Keras, too, draws from Python's generator, which its `set_random_seed` seeds.
                seed = random.getrandbits(31)
                x = ShuffledBatches(arrays, size, seed, passes=epochs, once=True)
                y, batch_size = None, None
                kwargs = {"steps_per_epoch": x.steps, "shuffle": False}
            return super().fit(x, y, batch_size, epochs, verbose, callbacks, **kwargs)

    @backend.prompt_pipelines()
    def evaluate(self, x=None, y=None, batch_size=None, **kwargs):
        """Keras's `evaluate`; refuses what `fit` refuses."""
        if kwargs.get("_use_cached_eval_dataset"):  # From `fit`, which has looked at it.
            return super().evaluate(x, y, batch_size, **kwargs)
        with inputs.checked(self, x, y, kwargs.get("sample_weight")) as (x, y, _):
            return super().evaluate(x, y, batch_size, **kwargs)

    def generate(self, n, seed=None, sampler="prior"):
        """New images, float32 in [0, 1]: see the model's own."""
        raise NotImplementedError
