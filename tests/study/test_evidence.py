import numpy as np
import pandas as pd

from dagen_keras.study.evidence import count, difference, filled

FRAME = pd.DataFrame(
    {
        "seed": [*range(8), *range(8)],
        "method": ["vae"] * 8 + ["none"] * 8,
        "f1": [*np.linspace(0.8, 0.9, 8), *[0.75] * 8],
    }
)


def test_a_difference_says_its_interval_and_its_seeds():
    pair = ({"method": "vae"}, {"method": "none"})
    found = difference(FRAME, "f1", *pair, "points")
    # Steps of 10 / 7 from 5 to 15: the fourth smallest mean of a pair is 5 + 10 / 7.
    assert found == "+10.0 points (95 % interval 6.4 to 13.6; 8 seeds)"
    one = difference(FRAME[FRAME["seed"] == 7], "f1", *pair, "points")
    assert one == "+15.0 points (1 seed)"


def test_a_blank_without_a_fact_says_that_it_is_not_computed_yet():
    nothing = difference(FRAME[:8], "f1", {"method": "vae"}, {"method": "none"}, "points")
    text = "{n:.1f} runs, {absent:.2f}, {difference}"
    facts = {"n": 8, "difference": nothing}
    assert filled(text, facts) == "8.0 runs, not computed yet, not computed yet"


def test_a_count_has_its_plural():
    assert [count(n, "run") for n in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]
