"""What fills up the sparse classes: functions from labels to images of those classes."""

import functools

import numpy as np

from dagen_keras import backend
from dagen_keras.augment import ClassicTransforms
from dagen_keras.datasets import Bytes
from dagen_keras.papers.guruswamy import generators
from dagen_keras.study.packing import png

PART = 5000
SHOWN_CLASSES, SHOWN, COLUMNS = 10, 80, 8


def affine(images):
    """The affine baseline; the paper names the kinds of transform, not their sizes."""
    return ClassicTransforms(
        rotation=15,
        zoom=0.1,
        width_shift=0.1,
        height_shift=0.1,
        flip="horizontal" if images.mirrors else False,
    )


def filler(images, seed, setting, fill, pictures=False, **how):
    """What makes images of given classes, and what there is to say of it.

    Args:
        images: the seed's `Images`.
        seed: the run's.
        setting: how an adversarial model is trained, a `Setting`.
        fill: None, "affine", "duplicates", "ali_reconstructions", or a model of `generators`.
        pictures: whether pictures are among the results.
        **how: of an adversarial model, as for `generators.train`.

    Returns:
        A function from labels (n,) to images (n, height, width, channels), or None; and a
        dictionary of results.
    """
    if fill is None:
        return None, {}
    own = backend.subseed(seed, "fill", fill)
    # Whatever is made of real images is made of the same ones.
    from_real = functools.partial(_from_real, images, backend.subseed(seed, "chosen"))
    result, ali = {}, None
    if "ali" in fill:
        ali, result = generators.trained_ali(images, setting, seed)
    if fill == "affine":
        transforms = affine(images)
        made = functools.partial(from_real, lambda x, y, part: transforms(x, own + part))
    elif fill == "duplicates":
        made = functools.partial(from_real, _unchanged)
    elif fill == "ali_reconstructions":
        made = functools.partial(from_real, _reconstruction(ali, own))
    else:
        gan, drawn = ali, own
        if fill != "ali":
            gan, result = generators.train(fill, images, setting, own, seed, **how)
            drawn = backend.subseed(own, "drawn")
        made = functools.partial(_generated, images, gan, drawn)
    if pictures:
        result |= {"png": _shown(images, made)}
        if ali is not None:
            # The model is shared: an AC-GAN that was trained on ALI has not changed it.
            others = {
                "generated": functools.partial(_generated, images, ali, own),
                "real": functools.partial(from_real, _unchanged),
                "reconstructed": functools.partial(from_real, _reconstruction(ali, own)),
            }
            result |= {f"png_ali_{name}": _shown(images, m) for name, m in others.items()}
    return made, result


def _unchanged(x, labels, part):
    return x


def _reconstruction(ali, seed):
    return lambda x, labels, part: ali.reconstruct(x, labels, seed + part)


def _generated(images, gan, seed, labels):
    return _in_parts(images, labels, lambda rows, part: gan.generate(labels[rows], seed + part))


def _from_real(images, seed, change, labels):
    """Real training images of given labels, changed."""
    chosen = images.choose(labels, seed)
    return _in_parts(
        images,
        labels,
        lambda rows, part: change(images.x[chosen[rows]], labels[rows], part),
    )


def _in_parts(images, labels, make):
    """Images made a part at a time; held as bytes where the real ones are not held at all."""
    lazy = hasattr(images.x, "select")
    found = np.empty((len(labels), *images.shape), np.uint8 if lazy else np.float32)
    for part, start in enumerate(range(0, len(labels), PART)):
        rows = slice(start, start + PART)
        new = make(rows, part)
        found[rows] = np.rint(255 * new) if lazy else new
    return Bytes(found) if lazy else found


def _shown(images, made):
    """A picture of 80 images, class after class: of ten classes at most, sparse ones if more."""
    chosen = [*sorted(images.missing), *range(images.n_classes)]
    chosen = sorted(list(dict.fromkeys(chosen))[:SHOWN_CLASSES])
    drawn = made(np.repeat(chosen, SHOWN // len(chosen)))
    return png(drawn[np.arange(len(drawn))], columns=COLUMNS)
