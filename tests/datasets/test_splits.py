import numpy as np
import pytest

from dagen_keras import datasets

Y = np.repeat(np.arange(5), [10, 20, 30, 40, 100])


def test_balanced_subset_has_as_many_of_each_class():
    chosen = datasets.balanced_subset(Y, 50, seed=0)
    assert len(set(chosen)) == 50
    assert np.bincount(Y[chosen]).tolist() == [10] * 5


@pytest.mark.parametrize(
    ("n", "message"),
    [(55, "class 0 has 10 images in the training set; 11"), (52, "multiple of 5"), (0, "got 0")],
)
def test_balanced_subset_says_what_is_short(n, message):
    with pytest.raises(ValueError, match=message):
        datasets.balanced_subset(Y, n, seed=0)


def test_unbalanced_subset_keeps_proportions_and_minimum():
    y = np.repeat(np.arange(10), 500)
    subsets = [datasets.unbalanced_subset(y, 500, seed) for seed in range(3)]
    counts = [np.bincount(y[chosen], minlength=10) for chosen in subsets]
    assert all(len(set(chosen)) == 500 for chosen in subsets)
    assert min(counts[0]) >= 8
    assert max(counts[0]) > 2 * min(counts[0])
    np.testing.assert_array_equal(counts[0], counts[1])
    assert set(subsets[0]) != set(subsets[1])


def test_unbalanced_subset_needs_room_for_the_minimum():
    with pytest.raises(ValueError, match="need 40 images; got n=39"):
        datasets.unbalanced_subset(Y, 39, seed=0)


def test_keep_share_thins_the_chosen_classes_alone():
    chosen = datasets.keep_share(Y, [3, 4], 0.25, seed=0)
    assert np.bincount(Y[chosen]).tolist() == [10, 20, 30, 10, 25]
    with pytest.raises(ValueError, match="no images of class 9"):
        datasets.keep_share(Y, [9], 0.5, seed=0)
    with pytest.raises(ValueError, match="share must be in"):
        datasets.keep_share(Y, [3], 0.0, seed=0)


def test_stratified_validation_parts_everything_without_overlap():
    train, validation = datasets.stratified_validation(Y, 0.15, seed=0)
    assert sorted([*train, *validation]) == list(range(len(Y)))
    assert np.bincount(Y[validation]).tolist() == [2, 3, 4, 6, 15]


def test_five_images_a_class_give_one_to_validation():
    y = np.repeat(np.arange(10), 5)
    train, validation = datasets.stratified_validation(y, 0.15, seed=0)
    assert np.bincount(y[validation]).tolist() == [1] * 10
    assert np.bincount(y[train]).tolist() == [4] * 10


def test_a_class_with_one_image_is_named():
    with pytest.raises(ValueError, match="class 2 has 1 image"):
        datasets.stratified_validation([0, 0, 1, 1, 2], 0.15, seed=0)


class TestSplitByPatient:
    @pytest.fixture
    def slides(self):
        """Patients and labels like those of the breast histopathology: uneven in both."""
        rng = np.random.default_rng(0)
        sizes = rng.integers(20, 400, 279)
        positive = rng.beta(1.2, 3, 279)
        patients = np.repeat([f"p{i}" for i in range(279)], sizes)
        return patients, (rng.random(len(patients)) < np.repeat(positive, sizes)).astype(int)

    def test_no_patient_is_in_both_and_classes_are_as_frequent(self, slides):
        patients, y = slides
        for seed in range(3):
            rest, chosen = datasets.split_by_patient(patients, 0.2, seed, y)
            assert sorted([*rest, *chosen]) == list(range(len(y)))
            assert (np.diff(rest) > 0).all() and (np.diff(chosen) > 0).all()
            assert not set(patients[rest]) & set(patients[chosen])
            assert len(set(patients[chosen])) == 56
            assert abs(len(chosen) / len(y) - 0.2) < 0.01
            assert abs(y[chosen].mean() - y[rest].mean()) < 0.01

    def test_depends_on_the_seed_and_not_on_the_order(self, slides):
        patients, y = slides
        order = np.random.default_rng(1).permutation(len(y))

        def chosen(patients, y, seed):
            return set(patients[datasets.split_by_patient(patients, 0.2, seed, y)[1]])

        assert chosen(patients, y, 0) == chosen(patients[order], y[order], 0)
        assert chosen(patients, y, 0) != chosen(patients, y, 1)

    def test_without_labels_the_share_of_images_counts(self, slides):
        rest, chosen = datasets.split_by_patient(slides[0], 0.1, 0)
        assert abs(len(chosen) / (len(rest) + len(chosen)) - 0.1) < 0.005

    @pytest.mark.parametrize(("share", "n"), [(0.01, 1), (0.5, 2), (0.99, 2)])
    def test_at_least_one_patient_is_in_each_part(self, share, n):
        _, chosen = datasets.split_by_patient([7, 7, 8, 9], share, 0)
        assert len(set(np.array([7, 7, 8, 9])[chosen])) == n

    def test_what_cannot_be_split_is_refused(self):
        with pytest.raises(ValueError, match=r"share must be in \(0, 1\); got 1"):
            datasets.split_by_patient(["a", "b"], 1, 0)
        with pytest.raises(ValueError, match="at least 2 patients .* got 1"):
            datasets.split_by_patient(["a", "a"], 0.2, 0)
        with pytest.raises(ValueError, match="labels must be one an image; got 1 for 2"):
            datasets.split_by_patient(["a", "b"], 0.2, 0, [1])


@pytest.mark.parametrize(
    "split",
    [
        lambda seed: datasets.balanced_subset(Y, 25, seed),
        lambda seed: datasets.unbalanced_subset(Y, 45, seed),
        lambda seed: datasets.keep_share(Y, [4], 0.5, seed),
        lambda seed: datasets.stratified_validation(Y, 0.2, seed)[1],
        lambda seed: datasets.split_by_patient(np.arange(len(Y)), 0.2, seed, Y)[1],
    ],
)
def test_a_seed_fixes_the_split(split):
    np.testing.assert_array_equal(split(3), split(3))
    assert set(split(3)) != set(split(4))
