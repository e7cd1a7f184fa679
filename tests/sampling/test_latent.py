from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from dagen_keras import sampling

MODEL = SimpleNamespace(latent_dim=3)


@pytest.mark.parametrize(
    ("name", "distribution"),
    [("prior", stats.norm()), ("uniform", stats.uniform(-1.5, 3.0))],
)
def test_samples_follow_their_distribution_and_seed(name, distribution):
    draw = sampling.SAMPLERS[name]
    points = draw(MODEL, 5000, 0)
    assert points.shape == (5000, 3)
    assert points.dtype == np.float32
    assert stats.kstest(points.ravel(), distribution.cdf).pvalue > 0.001
    np.testing.assert_array_equal(points, draw(MODEL, 5000, 0))
    assert not np.array_equal(points, draw(MODEL, 5000, 1))
