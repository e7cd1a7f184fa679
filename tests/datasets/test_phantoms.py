import nibabel
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import cross_val_predict

from dagen_keras import datasets
from dagen_keras.datasets import oasis, phantoms
from dagen_keras.papers.chadebec.demographics import table1

CSV_NAME = "phantoms_cross-sectional.csv"


def write(directory, n_cn, n_ad, image_shape=phantoms.IMAGE_SHAPE, seed=0):
    """Writes phantoms as the files of OASIS-1, a volume of one slice each; the CSV's content."""
    directory.mkdir(exist_ok=True)
    spacing = 208 / image_shape[0], 176 / image_shape[1]
    frame, slices = phantoms.generate(n_cn, n_ad, image_shape, seed)
    for subject, image in zip(frame["ID"], slices, strict=True):
        # As an Analyze file stores it: right to left, posterior to anterior.
        voxels = image[::-1, ::-1].T[..., None]
        (directory / subject).mkdir()
        volume = nibabel.AnalyzeImage(voxels, np.diag([-spacing[1], spacing[0], 1, 1]))
        nibabel.save(volume, directory / subject / f"{subject}_t88_masked_gfc.img")
    frame.to_csv(directory / CSV_NAME, index=False, lineterminator="\n")
    return frame


def read(directory, image_shape=phantoms.IMAGE_SHAPE):
    """Images and frame of what `write` wrote, by the reader of OASIS."""
    shape = (*image_shape[::-1], 1)
    return oasis.read(directory, csv_name=CSV_NAME, slice_index=0, volume_shape=shape)


@pytest.fixture(scope="module")
def data():
    return datasets.load("phantoms")


@pytest.fixture(scope="module")
def images(data):
    return np.concatenate([data.x_train, data.x_test])[..., 0]


@pytest.fixture(scope="module")
def ventricles(images):
    """Share of dark pixels in the middle of each image."""
    return (images[:, 65:160, 60:116] < 0.4).mean(axis=(1, 2))


def _files(directory):
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*.*")}


def test_load_gives_200_slices_in_the_parts_of_the_paper(data):
    assert data.x_train.shape == (161, 208, 176, 1)
    assert len(data.x_test) == 39
    assert datasets.n_classes("phantoms") == data.n_classes == 2
    assert data.class_names == ("CN", "AD")
    assert data.description == "generated brain-like phantoms, not OASIS"
    table = table1(data.subjects)
    assert table["Obs."].tolist() == [120, 80, 84, 56, 11, 10, 25, 14]


def test_loading_repeats_and_downsamples(data, images):
    small = datasets.load("phantoms", downsample=4)
    assert small.fingerprint != data.fingerprint
    assert small.x_train.shape == (161, 52, 44, 1)
    assert set(small.subjects["ID"][:161]) == set(data.subjects["ID"][:161])
    by_id = dict(zip(data.subjects["ID"], images, strict=True))
    for subject, image in zip(small.subjects["ID"], small.x_train[..., 0], strict=False):
        expected = by_id[subject].reshape(52, 4, 44, 4).mean(axis=(1, 3))
        np.testing.assert_allclose(image, expected, rtol=1e-4)
    with pytest.raises(ValueError, match="downsample must be one of"):
        datasets.load("phantoms", downsample=5)


def test_subjects_resemble_table_1(data):
    subjects = data.subjects
    ill = subjects["label"] == 1
    assert abs(subjects["Age"][~ill].mean() - 45.1) < 5
    assert abs(subjects["Age"][~ill].std() - 23.9) < 4
    assert abs(subjects["Age"][ill].mean() - 76.8) < 3
    assert abs(subjects["Age"][ill].std() - 7.1) < 2
    assert abs(subjects["MMSE"][~ill].mean() - 29.1) < 0.5
    assert abs(subjects["MMSE"][ill].mean() - 24.3) < 1.5
    assert subjects["CDR"][subjects["Age"] < 60].isna().all()
    assert set(subjects["CDR"][ill]) == {0.5, 1, 2}
    assert abs((subjects["CDR"][ill] == 0.5).mean() - 0.7) < 0.1


def test_images_are_brains_on_black(images):
    brain = images > 0
    assert not brain[:, 0].any() and not brain[:, :, 0].any()
    assert brain[:, 104, 40:136].all()
    assert 0.3 < brain.mean() < 0.6
    area = brain.sum(axis=(1, 2))
    fluid = (brain & (images < 0.4)).sum(axis=(1, 2)) / area
    white = (images > 0.75).sum(axis=(1, 2)) / area
    assert fluid.min() > 0.02 and fluid.max() < 0.45
    assert white.min() > 0.3 and white.max() < 0.75


def test_ventricles_grow_with_age_and_with_disease(data, ventricles):
    age = data.subjects["Age"].to_numpy(float)
    ill = data.subjects["label"].to_numpy(float)
    design = np.stack([np.ones_like(age), age, ill], axis=1)
    effects, residual, *_ = np.linalg.lstsq(design, ventricles, rcond=None)
    variance = residual[0] / (len(age) - 3) * np.linalg.inv(design.T @ design)
    t = effects / np.sqrt(np.diag(variance))
    assert t[1] > 5
    assert t[2] > 5


def test_old_and_healthy_overlaps_with_ill(data, ventricles):
    y, old = data.subjects["label"].to_numpy(), data.subjects["Age"].to_numpy() >= 60
    model = LogisticRegression(C=1e4, class_weight="balanced")
    guess = cross_val_predict(model, ventricles[:, None], y, cv=5)
    assert 0.75 < balanced_accuracy_score(y, guess) < 0.95
    assert 0.6 < balanced_accuracy_score(y[old], guess[old]) < 0.85
    assert ventricles[old & (y == 0)].max() > np.median(ventricles[y == 1])


def test_sulci_widen_and_the_cortex_thins():
    fluid, cortex = [], []
    for atrophy in (0.0, 1.0, 2.0):
        slices = np.array([phantoms.draw(atrophy, np.random.default_rng(s)) for s in range(5)])
        slices[:, 60:165, 55:121] = 1
        fluid.append(((slices > 0) & (slices < 0.35)).mean())
        cortex.append(((slices > 0.45) & (slices < 0.65)).mean())
    assert 1.5 * fluid[0] < fluid[1] < fluid[2]
    assert cortex[0] > cortex[1] > cortex[2]


def test_files_round_trip_through_the_reader_of_oasis(tmp_path):
    frame = write(tmp_path, n_cn=4, n_ad=3, seed=5)
    images, found = read(tmp_path)
    assert found["ID"].tolist() == frame["ID"].tolist()
    assert found["label"].sum() == 3
    for column in ("Age", "Educ", "SES", "MMSE", "CDR", "eTIV", "nWBV", "ASF"):
        np.testing.assert_array_equal(found[column].astype(float), frame[column].astype(float))
    assert found["M/F"].tolist() == frame["M/F"].tolist()
    assert found["Delay"].isna().all()
    drawn, atrophy = phantoms.draw_subjects(4, 3, rng := np.random.default_rng(5))
    first = phantoms.draw(atrophy[0], rng)
    ratio = images[0, ..., 0][first > 0] / first[first > 0]
    inside = images[0, ..., 0][first > 0] < 1
    np.testing.assert_allclose(ratio[inside], np.median(ratio), rtol=0.03)
    assert drawn.equals(frame)


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write(tmp_path / name, n_cn=2, n_ad=2, seed=seed)
    files = [_files(tmp_path / name) for name in "abc"]
    assert len(files[0]) == 9
    assert files[0] == files[1]
    assert files[0].keys() == files[2].keys()
    assert files[0] != files[2]


def test_another_image_shape(tmp_path):
    write(tmp_path, n_cn=2, n_ad=1, image_shape=(104, 88))
    images, _ = read(tmp_path, image_shape=(104, 88))
    assert images.shape == (3, 104, 88, 1)
    assert 0.3 < (images > 0).mean() < 0.6


def test_nothing_is_named_oasis(data, tmp_path):
    write(tmp_path, n_cn=1, n_ad=1)
    for name, content in _files(tmp_path).items():
        assert "oas" not in name.lower()
        assert b"oas" not in content.lower() or name.endswith(".img")
    assert data.subjects["ID"].str.fullmatch(r"PHANTOM_\d{4}_MR1").all()
    with pytest.raises(datasets.DataError, match=r"oasis_cross-sectional\.csv' is missing"):
        datasets.load("oasis", data_dir=tmp_path)
