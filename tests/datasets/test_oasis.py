import pickle

import nibabel
import numpy as np
import pandas as pd
import pytest

from dagen_keras import datasets
from dagen_keras.datasets import DataError, oasis
from dagen_keras.papers.chadebec.demographics import table1

SHAPE = (8, 16, 6)
FOLDER = "PROCESSED/MPRAGE/T88_111"


def _frame(cdr, age=50):
    """Subjects OAS1_0001_MR1, ... with these CDR."""
    n = len(cdr)
    frame = pd.DataFrame({"ID": [f"OAS1_{i + 1:04d}_MR1" for i in range(n)], "CDR": cdr})
    others = {"M/F": "F", "Hand": "R", "Age": age, "Educ": 2, "SES": 3, "MMSE": 29, "eTIV": 1500}
    return frame.assign(**others, nWBV=0.8, ASF=1.17, Delay="N/A")[list(oasis.COLUMNS)]


def _volume(i, shape=SHAPE):
    return np.random.default_rng(i).integers(1, 3000, shape).astype(">i2")


def _write(directory, subject, voxels, disc="disc1", suffix=".img"):
    folder = directory / disc / subject / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{subject}_mpr_n4_anon_111_t88_masked_gfc{suffix}"
    if suffix == ".img":
        header = nibabel.AnalyzeHeader(endianness=">" if voxels.dtype.byteorder == ">" else "<")
        image = nibabel.AnalyzeImage(voxels, None, header)
        image.set_data_dtype(voxels.dtype)
    else:
        image = nibabel.Nifti1Image(voxels.astype("float32"), np.diag([1, 1, 1, 1]))
    nibabel.save(image, path)
    return path


@pytest.fixture
def archive(tmp_path):
    """Six subjects, their repeat scans among them, in Analyze 7.5 as OASIS-1 has them."""
    frame = _frame([None, 0, 0, 0.5, 1, 2])
    repeat = frame.iloc[[1]].assign(ID="OAS1_0002_MR2", Delay="23")
    pd.concat([repeat, frame[::-1]]).to_csv(tmp_path / oasis.CSV_NAME, index=False)
    for i, subject in enumerate(frame["ID"]):
        shape = (*SHAPE, 1) if i == 1 else SHAPE
        _write(tmp_path, subject, _volume(i, shape), disc=f"disc{i // 3}")
    _write(tmp_path, "OAS1_0002_MR2", _volume(99))
    # What else lies in the archive.
    other = tmp_path / "disc0/OAS1_0001_MR1/FSL_SEG/OAS1_0001_MR1_111_t88_masked_gfc_fseg.img"
    other.parent.mkdir()
    other.write_bytes(b"")
    (tmp_path / "disc0/OAS1_0001_MR1/OAS1_0001_MR1_111_t88_masked_gfc_tra_90.gif").touch()
    return tmp_path


def _image(directory, number):
    return next(directory.rglob(f"OAS1_{number:04d}_MR1_mpr*_gfc.img"))


def _read(directory, **options):
    return oasis.read(directory, slice_index=4, volume_shape=SHAPE, **options)


def test_one_scaled_slice_a_subject_from_anterior_to_posterior(archive):
    images, frame = _read(archive)
    assert images.shape == (6, 16, 8, 1)
    assert images.dtype == np.float32
    assert frame["ID"].tolist() == [f"OAS1_{i:04d}_MR1" for i in range(1, 7)]
    assert frame["label"].tolist() == [0, 0, 0, 1, 1, 1]
    for i in range(6):
        voxels = _volume(i).astype(float)[:, :, 4]
        # Analyze: the first axis runs from right to left, the second to the front.
        expected = voxels[::-1, ::-1].T
        expected = np.clip(expected / np.percentile(expected, 99.5), 0, 1)
        np.testing.assert_allclose(images[i, ..., 0], expected, rtol=1e-6)


def test_the_orientation_of_a_nifti_header_counts(archive):
    expected, _ = _read(archive)
    for suffix, number in ((".nii", 1), (".nii.gz", 2)):
        path = _image(archive, number)
        path.unlink()
        path.with_suffix(".hdr").unlink()
        # Left to right here, so mirrored to be the same image.
        _write(archive, f"OAS1_{number:04d}_MR1", _volume(number - 1)[::-1], suffix=suffix)
    np.testing.assert_allclose(_read(archive)[0], expected, rtol=1e-6)


def test_zeros_do_not_count_for_the_scale(archive):
    voxels = np.zeros(SHAPE, "<i2")
    voxels[3, 5:8, 4] = [-7, 50, 100]
    _image(archive, 1).unlink()
    _write(archive, "OAS1_0001_MR1", voxels, disc="disc0")
    image = _read(archive)[0][0]
    assert np.count_nonzero(image) == 2
    assert image.max() == 1
    assert image[16 - 1 - 6, 8 - 1 - 3, 0] == pytest.approx(50 / 99.75)


def test_downsampling_averages_blocks(archive):
    small, large = _read(archive, downsample=4)[0], _read(archive)[0]
    assert small.shape == (6, 4, 2, 1)
    np.testing.assert_allclose(small[2, 1, 0, 0], large[2, 4:8, 0:4].mean(), rtol=1e-6)


def test_wrong_options_are_refused(archive):
    with pytest.raises(ValueError, match=r"downsample must be one of \[1, 2, 4, 8\]; got 3"):
        _read(archive, downsample=3)
    with pytest.raises(ValueError, match="slice_index must be an integer from 0 to 5; got 6"):
        oasis.read(archive, slice_index=6, volume_shape=SHAPE)


def test_a_missing_directory_says_how_to_get_oasis(tmp_path):
    with pytest.raises(DataError, match=r"nowhere' is no directory") as caught:
        oasis.read(tmp_path / "nowhere")
    message = str(caught.value)
    assert "data use agreement" in message
    assert "oasis_cross-sectional_disc1..12.tar.gz" in message
    assert 'load("phantoms")' in message


def test_a_missing_csv_is_named(archive):
    (archive / oasis.CSV_NAME).unlink()
    with pytest.raises(DataError, match=r"oasis_cross-sectional\.csv' is missing"):
        _read(archive)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read as comma-separated text"),
        ("ID,Age\n1,2,3\n1,2,3,4,5\n", "cannot be read as comma-separated text"),
        ("ID;M/F;Hand\nOAS1_0001_MR1;F;R\n", "has no column 'ID'; it must have ID, M/F"),
        ("PK\x03\x04\udcff\udcfe", "cannot be read"),
    ],
)
def test_a_csv_of_another_kind_is_refused(archive, text, message):
    (archive / oasis.CSV_NAME).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=rf"oasis_cross-sectional\.csv' {message}"):
        _read(archive)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns="MMSE"), "has no column 'MMSE'"),
        (lambda frame: frame.assign(Age="old"), "column 'Age' must hold numbers"),
        (lambda frame: frame.assign(CDR=0.7), "CDR of OAS1_0001_MR1 must be one of .*got 0.7"),
        (lambda frame: pd.concat([frame, frame[:1]]), "has two rows of OAS1_0001_MR1"),
        (lambda frame: frame[:0], "has no row of a subject"),
    ],
)
def test_a_wrong_table_is_refused(archive, change, message):
    change(_frame([0, 1])).to_csv(archive / oasis.CSV_NAME, index=False)
    with pytest.raises(DataError, match=message):
        _read(archive)


def test_subjects_without_an_image_are_counted_and_left_out(archive):
    for number in (3, 5):
        _image(archive, number).with_suffix(".hdr").unlink()
        _image(archive, number).unlink()
    with pytest.warns(UserWarning, match=r"2 of the 6 subjects .* the first is OAS1_0003_MR1"):
        images, frame = _read(archive)
    assert len(images) == 4
    assert frame["ID"].str[5:9].tolist() == ["0001", "0002", "0004", "0006"]


def test_no_image_at_all_is_an_error(tmp_path):
    _frame([0, 1]).to_csv(tmp_path / oasis.CSV_NAME, index=False)
    with pytest.raises(DataError, match=r"No image of the 2 subjects .*OAS1_0001_MR1_\*"):
        _read(tmp_path)


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-10])


def _foreign(path):
    path.with_suffix(".hdr").write_bytes(b"not a header" * 40)


def _holding_nan(path):
    voxels = _volume(1).astype("<f4")
    voxels[2, 3, 4] = np.nan
    nibabel.save(nibabel.AnalyzeImage(voxels, None), path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_truncate, r"_gfc\.img' cannot be read"),
        (_foreign, r"_gfc\.img' cannot be read as a volume in Analyze or NIfTI"),
        (lambda path: path.with_suffix(".hdr").unlink(), r"_gfc\.img' has no '\.hdr' beside it"),
        (lambda path: path.unlink(), r"_gfc\.hdr' has no '\.img' beside it"),
        (_holding_nan, r"_gfc\.img' holds NaN or infinity in slice 4"),
        (
            lambda path: nibabel.save(nibabel.AnalyzeImage(_volume(1, (8, 16, 5)), None), path),
            r"_gfc\.img' must hold 8x16x6 voxels; it holds 8x16x5",
        ),
        (
            lambda path: nibabel.save(nibabel.AnalyzeImage(0 * _volume(1), None), path),
            r"_gfc\.img' is empty in slice 4",
        ),
        (
            lambda path: _write(path.parents[5], "OAS1_0002_MR1", _volume(1), "disc9"),
            r"OAS1_0002_MR1 has two images, '.*disc0.*\.img' and '.*disc9.*\.img'",
        ),
        (
            lambda path: _write(path.parents[5], "OAS1_0002_MR1", _volume(1), "disc0", ".nii"),
            r"OAS1_0002_MR1 has two images, '.*\.img' and '.*\.nii'",
        ),
    ],
)
def test_a_damaged_image_is_named(archive, damage, message):
    damage(_image(archive, 2))
    with pytest.raises(DataError, match=message) as caught:
        _read(archive)
    assert "OAS1_0002_MR1" in str(caught.value)


def test_a_torn_compressed_nifti_is_named(tmp_path):
    _frame([0]).to_csv(tmp_path / oasis.CSV_NAME, index=False)
    _truncate(_write(tmp_path, "OAS1_0001_MR1", _volume(0), suffix=".nii.gz"))
    with pytest.raises(DataError, match=r"_gfc\.nii\.gz' cannot be read"):
        _read(tmp_path)


class TestSplit:
    def test_the_paper_counts(self):
        frame = _frame(np.random.default_rng(0).permutation([0.0] * 316 + [0.5] * 100))
        parts = oasis.split(frame)
        counts = [np.bincount(frame["CDR"].iloc[part] > 0).tolist() for part in parts]
        assert counts == [[220, 70], [30, 12], [66, 18]]
        assert sorted(np.concatenate(parts)) == list(range(416))

    @pytest.mark.parametrize(
        ("n_cn", "n_ad", "counts"),
        [
            (120, 80, [[84, 56], [11, 10], [25, 14]]),
            (3, 4, [[1, 2], [1, 1], [1, 1]]),
            (2, 1, [[1, 1], [0, 0], [1, 0]]),
        ],
    )
    def test_other_counts_are_proportional(self, n_cn, n_ad, counts):
        frame = _frame([0.0] * n_cn + [1.0] * n_ad)
        found = [
            np.bincount(frame["CDR"].iloc[part] > 0, minlength=2).tolist()
            for part in oasis.split(frame)
        ]
        assert found == counts

    def test_depends_on_the_seed_and_not_on_the_order(self):
        frame = _frame([0.0] * 40 + [1.0] * 20)
        shuffled = frame.sample(frac=1, random_state=1)

        def test_ids(frame, seed):
            return set(frame["ID"].iloc[oasis.split(frame, seed)[2]])

        assert test_ids(frame, 3) == test_ids(shuffled, 3)
        assert test_ids(frame, 3) != test_ids(frame, 4)


def test_table_1_of_a_small_table():
    frame = _frame([None, 0, 0, 0.5, 1, 3]).assign(
        Age=[20, 30, 70, 70, 80, 90],
        MMSE=[np.nan, 28, 30, 20, 25, 21],
        part=["train", "train", "test", "train", "train", "validation"],
    )
    frame["M/F"] = list("MFFMMF")
    table = table1(frame)
    assert table.index.tolist() == [
        (part, label) for part in ("all", "train", "validation", "test") for label in ("CN", "AD")
    ]
    assert table.loc[("all", "CN")].to_dict() == {
        "Obs.": 3,
        "Age": "40.0 ± 26.5",
        "Sex M/F": "1/2",
        "MMSE": "29.0 ± 1.4",
        "CDR": "0: 3",
    }
    assert table.loc[("all", "AD"), "CDR"] == "0.5: 1, 1: 1, 2: 0, 3: 1"
    assert table.loc[("all", "AD"), "MMSE"] == "22.0 ± 2.6"
    assert table.loc[("train", "AD"), "Age"] == "75.0 ± 7.1"
    assert table.loc[("train", "CN"), "MMSE"] == "-"
    assert table.loc[("validation", "CN")].tolist() == [0, "-", "0/0", "-", "0: 0"]


def test_table_1_parts_as_split_does():
    frame = _frame([0.0] * 316 + [0.5] * 70 + [1.0] * 28 + [2.0] * 2)
    table = table1(frame)
    assert table["Obs."].tolist() == [316, 100, 220, 70, 30, 12, 66, 18]
    assert table.loc[("all", "AD"), "CDR"] == "0.5: 70, 1: 28, 2: 2"


@pytest.fixture
def real_size(tmp_path):
    """An archive of 12 subjects of the real size: files with holes, slice 90 written."""
    frame = _frame([0.0] * 6 + [0.5] * 6)
    (tmp_path / "oasis").mkdir()
    frame.to_csv(tmp_path / "oasis" / oasis.CSV_NAME, index=False)
    header = nibabel.AnalyzeHeader(endianness=">")
    header.set_data_shape((*oasis.VOLUME_SHAPE, 1))
    header.set_data_dtype(np.int16)
    for i, subject in enumerate(frame["ID"]):
        folder = tmp_path / "oasis/disc1" / subject / FOLDER
        folder.mkdir(parents=True)
        path = folder / f"{subject}_mpr_n4_anon_111_t88_masked_gfc.hdr"
        path.write_bytes(header.binaryblock)
        with open(path.with_suffix(".img"), "wb") as file:
            file.truncate(2 * 176 * 208 * 176)
            file.seek(2 * 176 * 208 * 90)
            file.write(_volume(i, (208, 176)).tobytes())
    return tmp_path


def test_load_gives_a_dataset_with_its_subjects(real_size, monkeypatch, no_data_dir):
    data = datasets.load("oasis", data_dir=real_size)
    assert data.x_train.shape == (10, 208, 176, 1)
    assert data.class_names == ("CN", "AD")
    assert datasets.n_classes("oasis") == 2
    assert data.description == "OASIS-1, 12 of its 416 subjects, axial slice 90"
    monkeypatch.setenv("DAGEN_DATA_DIR", str(real_size / "oasis"))
    assert datasets.load("oasis").fingerprint == data.fingerprint
    assert datasets.load("oasis", downsample=4).image_shape == (52, 44, 1)

    subjects = data.subjects
    np.testing.assert_array_equal(subjects["label"], np.concatenate([data.y_train, data.y_test]))
    assert set(subjects["part"][:10]) == {"train", "validation"}
    assert set(subjects["part"][10:]) == {"test"}
    for row, image in enumerate([*data.x_train, *data.x_test]):
        number = int(subjects["ID"][row][5:9])
        # The file holds rows from posterior to anterior, each from right to left.
        voxels = _volume(number - 1, (208, 176)).astype(float)[::-1, ::-1]
        expected = np.clip(voxels / np.percentile(voxels, 99.5), 0, 1)
        np.testing.assert_allclose(image[..., 0], expected, rtol=1e-6)
    assert pickle.loads(pickle.dumps(data)).fingerprint == data.fingerprint


def test_a_slice_without_brain_is_named(real_size):
    with pytest.raises(DataError, match="OAS1_0001_MR1.* is empty in slice 20"):
        datasets.load("oasis", data_dir=real_size, slice_index=20)


def test_load_without_the_archive_says_how_to_get_it(tmp_path, no_data_dir):
    with pytest.raises(DataError, match=r"(?s)no directory is named.*DAGEN_DATA_DIR"):
        datasets.load("oasis")
    with pytest.raises(DataError, match=r"oasis_cross-sectional\.csv' is missing"):
        datasets.load("oasis", data_dir=tmp_path)
    with pytest.raises(ValueError, match="'oasis' has no option 'image_size'"):
        datasets.load("oasis", data_dir=tmp_path, image_size=50)


def test_too_few_subjects_to_test_are_refused(tmp_path):
    frame = _frame([0.0]).assign(label=0)
    with pytest.raises(DataError, match="test images must not be empty"):
        oasis.as_dataset("oasis", np.ones((1, 4, 4, 1)), frame, "")


def test_parts_are_those_of_the_subjects_and_keep_their_mean():
    data = datasets.load("phantoms")
    parts = oasis.parts(data, 4)
    assert list(parts) == ["train", "validation", "test"]
    assert sum(len(y) for _, y in parts.values()) == len(data.subjects)
    assert parts["test"][0].shape[1:] == (52, 44, 1)
    np.testing.assert_allclose(parts["test"][0].mean(), data.x_test.mean(), rtol=1e-4)
    np.testing.assert_array_equal(parts["test"][1], data.y_test)
