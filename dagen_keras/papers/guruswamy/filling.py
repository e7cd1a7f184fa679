"""What fills up the sparse classes: functions from labels to images of those classes."""

import functools

import numpy as np

from dagen_keras import backend
from dagen_keras.augment import ClassicTransforms
from dagen_keras.papers.guruswamy import generators
from dagen_keras.runs.packing import png

SHOWN_CLASSES, SHOWN, COLUMNS = 10, 80, 8
# The paper names the kinds of transform, not their sizes.
AFFINE = ClassicTransforms(
    rotation=15, zoom=0.1, width_shift=0.1, height_shift=0.1, flip="horizontal"
)


def filler(images, seed, setting, fill, **how):
    """What makes images of given classes, and what there is to say of it.

    Args:
        images: the seed's `Images`.
        seed: the run's.
        setting: how an adversarial model is trained, a `Setting`.
        fill: None, "affine", "duplicates", "ali_reconstructions", or a model of `generators`.
        **how: of an adversarial model, as for `generators.train`.

    Returns:
        A function from labels (n,) to images (n, height, width, channels), or None; and a
        dictionary of results, pictures among them.
    """
    if fill is None:
        return None, {}
    own = backend.subseed(seed, "fill", fill)
    result = {}
    if fill == "affine":
        made = functools.partial(_from_real, images, own, functools.partial(_affine, own))
    elif fill == "duplicates":
        made = functools.partial(_from_real, images, own, _unchanged)
    elif fill == "ali_reconstructions":
        ali, result = generators.trained_ali(images, setting, seed)
        made = functools.partial(_from_real, images, own, functools.partial(_again, ali))
    elif fill == "ali":
        ali, result = generators.trained_ali(images, setting, seed)
        made = functools.partial(ali.generate, seed=own)
    else:
        gan, result = generators.train(fill, images, setting, own, seed, **how)
        made = functools.partial(gan.generate, seed=backend.subseed(own, "drawn"))
    if "ali" in fill:
        result |= _pictures_of_ali(images, seed, setting)
    return made, {**result, "png": _shown(images, made)}


def _pictures_of_ali(images, seed, setting):
    """Figs. 7a and 7b: what ALI generates; real images, and its reconstructions of them."""
    ali, _ = generators.trained_ali(images, setting, seed)
    changes = {"real": _unchanged, "reconstructed": functools.partial(_again, ali)}
    made = {name: functools.partial(_from_real, images, seed, c) for name, c in changes.items()}
    made["generated"] = functools.partial(ali.generate, seed=seed)
    return {f"png_ali_{name}": _shown(images, function) for name, function in made.items()}


def _unchanged(x, label):
    return x


def _again(ali, x, label):
    return ali.reconstruct(x, np.full(len(x), label))


def _from_real(images, seed, change, labels):
    """Real training images of given labels, changed class by class."""
    found = np.empty((len(labels), *images.shape), "float32")
    for label in np.unique(labels):
        mine = labels == label
        found[mine] = change(images.of_class(label, mine.sum(), seed), label)
    return found


def _affine(seed, x, label):
    """In parts, as a class may lack more images than fit memory many times over."""
    parts = range(0, len(x), 1000)
    return np.concatenate([AFFINE(x[i : i + 1000], backend.subseed(seed, label, i)) for i in parts])


def _shown(images, made):
    """A picture of 80 images, class after class: of ten classes at most, sparse ones if more."""
    chosen = [*sorted(images.missing), *range(images.n_classes)]
    chosen = sorted(list(dict.fromkeys(chosen))[:SHOWN_CLASSES])
    return png(made(np.repeat(chosen, SHOWN // len(chosen))), columns=COLUMNS)
