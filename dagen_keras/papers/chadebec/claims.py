"""The claims of Chadebec and Allassonniere, decided by tests over seeds."""

from dagen_keras.evaluate import ALPHA, compare_paired
from dagen_keras.papers.chadebec.scores import BRAIN_POINTS, POINTS, pairs, select
from dagen_keras.papers.legacy import Claim

WILCOXON = f"One-sided Wilcoxon signed-rank test over (dataset, seed) pairs, alpha {ALPHA}."
NO_GAIN = (
    "Over (dataset, seed) pairs: reproduced if the 95 % interval of the median gain lies below "
    f"1 point, not reproduced if the gain is significant at {ALPHA}."
)


def claims(scores, brains):
    """The paper's seven claims."""
    return [
        *_manifold_claims(scores),
        _imbalance(scores),
        *_brain_claims(brains),
        _no_gain(
            6,
            "Conventional augmentation x10 does not help MNIST",
            _factor(scores, 10),
            select(scores, "raw", "raw"),
        ),
        _no_gain(
            7,
            "It is the sampling: RHVAE with its prior does not beat the VAE (synthetic only)",
            select(scores, "rhvae_prior", "synthetic only"),
            select(scores, "vae", "synthetic only"),
        ),
    ]


def _manifold_claims(scores):
    for number, training_set in ((1, "synthetic only"), (2, "raw+synthetic")):
        both = pairs(
            select(scores, "rhvae_manifold", training_set),
            select(scores, "vae", training_set),
        )
        text = f"RHVAE with manifold sampling > VAE with its prior, {training_set}"
        yield _greater(number, text, both, POINTS + " (manifold minus VAE)")
    both = pairs(
        select(scores, "rhvae_manifold", "synthetic only", "largest"),
        select(scores, "raw", "raw"),
    )
    largest = select(scores, "rhvae_manifold", "synthetic only", "largest")["number"]
    n = int(largest.iloc[0]) if len(largest) else 2000
    text = f"{n:,} synthetic images a class alone beat the raw data (the paper: 2,000)"
    yield _greater(3, text, both, POINTS + " (synthetic minus raw)")


def _imbalance(scores):
    """Accuracy lost from balanced to unbalanced classes: less with the manifold."""
    losses = {}
    for method in ("vae", "rhvae_manifold"):
        rows = select(scores, method, "synthetic only")
        balanced, unbalanced = (
            rows[(rows["split"] == s) & ~rows["set"].str.startswith("EMNIST")].assign(set="")
            for s in ("balanced", "unbalanced")
        )
        both = pairs(balanced, unbalanced)
        losses[method] = both["first"] - both["second"]
    both = losses["vae"].to_frame("first").join(losses["rhvae_manifold"].rename("second"))
    return _greater(
        4,
        "It is robust to imbalance: it loses less accuracy than the VAE does",
        both.dropna(),
        POINTS + " (loss of the VAE minus loss of the manifold)",
    )


def _brain_claims(scores):
    for classifier in ("MLP", "CNN", "DenseNet"):
        own = scores[scores["classifier"] == classifier]
        both = pairs(
            select(own, "rhvae_manifold", "raw+synthetic", "largest"),
            select(own, "raw", "raw"),
            keys=("seed",),
        )
        text = f"On OASIS, balanced accuracy rises over raw: {classifier}"
        yield _greater(5, text, both, BRAIN_POINTS + " (raw+synthetic minus raw)")


def _greater(number, text, both, unit):
    return Claim.of(number, text, WILCOXON, compare_paired(both["first"], both["second"]), unit)


def _no_gain(number, text, first, second):
    both = pairs(first, second)
    gain = compare_paired(both["first"], both["second"])
    verdict = gain.verdict
    if verdict != "not decided":
        significant = verdict == "reproduced"
        verdict = "not reproduced" if significant else "not decided"
        if gain.high < 1:
            verdict = "reproduced"
    return Claim.of(number, text, NO_GAIN, gain, POINTS, verdict)


def _factor(scores, factor):
    augmented = select(scores, "augmented", "raw+synthetic")
    is_mnist = ~augmented["set"].astype(str).str.startswith("EMNIST")
    return augmented[is_mnist & (augmented["number"] == factor)]
