"""Verdicts on a frame of runs, such as those that a paper's numbers would come from."""

import numpy as np
import pandas as pd
import pytest

from dagen_keras.study.claims import decide_all
from dagen_keras.study.packing import pack


def around(size):
    """Eight differences around a claimed one, within a tenth of it."""
    return size * (1 + 0.1 * np.random.default_rng(7).uniform(-1, 1, 8))


def decide(study, *frames):
    """What is decided of each claim, by its id."""
    frame = pd.concat(frames, ignore_index=True)
    return {claim.id: claim for claim in decide_all(study.claims, frame, study.listed)}


def check_reproduced(found, *claims):
    """These claims are reproduced, at the size that is claimed where there is one."""
    for one in map(found.get, claims):
        assert (one.verdict, one.reason) == ("reproduced", ""), one
        assert one.size is None or one.estimate == pytest.approx(one.size, rel=0.1), one


def ids_where(found, **wanted):
    """The ids of the claims of which this was decided, such as a reason."""
    return {i for i, one in found.items() if all(getattr(one, n) == v for n, v in wanted.items())}


def missed(study, frame, value, *methods):
    """The ids of the claims whose gate is missed where these methods have a low value."""
    low = frame[value].mask(frame["method"].isin(methods), 0.4)
    return ids_where(decide(study, frame.assign(**{value: low})), reason="gate missed")


def named(share):
    """Packed classes of 1000 test images, of which the first ones, this share, are right."""
    wrong = (np.arange(1000) >= round(1000 * share)).astype("uint8")
    return pack(predicted=wrong, labels=0 * wrong)
