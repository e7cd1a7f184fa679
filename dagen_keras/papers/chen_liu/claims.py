"""The claims of Chen and Liu, decided by tests over seeds."""

from dagen_keras.evaluate import ALPHA, compare_paired
from dagen_keras.papers.chen_liu.grid import T_LIMIT
from dagen_keras.papers.chen_liu.scores import epochs_to_converge, wide
from dagen_keras.runs.paper import Claim

WILCOXON = f"One-sided Wilcoxon signed-rank test over seeds, alpha {ALPHA}."
POINTS = "points of accuracy"


def claims(runs, scores, names, space):
    """The paper's claims with tests over seeds; 1 and 2 with and without the excluded runs."""
    found = []
    # The second dataset's claim is there, not decided, also where it was not run.
    for number, dataset in enumerate((*names, "Fashion-MNIST")[:2], start=1):
        own = runs[runs["dataset"] == dataset]
        text = f"FID(W) < FID(KL) on {dataset}"
        found.append(_fid(number, text, own, space))
        found.append(
            _fid(number, f"{text}, without runs of |T| > {T_LIMIT:g}", own[own["kept"]], space)
        )
        found.append(_fid(number, f"{text}, both without min(0, x)", own, space, "ELBO_W free"))
    own = scores[scores["dataset"] == names[0]]
    sizes = sorted(own["train_size"].unique())
    smallest = own[own["train_size"] == sizes[0]] if sizes else own
    many = f"{int(sizes[0]):,}" if sizes else "10,000"
    for better, worse in (("ELBO_W", "ELBO_KL"), ("ELBO_KL", "no augmentation")):
        pairs = _columns(wide(smallest, "accuracy"), better, worse)
        text = f"With {many} images, augmentation by {better} beats {worse}"
        found.append(Claim.of(3, text, WILCOXON, compare_paired(*pairs), POINTS))
    found.append(_shrinking_gain(own, sizes))
    found.append(_never_positive(runs))
    found.append(_convergence(runs[runs["dataset"] == names[0]]))
    return found


def _columns(frame, first, second):
    both = frame.reindex(columns=[first, second]).dropna()
    return both[first], both[second]


def _fid(number, text, runs, space, method="ELBO_W"):
    unit = f"FID in the feature space '{space}' (median of KL minus W)"
    pairs = _columns(wide(runs, "fid"), "ELBO_KL", method)
    return Claim.of(number, text, WILCOXON, compare_paired(*pairs), unit)


def _shrinking_gain(scores, sizes):
    text = "The gain of W over none shrinks as the training set grows"
    if len(sizes) < 2:
        return Claim(4, text, WILCOXON, "not decided")
    gains = []
    for size in (sizes[0], sizes[-1]):
        accuracy = wide(scores[scores["train_size"] == size], "accuracy")
        accuracy = accuracy.reindex(columns=["ELBO_W", "no augmentation"])
        gains.append(accuracy["ELBO_W"] - accuracy["no augmentation"])
    both = gains[0].to_frame("small").join(gains[1].rename("large")).dropna()
    unit = f"{POINTS} (gain at {sizes[0]:,} minus gain at {sizes[-1]:,})"
    return Claim.of(4, text, WILCOXON, compare_paired(both["small"], both["large"]), unit)


def _never_positive(runs):
    text = "T <= 0 whenever sigma <= 1"
    test = "Training images whose every sigma is at most 1 and whose T is positive: none."
    narrow = runs[runs["narrow"].astype(float) > 0]
    share = 100 * narrow["narrow_with_positive_t"].astype(float)
    if not len(narrow):
        return Claim(5, text, test, "not decided")
    verdict = "not reproduced" if (share > 0).any() else "not decided"
    return Claim(
        5,
        text,
        test,
        verdict,
        n_pairs=len(narrow),
        effect=float(share.median()),
        low=float(share.min()),
        high=float(share.max()),
        unit="% of training images, median over runs (smallest, largest)",
    )


def _convergence(runs):
    text = "W converges in fewer epochs (to within 1 % of its final reconstruction)"
    runs = runs[runs["history"].notna()]
    epochs = wide(runs.assign(epochs=runs["history"].map(epochs_to_converge)), "epochs")
    pairs = _columns(epochs, "ELBO_KL", "ELBO_W")
    return Claim.of(6, text, WILCOXON, compare_paired(*pairs), "epochs (median of KL minus W)")
