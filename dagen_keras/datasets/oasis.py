"""OASIS-1: one axial slice a subject, from the archive that the user downloaded.

`phantoms` makes images of the same form; written in the archive's layout, `read` reads them.
"""

import re
import warnings
from pathlib import Path

import numpy as np

from dagen_keras.datasets.base import DataError, make_dataset
from dagen_keras.datasets.subjects import CLASS_NAMES, COLUMNS, PARTS, read_csv, split

__all__ = [
    "COLUMNS",
    "as_dataset",
    "block_mean",
    "load",
    "parts",
    "read",
    "read_csv",
    "split",
]

CSV_NAME = "oasis_cross-sectional.csv"
VOLUME_SHAPE = (176, 208, 176)
SLICE_INDEX = 90

_N_SUBJECTS = 416
_IMAGE_NAME = re.compile(r"(.+_MR\d+)_(?:.*_)?t88_masked_gfc\.(img|hdr|nii|nii\.gz)")
_HOW_TO_SUPPLY = (
    "\n  OASIS-1 is free of charge, but its data use agreement forbids shipping it: register at "
    "https://sites.wustl.edu/oasisbrains/,\n"
    f"  unpack oasis_cross-sectional_disc1..12.tar.gz and put '{CSV_NAME}' beside them in "
    "DIR/oasis (data/README.md says more),\n"
    "  and name DIR with --data-dir or DAGEN_DATA_DIR. Without it, use the generated phantoms, "
    'load("phantoms").'
)


def load(data_dir, slice_index=SLICE_INDEX, downsample=1):
    """OASIS-1 in `data_dir`/oasis, or else in `data_dir`, as a `Dataset`; see `as_dataset`.

    Args:
        data_dir: a directory, or None where the user named none.
        slice_index, downsample: as for `read`.

    Raises:
        DataError, ValueError: as `read`.
    """
    if data_dir is None:
        raise DataError(f"Dataset 'oasis' cannot be had: no directory is named.{_HOW_TO_SUPPLY}")
    directory = Path(data_dir)
    if (directory / "oasis").is_dir():
        directory = directory / "oasis"
    images, frame = read(directory, slice_index=slice_index, downsample=downsample)
    count = f"{len(frame)} of its {_N_SUBJECTS}" if len(frame) < _N_SUBJECTS else len(frame)
    description = f"OASIS-1, {count} subjects, axial slice {slice_index}"
    return as_dataset("oasis", images, frame, description)


def as_dataset(name, images, frame, description):
    """A `Dataset` of n images and the n rows of their subjects.

    Its train part is the train and validation parts of `split` (seed 0), which the column `part`
    of `Dataset.subjects` tells apart.

    Raises:
        DataError: if there are too few subjects to fill both parts.
    """
    parts = split(frame)
    part = np.empty(len(frame), dtype=object)
    for value, chosen in zip(PARTS, parts, strict=True):
        part[chosen] = value
    train, test = np.concatenate(parts[:2]), parts[2]
    y = frame["label"].to_numpy()
    return make_dataset(
        name,
        (images[train], y[train]),
        (images[test], y[test]),
        CLASS_NAMES,
        description,
        subjects=frame.assign(part=part).iloc[np.concatenate([train, test])],
    )


def parts(data, downsample=1):
    """(images, labels) of the parts "train", "validation" and "test" of a `Dataset` of brains.

    `downsample` is the side in pixels of the blocks that are averaged into one pixel.
    """
    part = data.subjects["part"].to_numpy()
    x = np.concatenate([data.x_train, data.x_test])
    x = block_mean(x[..., 0], downsample)[..., None]
    y = np.concatenate([data.y_train, data.y_test])
    return {name: (x[part == name], y[part == name]) for name in PARTS}


def read(
    directory,
    csv_name=CSV_NAME,
    slice_index=SLICE_INDEX,
    downsample=1,
    volume_shape=VOLUME_SHAPE,
):
    """Images and demographics of all subjects, ordered by ID.

    Images are the files `<ID>_*t88_masked_gfc` anywhere below `directory`, in Analyze 7.5 (`.img`
    with `.hdr`) or NIfTI (`.nii`, `.nii.gz`). Repeat scans (`_MR2`) and images without a row in
    the CSV are left out; rows without an image are left out with a warning that counts them.

    The image of a subject is the axial slice `volume[:, :, slice_index]`, index 0 the lowest. Its
    rows run from anterior to posterior (208), its columns from left to right (176) as the file's
    header says; Analyze headers do not say, and nibabel then takes the first axis to run from
    right to left. Intensities are divided by the 99.5th percentile of the slice's voxels above 0
    and clipped to [0, 1]. Only the slice is read into memory.

    Args:
        directory: where the archive was unpacked; the CSV lies directly in it.
        csv_name: file name of the demographics, a CSV with the columns `COLUMNS`.
        slice_index: the default, 90, is the slice of the archive's own preview pictures
            (`*_tra_90.gif`), at the level of the lateral ventricles. The paper does not name one.
        downsample: side in pixels of the blocks that are averaged into one pixel; 1, 2, 4, 8, 16.
        volume_shape: voxels left-right, posterior-anterior, inferior-superior.

    Returns:
        (images, frame): float32, shape (n, 208 / downsample, 176 / downsample, 1), in [0, 1], and
        the n rows of `read_csv`.

    Raises:
        DataError: if the directory, the CSV or an image is missing, cannot be read or is not what
            is described here, or if a subject has two images; the message names the file.
        ValueError: if `slice_index` is not in the volume or `downsample` does not divide it.
    """
    width, height, depth = volume_shape
    if not isinstance(slice_index, int | np.integer) or not 0 <= slice_index < depth:
        raise ValueError(
            f"slice_index must be an integer from 0 to {depth - 1}; got {slice_index!r}."
        )
    check_downsample(downsample, (height, width))
    directory = Path(directory).expanduser()
    if not directory.is_dir():
        raise DataError(f"'{directory}' is no directory.{_HOW_TO_SUPPLY}")
    csv = directory / csv_name
    if not csv.is_file():
        raise DataError(
            f"'{csv}' is missing, the table of subjects; a spreadsheet must be saved as CSV under "
            f"this name.{_HOW_TO_SUPPLY}"
        )
    frame = read_csv(csv)
    found = _image_files(directory)
    has_image = frame["ID"].isin(found.keys())
    if not has_image.any():
        raise DataError(
            f"No image of the {len(frame)} subjects of '{csv}' is below '{directory}'; looked for "
            f"'{frame['ID'].iloc[0]}_*t88_masked_gfc.img' and the like.{_HOW_TO_SUPPLY}"
        )
    if not has_image.all():
        warnings.warn(
            f"{(~has_image).sum()} of the {len(frame)} subjects of '{csv}' have no image "
            f"'<ID>_*t88_masked_gfc.img' below '{directory}' and are left out; the first is "
            f"{frame['ID'][~has_image].iloc[0]}.",
            stacklevel=2,
        )
    frame = frame[has_image].reset_index(drop=True)
    images = np.empty((len(frame), height // downsample, width // downsample, 1), "float32")
    for i, subject in enumerate(frame["ID"]):
        path = _one_image(subject, found[subject])
        images[i, ..., 0] = block_mean(_read_slice(path, volume_shape, slice_index), downsample)
    return images, frame


def check_downsample(factor, image_shape):
    """Raises a ValueError unless `factor` divides both sides of an image."""
    height, width = image_shape
    known = [value for value in range(1, 17) if height % value == 0 == width % value]
    if factor not in known:
        raise ValueError(f"downsample must be one of {known}; got {factor!r}.")


def block_mean(images, factor):
    """Means of blocks of factor x factor pixels of images, shape (..., height, width)."""
    *others, height, width = images.shape
    blocks = images.reshape(*others, height // factor, factor, width // factor, factor)
    return blocks.mean(axis=(-3, -1))


def _image_files(directory):
    """The files of each subject's image, headers among them."""
    found = {}
    for path in sorted(directory.rglob("*t88_masked_gfc.*")):
        match = _IMAGE_NAME.fullmatch(path.name)
        if match:
            found.setdefault(match[1], []).append(path)
    return found


def _one_image(subject, paths):
    images = [path for path in paths if path.suffix != ".hdr"]
    if len(images) > 1:
        raise DataError(f"{subject} has two images, '{images[0]}' and '{images[1]}'; keep one.")
    if not images:
        raise DataError(f"'{paths[0]}' has no '.img' beside it; copy it from the archive anew.")
    if images[0].suffix == ".img" and images[0].with_suffix(".hdr") not in paths:
        raise DataError(f"'{images[0]}' has no '.hdr' beside it; copy it from the archive anew.")
    return images[0]


def _read_slice(path, volume_shape, slice_index):
    """One slice of a volume, scaled to [0, 1], float32, shape (height, width)."""
    try:
        import nibabel
    except ModuleNotFoundError:
        raise DataError("'oasis' needs nibabel: pip install 'dagen-keras[papers]'.") from None
    try:
        image = nibabel.as_closest_canonical(nibabel.load(path))
        voxels = np.asanyarray(image.dataobj)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"'{path}' cannot be read as a volume in Analyze or NIfTI format ({reason}); copy it "
            "from the archive anew."
        ) from error
    if voxels.ndim == 4 and voxels.shape[3] == 1:
        voxels = voxels[..., 0]
    if voxels.shape != tuple(volume_shape):
        raise DataError(
            f"'{path}' must hold {_times(volume_shape)} voxels; it holds {_times(voxels.shape)}."
        )
    # The last voxels of the second axis are the anterior ones.
    image = np.asarray(voxels[:, ::-1, slice_index].T, "float32")
    if not np.isfinite(image).all():
        raise DataError(f"'{path}' holds NaN or infinity in slice {slice_index}; it must not.")
    if not (image > 0).any():
        raise DataError(f"'{path}' is empty in slice {slice_index}: no voxel is above 0.")
    return scaled(image)


def scaled(image):
    """A slice's intensities, float32, over their 99.5th percentile above 0, clipped to [0, 1]."""
    return np.clip(image / np.percentile(image[image > 0], 99.5), 0, 1).astype("float32")


def _times(shape):
    return "x".join(map(str, shape))
