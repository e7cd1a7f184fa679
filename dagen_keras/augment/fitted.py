"""What an Augmenter has learnt: a generative model of each class, or one of all, and its files."""

import copy
import functools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import imblearn
import keras
import numpy as np

from dagen_keras import __version__, backend
from dagen_keras.models.generative import GenerativeModel
from dagen_keras.models.training import ReusableModel, get_state, set_state
from dagen_keras.sampling import SAMPLERS, Sampler

SAVED = "augmenter.json"


@dataclass(eq=False)
class FittedModels:
    """The trained states of one Keras model, by label, and what draws from them.

    Attributes:
        model: the one model; it is put into a label's state when that is asked for.
        known: all labels of the training images, sorted: a conditional model counts them so.
        image_shape: (height, width, channels).
        seed: fixes what is drawn without another.
        states, samplers, histories: by label.
    """

    model: GenerativeModel
    known: np.ndarray
    image_shape: tuple[int, int, int]
    seed: int
    states: dict = field(default_factory=dict)
    samplers: dict = field(default_factory=dict)
    histories: dict = field(default_factory=dict)

    def __post_init__(self):
        self.draws = np.random.default_rng(backend.subseed(self.seed, "draws"))

    @property
    def one_for_all(self) -> bool:
        return self.model.n_classes > 1

    def number(self, label: Any) -> int:
        """A label as the model knows it: from 0 on, without gaps; 0 if it knows one class."""
        return int(np.searchsorted(self.known, label)) if self.one_for_all else 0

    def check(self, label: Any) -> Any:
        """The label as the training images had it; a `ValueError` if it has no model."""
        for known in self.states:
            if known == label:
                return known
        known = ", ".join(map(str, self.states))
        raise ValueError(f"no model for class {label!r}; there are models for {known}.")

    def model_of(self, label: Any) -> GenerativeModel:
        """The model in a label's state. Valid until the next is asked for."""
        return set_state(self.model, self.states[label])

    def sample(
        self, n: int, label: Any, seed: int | None, sampler: str | Sampler | None
    ) -> np.ndarray:
        """`n` images of a class: see `Augmenter.sample`."""
        label = self.check(label)
        seed = int(self.draws.integers(2**31)) if seed is None else seed
        of = np.full(n, self.number(label)) if self.one_for_all else n
        seed = backend.subseed(seed, "samples", label)
        return self.model_of(label).generate(
            of, seed, self.samplers[label] if sampler is None else sampler
        )

    def save(self, path: Path, settings: dict[str, Any]) -> None:
        """Writes a new folder of `.keras`, `.npz` and JSON files; see `Augmenter.save`."""
        kinds = {kind: name for name, kind in SAMPLERS.items()}
        sampler = next(iter(self.samplers.values()))
        if path.exists():
            raise ValueError(f"{path} is there already: choose another name, or remove it.")
        if type(sampler) not in kinds:
            raise ValueError(f"only samplers of dagen_keras.sampling are saved; got {sampler}.")
        said = {
            "versions": versions(),
            "classes": [*self.states],
            "known": [*self.known],
            "dtype": self.known.dtype.str,
            "image_shape": self.image_shape,
            "one_for_all": self.one_for_all,
            "seed": self.seed,
            "sampler": [kinds[type(sampler)], sampler.get_params()],
            "histories": [*self.histories.values()],
            "settings": settings,
        }
        text = json.dumps(said, indent=1, default=lambda value: value.item())
        path.mkdir(parents=True)
        for number, label in enumerate(self.states):
            if number == 0 or not self.one_for_all:
                self.model_of(label).save(path / f"model_{number}.keras")
            np.savez(path / f"sampler_{number}.npz", **self.samplers[label].state())
        (path / SAVED).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> tuple["FittedModels", dict[str, Any]]:
        """What `save` wrote, and the settings; see `Augmenter.load`."""
        if not (path / SAVED).is_file():
            raise ValueError(f"no saved Augmenter at {path}: it has no {SAVED}.")
        try:
            return cls._load(path)
        except Exception as error:  # Of JSON, NumPy or Keras.
            raise ValueError(
                f"the saved Augmenter at {path} cannot be read: {type(error).__name__}: {error}"
            ) from error

    @classmethod
    def _load(cls, path):
        said = json.loads((path / SAVED).read_text(encoding="utf-8"))
        name, settings = said["sampler"]
        known, shape = np.array(said["known"], said["dtype"]), tuple(said["image_shape"])
        found = cls(keras.saving.load_model(path / "model_0.keras"), known, shape, said["seed"])
        for number, label in enumerate(np.array(said["classes"], said["dtype"])):
            if number and not said["one_for_all"]:
                found.model = keras.saving.load_model(path / f"model_{number}.keras")
            if number == 0 or not said["one_for_all"]:
                state = get_state(found.model)
            with np.load(path / f"sampler_{number}.npz", allow_pickle=False) as file:
                sampler = SAMPLERS[name](**settings).restored(found.model, dict(file))
            found.states[label], found.samplers[label] = state, sampler
            found.histories[label] = said["histories"][number]
        return found, {**said["settings"], "sampler": SAMPLERS[name](**settings)}

    def untrained(self) -> ReusableModel:
        """A `ReusableModel` of untrained models like this one; what is not trained in it stays."""
        model, optimizer = self.model, self.model.optimizer
        frozen = {
            place: layer.get_weights()
            for place, layer in enumerate(model.layers)
            if not layer.trainable  # Such as an ACGAN's encoder.
        }
        return ReusableModel(
            functools.partial(_made, type(model), model.get_config(), frozen),
            optimizer=functools.partial(_made, type(optimizer), optimizer.get_config(), {}),
        )


def versions() -> dict[str, str]:
    """Of what a saved augmenter was made with."""
    return {
        "dagen_keras": __version__,
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        "imbalanced-learn": imblearn.__version__,
    }


def _made(kind, config, frozen):
    new = kind.from_config(copy.deepcopy(config))  # Keras takes it apart.
    for place, weights in frozen.items():
        new.layers[place].set_weights(weights)
    return new
