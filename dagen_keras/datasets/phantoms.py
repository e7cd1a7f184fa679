"""Generated brain-like phantoms in the form of OASIS-1, for where the archive cannot be had.

They are not OASIS and carry no patient's data: ellipses, folds and cavities drawn with a seed.
One latent number drives them, `atrophy`: 0 is a young adult's brain, 1 that of a healthy
eighty-year-old. Disease adds to it, so an old healthy brain can look like a younger ill one.
"""

import io

import numpy as np
import pandas as pd
from scipy import ndimage

from dagen_keras.datasets import oasis, subjects

DESCRIPTION = "generated brain-like phantoms, not OASIS"
IMAGE_SHAPE = (208, 176)

# Grey values, 1 being white matter.
_GREY, _DEEP_GREY, _FLUID = 0.64, 0.73, 0.2

# Sizes in millimetres: rows from the centre to the back, columns from the centre to the side.
_OUTLINE = (86.0, 67.0)
_SULCUS_ANGLES = np.radians([13, 26, 39, 52, 64, 77, 92, 105, 117, 130, 143, 155, 167])
_SULCUS_LENGTHS = np.array([13, 17, 12, 18, 13, 27, 14, 19, 13, 18, 13, 16, 12.0])
_VENTRICLE_ROWS = np.array([-34, -29, -20, -9, 4, 14, 24, 33, 41, 47.0])
_VENTRICLE_COLUMNS = np.array([12.5, 10, 6.5, 5, 7, 12, 19, 24, 25, 23.0])
_VENTRICLE_HALF_WIDTHS = np.array([1.5, 2.8, 3.1, 2.4, 1.7, 2.1, 3.2, 3.6, 2.8, 1.3])
# Caudate nucleus, putamen, thalamus: row, column, half length, half width, tilt in radians.
_NUCLEI = ((-20, 14, 10, 4.5, 0.3), (-3, 29, 17, 6, 0.25), (10, 11, 12, 7.5, -0.5))


def load(downsample=1):
    """The default phantoms, 120 CN and 80 AD, as `oasis.read` would read them from files.

    Args:
        downsample: side of the blocks of pixels that are averaged into one; 1, 2, 4, 8 or 16.

    Raises:
        ValueError: if `downsample` is another number.
    """
    oasis.check_downsample(downsample, IMAGE_SHAPE)
    frame, slices = generate()
    slices = np.stack([oasis.scaled(one.astype("float32")) for one in slices])
    text = io.StringIO(frame.to_csv(index=False))
    images = oasis.block_mean(slices, downsample)[..., None]
    return oasis.as_dataset("phantoms", images, subjects.read_csv(text), DESCRIPTION)


def generate(n_cn=120, n_ad=80, image_shape=IMAGE_SHAPE, seed=0):
    """Phantoms in the order of their IDs, from PHANTOM_0001_MR1 on.

    Args:
        n_cn, n_ad: how many healthy and ill subjects.
        image_shape: pixels (anterior-posterior, left-right) of a field of 208 mm x 176 mm.
        seed: fixes subjects and images.

    Returns:
        A DataFrame with the columns `oasis.COLUMNS`, and int16 slices (n, height, width), rows
        from anterior to posterior, columns from left to right.
    """
    rng = np.random.default_rng(seed)
    frame, atrophy = draw_subjects(n_cn, n_ad, rng)
    slices = [np.rint(2000 * draw(value, rng, image_shape)).astype(np.int16) for value in atrophy]
    return frame, np.stack(slices)


def draw_subjects(n_cn, n_ad, rng):
    """Subjects whose age, sex, MMSE and CDR are distributed about as in OASIS-1.

    As there, MMSE and CDR of those under 60 are missing.

    Returns:
        A DataFrame with the columns `oasis.COLUMNS`, in random order, and their atrophy, an
        array of shape (n,).
    """
    n = n_cn + n_ad
    ill = rng.permutation(np.arange(n) < n_ad)
    group = rng.choice(3, n, p=[0.46, 0.22, 0.32])
    age = np.choose(group, [rng.normal(22.5, 3, n), rng.uniform(33, 60, n), rng.normal(75, 8, n)])
    age = np.where(ill, rng.normal(77, 7, n), age)
    age = np.clip(np.rint(age), np.where(ill, 62, 18), 96).astype(int)
    cdr = np.where(ill, rng.choice([0.5, 1, 2], n, p=[0.7, 0.28, 0.02]), 0)
    mmse_mean = 29.3 - 3.7 * ill - 6 * np.maximum(cdr - 0.5, 0)
    mmse = np.clip(np.rint(rng.normal(mmse_mean, np.where(ill, 3.5, 1.0))), 12, 30)
    male = rng.random(n) < np.where(ill, 0.41, 0.38)
    atrophy = np.clip((age - 20) / 60, 0, None) ** 1.5 + np.where(ill, 0.3 + 0.2 * cdr, 0)
    atrophy += rng.normal(0, 0.2, n)
    volume = rng.normal(np.where(male, 1590, 1400), 115).round().astype(int)
    tested = age >= 60

    def whole(values):
        return pd.Series(values).astype("Int64").where(tested)

    frame = pd.DataFrame(
        {
            "ID": [f"PHANTOM_{i + 1:04d}_MR1" for i in range(n)],
            "M/F": np.where(male, "M", "F"),
            "Hand": "R",
            "Age": age,
            "Educ": whole(rng.integers(1, 6, n)),
            "SES": whole(rng.integers(1, 6, n)),
            "MMSE": whole(mmse),
            "CDR": np.where(tested, cdr, np.nan),
            "eTIV": volume,
            "nWBV": (0.85 - 0.08 * atrophy + rng.normal(0, 0.01, n)).round(3),
            "ASF": (1755 / volume).round(3),
            "Delay": "N/A",
        }
    )
    return frame, atrophy


def draw(atrophy, rng, image_shape=IMAGE_SHAPE):
    """One axial slice at the level of the lateral ventricles, front at the top.

    Args:
        atrophy: widens ventricles and sulci and thins the cortex.
        rng: draws the individual form of outline, folds and ventricles, and the noise.
        image_shape: pixels of a field of 208 mm x 176 mm.

    Returns:
        Float32 in [0, 1], 0 outside the brain, shape `image_shape`.
    """
    spacing = np.array([208, 176]) / image_shape
    rows = ((np.arange(image_shape[0]) + 0.5) * spacing[0] - 104)[:, None]
    columns = ((np.arange(image_shape[1]) + 0.5) * spacing[1] - 88)[None]
    softness = max(1.0, spacing.max())

    radius = _outline(rng)
    depth = radius(np.arctan2(columns, -rows)) - np.hypot(rows, columns)
    folds = np.concatenate([_sulci(radius, rng), _fissure(radius, rng)])
    to_fluid = _distance(depth, folds, spacing)
    sulcus = max(0.3, 0.5 + 0.9 * atrophy + rng.normal(0, 0.12))
    cortex = max(2.0, 4.4 - 0.7 * atrophy + rng.normal(0, 0.15))

    # Ventricles and nuclei lie in the middle; elsewhere they need not be computed.
    middle = np.ix_(np.abs(rows[:, 0]) < 58, np.abs(columns[0]) < 50)
    inner = rows[middle[0][:, 0]], columns[:, middle[1][0]]

    image = np.ones(depth.shape)
    for window, distance, grey in (
        (middle, _deep_grey(*inner, rng), _DEEP_GREY),
        (..., sulcus + cortex - to_fluid, _GREY),
        (..., sulcus - to_fluid, _FLUID),
        (middle, _ventricles(*inner, atrophy, rng), _FLUID),
    ):
        share = np.clip(distance / softness + 0.5, 0, 1)
        image[window] += share * (grey - image[window])

    image = ndimage.gaussian_filter(image, 0.6 / spacing)
    texture = ndimage.gaussian_filter(rng.normal(size=image.shape), 2.5 / spacing)
    image += 0.02 * texture / texture.std() + rng.normal(0, 0.025, image.shape)
    slope = rng.normal(0, 0.04, 3)
    image *= 1 + slope[0] * rows / 80 + slope[1] * columns / 60 + slope[2] * (rows / 80) ** 2
    return (np.clip(0.85 * image, 0.02, 1) * (depth > 0)).astype("float32")


def _outline(rng):
    """The brain's radius by angle, 0 at the front and positive to the right: an uneven egg."""
    long, wide = np.array(_OUTLINE) * rng.normal(1, 0.015, 2)
    waves = np.arange(2, 9)
    heights, phases = rng.normal(0, 0.012, 7) / np.sqrt(waves - 1), rng.uniform(0, 2 * np.pi, 7)

    angle = np.linspace(-np.pi, np.pi, 721)
    egg = wide * (1 - 0.07 * np.cos(angle) - 0.03 * np.cos(2 * angle))
    ellipse = 1 / np.hypot(np.cos(angle) / long, np.sin(angle) / egg)
    wave = heights @ np.cos(waves[:, None] * angle + phases[:, None])
    # The hemispheres part at the front and the back.
    notch = 0.05 * np.exp(-((np.sin(angle) / 0.07) ** 2))
    radius = ellipse * (1 + wave - notch)
    return lambda at: np.interp(at, angle, radius)


def _sulci(radius, rng):
    """Points (row, column) along winding folds, each of which ends in a small fork."""
    angles = np.concatenate([_SULCUS_ANGLES, -_SULCUS_ANGLES])
    angles += rng.normal(0, 0.03, len(angles))
    lengths = np.tile(_SULCUS_LENGTHS, 2) * rng.uniform(0.8, 1.2, len(angles))
    points = []
    for angle, length, start in zip(angles, lengths, radius(angles), strict=True):
        inward = np.array([np.cos(angle), -np.sin(angle)])
        across = np.array([inward[1], -inward[0]])
        t = np.arange(0, length, 0.4)[:, None]
        winding = rng.normal(0, 2.2) * np.sin(t / rng.uniform(3, 5)) * np.minimum(t / 6, 1)
        points.append((t - start) * inward + winding * across)
        fork = np.linspace(-1, 1, 30)[:, None] * rng.uniform(2, 5)
        lean = rng.uniform(-0.6, 0.6) * fork - 0.08 * fork**2
        points.append(points[-1][-1] + fork * across + lean * inward)
    return np.concatenate(points)


def _fissure(radius, rng):
    """Points (row, column) of the fissure between the hemispheres, front and back."""
    points = []
    for angle, end in ((0.0, -46), (np.pi, 55)):
        row = np.arange(end, -np.cos(angle) * radius(angle), 0.4 * np.sign(end))
        column = rng.normal(0, 0.8) * np.sin(row / rng.uniform(5, 9))
        points.append(np.stack([row, column], axis=1))
    return np.concatenate(points)


def _distance(depth, folds, spacing):
    """Millimetres from each pixel to the nearest fold or to the outside of the brain."""
    tissue = depth > 0
    index = np.floor(folds / spacing + np.array(depth.shape) / 2).astype(int)
    index = np.clip(index, 0, np.array(depth.shape) - 1)
    tissue[index[:, 0], index[:, 1]] = False
    return ndimage.distance_transform_edt(tissue, sampling=spacing)


def _ventricles(rows, columns, atrophy, rng):
    """Millimetres inside the lateral and third ventricles, negative outside."""
    scale = np.exp(0.5 * atrophy + rng.normal(0, 0.1))
    knots = _VENTRICLE_ROWS + rng.normal(0, 0.6, len(_VENTRICLE_ROWS))
    row = np.linspace(knots[0], knots[-1], 42)
    column = np.interp(row, knots, _VENTRICLE_COLUMNS + rng.normal(0, 0.5, len(knots)))
    narrow = 1.1 * np.interp(row, knots, _VENTRICLE_HALF_WIDTHS)
    half_width = narrow * scale
    # Ventricles grow outwards: the septum between them stays.
    column = np.maximum(column + 0.5 * (half_width - narrow), half_width + 0.9)
    side = np.where(columns < 0, *rng.normal(1, 0.06, 2))
    squares = (rows[..., None] - row) ** 2, (np.abs(columns)[..., None] - column) ** 2
    from_path = np.sqrt(squares[0] + squares[1])
    lateral = (side[..., None] * half_width - from_path).max(axis=-1)
    third = 0.7 * scale - np.abs(columns) - 0.02 * (rows - 8) ** 2
    return np.maximum(lateral, third)


def _deep_grey(rows, columns, rng):
    """Millimetres inside caudate nucleus, putamen and thalamus of both sides, roughly."""
    nuclei = []
    for row, column, long, wide, tilt in _NUCLEI:
        down = rows - row - rng.normal(0, 0.8)
        out = np.abs(columns) - column - rng.normal(0, 0.8)
        along = np.cos(tilt) * down + np.sin(tilt) * out
        across = np.cos(tilt) * out - np.sin(tilt) * down
        nuclei.append(wide * (1 - np.hypot(along / long, across / wide)))
    return np.max(nuclei, axis=0)
