"""What repeated splits say of new images, in numbers and in a sentence."""

import pandas as pd

from dagen_keras.augment.methods import CHEAP
from dagen_keras.evaluate import Resampled, corrected_resampled_t, holm

LEVEL = 0.025  # One-sided, so that a 95 % interval of what is shown to help is above 0.
TELLING = 5.0  # Points: a comparison that neither sees nor excludes such a gain says too little.


def intervals(
    frame: pd.DataFrame, test_over_train: float
) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Of each method the mean and the 95 % interval of both accuracies, in percent."""
    scores = {}
    for name in dict.fromkeys(frame["method"]):
        rows, scores[name] = frame[frame["method"] == name], {}
        for value in ("accuracy", "balanced_accuracy"):
            one = corrected_resampled_t(100 * rows[value], test_over_train)
            scores[name][value] = one.estimate, max(0.0, one.low), min(100.0, one.high)
    return scores


def verdicts(
    frame: pd.DataFrame, test_over_train: float
) -> tuple[dict[str, tuple[Resampled, float]], str]:
    """Of each generative method what its splits say, and the best cheap method.

    It is compared, in each split, with the cheap method that all other splits name best, so that
    no split is judged by what was chosen for it.

    Args:
        frame: `split`, `method`, `balanced_accuracy` in [0, 1].
        test_over_train: images tested for each one trained on.

    Returns:
        (`Resampled` in points, p-value after Holm's correction) by method, and a name.
    """
    scores = 100 * frame.pivot(index="split", columns="method", values="balanced_accuracy")
    cheap = [name for name in CHEAP if name in scores]
    generative = [name for name in scores if name not in CHEAP]
    best = str(scores[cheap].mean().idxmax())
    others = (scores[cheap].sum() - scores[cheap]) / (len(scores) - 1)
    rivals = others.idxmax(axis=1)
    beside = pd.Series({split: scores.at[split, rival] for split, rival in rivals.items()})
    level = LEVEL / max(1, len(generative))
    differences = {
        name: corrected_resampled_t(scores[name] - beside, test_over_train, level)
        for name in generative
    }
    adjusted = holm([one.p_value for one in differences.values()])
    judged = zip(differences.values(), adjusted, strict=True)
    return dict(zip(generative, judged, strict=True)), best


def advice(verdicts: dict[str, tuple[Resampled, float]], best_cheap: str) -> str:
    """What to do, in a sentence."""
    cheap = CHEAP[best_cheap]
    shown = {name: one for name, (one, p) in verdicts.items() if p is not None and p <= LEVEL}
    if shown:
        name = max(shown, key=lambda name: shown[name].estimate)
        one = shown[name]
        return (
            f"Use {name}: {one.estimate:+.1f} points ({one.low:.1f} to {one.high:.1f}) of balanced "
            f"accuracy over {cheap}."
        )
    if not verdicts:
        return f"No generative method was compared; best of the others: {cheap}."
    hidden = [one.visible for one, _ in verdicts.values() if min(one.visible, one.high) > TELLING]
    if hidden:
        return (
            f"Too few images to tell; differences below {max(hidden):.0f} points cannot be seen. "
            f"Best of the cheap methods: {cheap}."
        )
    return f"Nothing generative is shown to help; use {cheap}."
