"""A process's memory while it computes cells: data, compiled models, and what was fitted."""

import collections
from collections.abc import Callable, Hashable
from typing import Any

import keras

from dagen_keras import backend, datasets
from dagen_keras.models.training import ReusableModel, get_state, set_state

# Cells after which a process gives back what Keras keeps: it takes a second for each model to be
# ready again, and each cell leaves up to five megabytes.
CELLS_BETWEEN = 20


class Bench:
    """Data and models by key, so that cells share what they have in common.

    Sharing never changes a number: a cell alone equals the cell after others. What is made for a
    key must therefore depend on the key alone.

    Args:
        data_dir: where datasets are that are not bundled.
        download: whether data that is not there may be downloaded.
        fits: how many fitted models are kept; of more, those that were used longest ago go.
    """

    def __init__(self, data_dir: str | None = None, download: bool = True, fits: int = 4):
        self.data_dir, self.download, self.fits = data_dir, download, fits
        self._kept = {}
        self._fitted = collections.OrderedDict()
        self._cells = 0

    def data(self, name: str) -> datasets.Dataset:
        """The dataset of a name, read once."""
        return self.once(
            ("data", name),
            lambda: datasets.load(name, data_dir=self.data_dir, download=self.download),
        )

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What `make()` returned the first time for this key. It is kept for good."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    def reusable(self, key: Hashable, build: Callable, **compile_arguments) -> ReusableModel:
        """The `ReusableModel` of a key, compiled once."""
        return self.once(("reusable", key), lambda: ReusableModel(build, **compile_arguments))

    def classifier(
        self,
        network: Callable,
        n_classes: int,
        image_shape: tuple,
        logits: bool = False,
        precision: str = "float32",
    ) -> ReusableModel:
        """`network(n_classes, image_shape)`, with Adam and the cross-entropy, compiled once.

        Args:
            network: a function that returns a new model.
            n_classes, image_shape: its arguments.
            logits: whether it returns logits and not probabilities.
            precision: Keras's dtype policy of its layers; its outputs are float32.
        """

        def build():
            with backend.precision(precision):
                return network(n_classes, image_shape)

        loss = "sparse_categorical_crossentropy"
        return self.reusable(
            (network, n_classes, image_shape, precision),
            build,
            optimizer="adam",
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True) if logits else loss,
            **backend.compile_options(),
        )

    def cell_done(self) -> None:
        """Now and then gives back what the backend keeps for good, and the process would grow by.

        TensorFlow keeps a kernel for each variable of a new name, and Keras counts names up, so
        that every model built leaves something; and of each training that reads from Python its
        batches, that is all its data. Models stay what they are.
        """
        self._cells += 1
        if self._cells % CELLS_BETWEEN == 0:
            keras.utils.clear_session()

    def fitted(self, key: Hashable, fit: Callable[[], Any]) -> Any:
        """What `fit()` returned for this key, while it is among the last used.

        A Keras model comes as a `Fitted`, which stays valid when the model is trained again.
        """
        if key not in self._fitted:
            found = fit()
            self._fitted[key] = Fitted(found) if hasattr(found, "variables") else found
            while len(self._fitted) > self.fits:
                self._fitted.popitem(last=False)
        self._fitted.move_to_end(key)
        return self._fitted[key]


class Fitted:
    """A trained model's weights. `model` is the model with just these, whatever it was used for.

    What else it is asked for, such as a GAN's `generate`, is its model's.
    """

    def __init__(self, model):
        self._model, self._state = model, get_state(model)

    @property
    def model(self):
        return set_state(self._model, self._state)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.model, name)
