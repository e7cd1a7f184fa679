"""Trained models in files: those of a run that goes on, and those of an earlier one."""

import io
import json
import tempfile
import zipfile
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from dagen_keras import files
from dagen_keras.augment.augmenter import Augmenter
from dagen_keras.augment.fitted import versions
from dagen_keras.checks import RunError

MANIFEST, MODELS = "manifest.json", "models.zip"


class KeptModels:
    """Models that are trained class by class, each kept in a folder as soon as it is trained."""

    def __init__(self, path):
        self.path, self.parts, self._loaded = path, {}, {}

    def train(self, found, method, asked, progress, say):
        """Trains what is not kept already."""
        wanted = [name for name, n in asked["wanted"].items() if n]
        parts = [found.classes] if method.conditional else [[name] for name in wanted]
        rows = [np.isin(found.labels, part) for part in parts]
        updates = asked["updates"] or method.updates
        steps = [method.steps(int(n), updates) for n in map(np.count_nonzero, rows)]
        model = method.reusable(found.images.shape[1:], len(found.classes))
        with tqdm(total=sum(steps), desc="training", unit="step", disable=not progress) as bar:
            for number, (part, of_part) in enumerate(zip(parts, rows, strict=True)):
                place = self.path / str(number)
                if not place.is_dir():
                    bar.set_postfix_str(", ".join(part) if len(part) < 4 else "all classes")
                    n, shown = int(of_part.sum()), _Shown(bar)
                    augmenter = method.augmenter(model, n, asked["seed"], updates, [shown])
                    images = found.images[of_part].astype("float32") / 255
                    augmenter.fit(images, found.labels[of_part])
                    self._keep(augmenter, place)
                else:
                    say(f"trained before: {', '.join(part)}")
                    bar.update(steps[number])
                self.parts |= dict.fromkeys(part, place)

    def _keep(self, augmenter, place):
        self.path.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(dir=self.path, prefix=".")) / "new"
        augmenter.save(new)
        new.rename(place)  # Whole, or not there.
        new.parent.rmdir()

    def augmenter(self, label):
        """The `Augmenter` that has a model of this class."""
        place = self.parts[label]
        if place not in self._loaded:
            self._loaded[place] = Augmenter.load(place)
        return self._loaded[place]

    def save(self, folder):
        """Writes one file of all models into a folder, if there are any."""
        if not self.parts:
            return
        places = {label: place.name for label, place in self.parts.items()}
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as file:
            file.writestr("places.json", json.dumps(places))
            for place in dict.fromkeys(self.parts.values()):
                for one in sorted(place.iterdir()):
                    file.write(one, f"{place.name}/{one.name}")
        files.write(folder / MODELS, content.getvalue())


class SavedModels(KeptModels):
    """The models of an earlier output."""

    @classmethod
    def of(cls, saved):
        """Reads them.

        Raises:
            RunError: if there are none, or they are damaged.
        """
        saved = Path(saved).expanduser()
        if not (saved / MODELS).is_file():
            raise RunError(f"'{saved}' has no {MODELS}: name the output of a run that trained.")
        temporary = tempfile.TemporaryDirectory()
        found = cls(Path(temporary.name))
        found.temporary = temporary  # Removed with this.
        try:
            manifest = json.loads((saved / MANIFEST).read_text(encoding="utf-8"))
            found.method, found.versions = manifest["method"], manifest["versions"]
            found.image_shape = tuple(manifest["image_shape"])
            with zipfile.ZipFile(saved / MODELS) as file:
                file.extractall(found.path)
            places = json.loads((found.path / "places.json").read_text(encoding="utf-8"))
            found.parts = {label: found.path / place for label, place in places.items()}
            for label in found.parts:
                found.augmenter(label)
        except Exception as error:
            now, then = versions(), getattr(found, "versions", None)
            hint = f" It was made with {then}, this is {now}." if then and then != now else ""
            raise RunError(f"the models in '{saved}' cannot be read: {error}{hint}") from error
        return found

    def check(self, image_shape, wanted):
        """Refuses images that these models are not of, and classes that are to be drawn."""
        if image_shape != self.image_shape:
            raise RunError(
                f"the saved models are of images {self.image_shape}; these are {image_shape}: "
                "--size and --channels change them."
            )
        unknown = [name for name, n in wanted.items() if n and name not in self.parts]
        if unknown:
            raise RunError(
                f"the saved models know no class '{unknown[0]}'; they know {', '.join(self.parts)}."
            )


class _Shown(keras.callbacks.Callback):
    """Counts the steps of a training on a progress bar."""

    async_safe = True

    def __init__(self, bar):
        super().__init__()
        self.bar = bar

    def on_train_batch_end(self, batch, logs=None):
        self.bar.update()
