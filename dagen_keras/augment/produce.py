"""From a folder of images to a folder of new ones: trained, drawn, judged, written."""

import collections
import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from dagen_keras import backend, checks, files
from dagen_keras.augment.contact_sheet import contact_sheet
from dagen_keras.augment.copies import nearest
from dagen_keras.augment.fitted import versions
from dagen_keras.augment.kept import MANIFEST, KeptModels, SavedModels
from dagen_keras.augment.methods import METHODS, check_sides
from dagen_keras.checks import RunError
from dagen_keras.datasets import folder
from dagen_keras.evaluate import diversity

SHEET = "contact_sheet.png"


def produce(
    source: str | Path,
    output: str | Path,
    method: str | None = None,
    *,
    per_class: int | None = None,
    balance: bool = False,
    size: tuple[int, int] | None = None,
    channels: int | None = None,
    seed: int = 0,
    updates: int | None = None,
    saved: str | Path | None = None,
    force: bool = False,
    progress: bool = True,
    say: Callable[[str], Any] = print,
) -> dict[str, Any]:
    """New images of each class, as PNG files in a folder a class, and what is known of them.

    Beside these folders are written `contact_sheet.png`, real images beside new ones; `models.zip`,
    the trained models, where the method has any; and `manifest.json`: method, seed, settings,
    versions, scores of each class, and of each image the nearest training image, how far it is
    relative to what real images are apart, and whether it is a copy. Nothing is at `output` before
    all is. What a run that was ended has trained lies beside it, hidden, and the same call goes on
    from there.

    Args:
        source: a folder of a folder a class, or a `.npz`: see `datasets.folder.read`.
        output: the folder to be made.
        method: one of `METHODS`; with `saved` that method.
        per_class: how many images of each class; or
        balance: as many as each class lacks to the largest one.
        size, channels: see `datasets.folder.read`.
        seed: fixes training and images.
        updates: training steps of a model; default: the method's.
        saved: the output of an earlier run, whose models are used without training.
        force: replaces what is at `output`: an earlier run's is removed, anything else renamed.
        progress: whether to show a progress bar with the time left.
        say: called with a line for the reader.

    Returns:
        The manifest.

    Raises:
        RunError, DataError: if it cannot be done; says why, and what would be right.
        NonFiniteLossError: if a training does not stay finite.
    """
    if (per_class is None) == (not balance):
        raise RunError("say how many images: either per_class (--per-class N) or balance.")
    # A path such as "." has no name until it is absolute.
    source, output = (Path(os.path.abspath(Path(p).expanduser())) for p in (source, output))
    check_output(source, output, force)
    models = SavedModels.of(saved) if saved is not None else None
    method = _method(method, models)
    found = _read(source, size, channels, METHODS[method], say)
    counts = collections.Counter(found.labels.tolist())
    if per_class is not None:
        wanted = dict.fromkeys(found.classes, checks.integer(per_class, "per_class"))
    else:
        wanted = {name: max(counts.values()) - counts[name] for name in found.classes}
        if not any(wanted.values()):
            raise RunError("all classes are of one size: there is nothing to balance.")
    if models is not None:
        models.check(found.images.shape[1:], wanted)
    asked = {
        "method": method,
        "seed": checks.integer(seed, "seed", least=0),
        "updates": updates if updates is None else checks.integer(updates, "updates"),
        "wanted": wanted,
        "image_shape": list(found.images.shape[1:]),
        "data": _fingerprint(found),
        "saved": None if saved is None else str(Path(saved).resolve()),
        "versions": versions(),
    }
    with _Work(output, asked, force) as work:
        fitted = models or KeptModels(work / "models")
        if METHODS[method].generative and models is None:
            fitted.train(found, METHODS[method], asked, progress, say)
        made, manifest = _draw(found, wanted, method, asked["seed"], fitted, progress)
        manifest = {**asked, **manifest, "skipped": found.skipped}
        out = work / "out"
        shutil.rmtree(out, ignore_errors=True)
        _write(out, made, manifest, found)
        fitted.save(out)
        _put(out, output)
    copies = sum(image["copy"] for image in manifest["images"])
    say(f"{len(manifest['images'])} images are in '{output}', {copies} of them copies or nearly.")
    return manifest


def check_output(source: Path, output: Path, force: bool) -> None:
    """Refuses an output that cannot be, or that is there already, with a `RunError`."""
    inside, around = output.resolve(), source.resolve()
    if inside == around or around in inside.parents or inside in around.parents:
        raise RunError(f"'{output}' and '{source}' must not lie in one another.")
    if output.is_symlink() or (output.exists() and not output.is_dir()):
        raise RunError(f"'{output}' is no folder: choose another name.")
    if output.is_dir() and any(output.iterdir()) and not force:
        raise RunError(f"'{output}' is there already: choose another name, or --force.")
    if not output.parent.is_dir():
        raise RunError(f"there is no folder '{output.parent}'.")


def _method(method, models):
    if models is not None:
        if method not in (None, models.method):
            raise RunError(f"the saved models are of --method {models.method}, not {method}.")
        return models.method
    if method not in METHODS:
        raise RunError(f"unknown method {method!r}; known are {', '.join(METHODS)}.")
    return method


def _read(source, size, channels, method, say):
    """The images, without classes that are too small, once what was left out is told."""
    found = folder.read(source, size, channels)
    check_sides(found.images)
    for line in found.told:
        say(line)
    kept = np.ones(len(found.names), bool)
    for name in found.classes:
        of_class = found.labels == name
        different = len({image.tobytes() for image in found.images[of_class]})
        if different < method.fewest:
            say(
                f"left out: class '{name}', which has {different} different images; {method.title} "
                f"needs {method.fewest} of a class."
            )
            kept &= ~of_class
    if not kept.any():
        raise RunError(f"no class has the {method.fewest} different images that it needs.")
    found = found.of(kept)
    if method.conditional and len(found.classes) < 2:
        raise RunError(f"{method.title} needs two classes; for one take --method vae.")
    _tell_shared(found, say)
    return found


def _tell_shared(found, say):
    """Tells of images that two classes have."""
    classes = collections.defaultdict(set)
    for image, label in zip(found.images, found.labels, strict=True):
        classes[image.tobytes()].add(str(label))
    shared = collections.Counter(tuple(sorted(c)) for c in classes.values() if len(c) > 1)
    for names, n in shared.items():
        say(f"note: {n} images are in several classes: {', '.join(names)}.")


def _fingerprint(found):
    digest = hashlib.sha256(repr(found.images.shape).encode())
    for image, label in zip(found.images, found.labels, strict=True):
        digest.update(image.tobytes())
        digest.update(str(label).encode())
    return digest.hexdigest()[:16]


def _draw(found, wanted, method, seed, fitted, progress):
    """New images by class, uint8, and what the manifest says of them."""
    made, classes, images = {}, {}, []
    x = found.images.astype("float32") / 255
    for label, n in tqdm(wanted.items(), desc="drawing", unit="class", disable=not progress):
        if n == 0:
            continue
        real, of_class = x[found.labels == label], backend.subseed(seed, "images", label)
        if METHODS[method].generative:
            new = fitted.augmenter(label).sample(n, label, of_class)
        else:
            new = METHODS[method].made_of(real, n, of_class)
        made[label] = np.rint(255 * new).astype("uint8")
        near = nearest(made[label], found.images, found.labels == label)
        one = np.zeros(max(n, len(real)), int)
        both = [float(diversity(part, one[: len(part)], 1)[0]) for part in (new, real)]
        classes[label] = {
            "real": len(real),
            "new": n,
            "relative_diversity": both[0] / both[1] if both[1] > 0 and n > 1 else None,
            "typical_distance": near.typical,
            "median_relative_distance": _number(np.median(near.relative)),
            "copies": int(near.copies.sum()),
        }
        images += [
            {
                "file": f"{label}/{name_of(method, number)}",
                "nearest": found.names[near.row[number]],
                "distance": round(float(near.distance[number]), 4),
                "relative_distance": _number(near.relative[number]),
                "copy": bool(near.copies[number]),
            }
            for number in range(n)
        ]
    return made, {"classes": classes, "images": images}


def name_of(method, number):
    """The name of a new image's file."""
    return f"{method}_{number + 1:05d}.png"


def _number(value):
    return round(float(value), 4) if np.isfinite(value) else None


class _Work:
    """The hidden folder beside the output in which a run works, and goes on where it was ended."""

    def __init__(self, output, asked, force):
        self.path = output.with_name(f".{output.name}.unfinished")
        said, text = self.path / "asked.json", json.dumps(asked, sort_keys=True)
        if self.path.exists() and not said.is_file():
            shutil.rmtree(self.path)  # It ended before it began.
        if self.path.exists():
            same = said.read_text(encoding="utf-8") == text
            if not same and not force:
                raise RunError(
                    f"'{self.path}' is of a run with other settings that did not end: --force "
                    "starts anew, the same settings go on."
                )
            if not same:
                shutil.rmtree(self.path)
        if not self.path.exists():
            self.path.mkdir()
            files.write(said, text)

    def __enter__(self):
        return self.path

    def __exit__(self, kind, error, trace):
        if kind is None:
            shutil.rmtree(self.path)


def _write(out, made, manifest, found):
    out.mkdir()
    for label, images in made.items():
        (out / label).mkdir()
        for number, image in enumerate(images):
            content = io.BytesIO()
            Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image).save(content, "PNG")
            files.write(out / label / name_of(manifest["method"], number), content.getvalue())
    content = io.BytesIO()
    contact_sheet(found, made).save(content, "PNG")
    files.write(out / SHEET, content.getvalue())
    files.write(out / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False))


def _put(out, output):
    """Moves the whole output to its place; what an earlier run wrote there goes, all else stays."""
    if output.is_dir() and any(output.iterdir()):
        try:
            mine = "data" in json.loads((output / MANIFEST).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            mine = False
        number = 1
        while os.path.lexists(aside := output.with_name(f"{output.name}.{number}.old")):
            number += 1
        output.rename(aside)
        out.rename(output)
        if mine:
            shutil.rmtree(aside)
    else:
        if output.is_dir():
            output.rmdir()
        out.rename(output)
