import random

import keras
import numpy as np

from dagen_keras import backend


def test_seeded_fixes_weights_and_leaves_global_generators_alone():
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    expected = random.random(), np.random.random()  # noqa: NPY002
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    kernels = []
    for _ in range(2):
        with backend.seeded(5):
            layer = keras.layers.Dense(3)
            layer.build((None, 4))
        kernels.append(np.array(layer.kernel))
    np.testing.assert_array_equal(*kernels)
    assert (random.random(), np.random.random()) == expected  # noqa: NPY002


def test_subseeds_differ_by_purpose_and_stay():
    seeds = {backend.subseed(s, *p) for s in (0, 1) for p in (("a",), ("b",), ("a", 1), ("a1",))}
    assert len(seeds) == 8
    assert backend.subseed(0, "weights") == backend.subseed(0, "weights")
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_versions_name_the_backend():
    versions = backend.versions()
    assert versions["keras"] == keras.__version__
    assert keras.backend.backend() in versions
    assert backend.device()
