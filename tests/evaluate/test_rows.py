"""What every measure of features refuses."""

import numpy as np
import pytest

from dagen_keras import evaluate

TWO_SIDED = [
    evaluate.frechet_distance,
    evaluate.kernel_distance,
    evaluate.precision_recall,
    evaluate.density_coverage,
    evaluate.nearest_training_distance,
]
GOOD = np.random.default_rng(0).normal(size=(12, 3))
WRONG = {
    "huge": (GOOD * 1e200, r"must be within \+-1e\+25, so that powers of them are finite; got"),
    "beyond float64": (GOOD.astype("longdouble") * np.longdouble("1e400"), r"within \+-1e\+25"),
    "NaN": (np.where(GOOD > 1, np.nan, GOOD), "must be finite"),
    "infinite": (np.where(GOOD > 1, np.inf, GOOD), "must be finite"),
    "complex": (GOOD * 1j, "must be an array of real numbers; got dtype complex128"),
    "text": (GOOD.astype(str), "must be an array of real numbers; got dtype <U"),
    "times": (np.zeros((12, 3), "m8[s]"), "must be an array of real numbers; got dtype timedelta"),
    "ragged": ([[1, 2], [3]], "must be an array of real numbers: setting an array element"),
    "one number": (1.0, r"must have shape \(n, ...\)"),
    "another width": (GOOD[:, :2], "must have the same features|images of the same shape"),
}


@pytest.mark.parametrize("measure", TWO_SIDED, ids=lambda measure: measure.__name__)
@pytest.mark.parametrize(("wrong", "message"), WRONG.values(), ids=WRONG)
def test_what_is_no_features_is_refused_on_either_side(measure, wrong, message):
    for sides in ((wrong, GOOD), (GOOD, wrong)):
        with pytest.raises(ValueError, match=message):
            measure(*sides)


@pytest.mark.parametrize("measure", TWO_SIDED, ids=lambda measure: measure.__name__)
@pytest.mark.filterwarnings("ignore:The kernel distance takes subsets")
def test_features_that_are_large_have_finite_measures(measure):
    large = (GOOD * 1e24).astype("float32")
    assert np.isfinite(measure(large, large[::-1])).all()


def test_statistics_refuse_what_they_cannot_square():
    with pytest.raises(ValueError, match="features must be within"):
        evaluate.FeatureStatistics().update(GOOD * 1e200)


def test_one_column_names_no_class():
    with pytest.raises(ValueError, match="one column names no class"):
        evaluate.named_classes([[0.9], [0.1]])


def test_counts_are_no_truth_values():
    with pytest.raises(ValueError, match="k must be an integer of 1 or more; got True"):
        evaluate.precision_recall(GOOD, GOOD, k=True)
