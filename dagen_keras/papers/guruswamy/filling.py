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
        made = functools.partial(_from_real, images, own, lambda x, label: x)
    elif fill == "ali_reconstructions":
        return _reconstructions(images, seed, own, setting)
    else:
        if fill == "ali":
            gan, result = generators.trained_ali(images, setting, seed)
        else:
            gan, result = generators.train(fill, images, setting, own, seed, **how)
        made = functools.partial(gan.generate, seed=backend.subseed(own, "drawn"))
    return made, {**result, "png": _shown(images, made)}


def _reconstructions(images, seed, own, setting):
    """ALI's reconstructions of the sparse classes' images; Figs. 7a and 7b."""
    ali, result = generators.trained_ali(images, setting, seed)

    def again(x, label):
        return ali.reconstruct(x, np.full(len(x), label))

    result["png_generated"] = _shown(images, functools.partial(ali.generate, seed=own))
    for name, change in (("png_real", lambda x, label: x), ("png", again)):
        result[name] = _shown(images, functools.partial(_from_real, images, own, change))
    return functools.partial(_from_real, images, own, again), result


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
