"""Whether new images help: the comparison, its advice, its page."""

import functools
import itertools
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dagen_keras import backend, cli, models
from dagen_keras.augment import bench, compare
from dagen_keras.augment import comparison as module
from dagen_keras.augment.advice import advice, verdicts
from dagen_keras.augment.methods import CHEAP, METHODS, Method
from dagen_keras.checks import RunError
from dagen_keras.evaluate import Resampled

SHAPE = (8, 6, 1)


@pytest.fixture
def own(rng):
    """Three classes of uneven sizes: bright above, bright below, dark."""
    labels = np.repeat(["above", "below", "dark"], [40, 24, 16])
    images = rng.integers(0, 100, (80, *SHAPE)).astype("uint8")
    images[labels == "above", :4] += 80
    images[labels == "below", 4:] += 80
    order = rng.permutation(80)
    return images[order], labels[order]


@pytest.fixture
def quick(monkeypatch):
    """Trainings of few updates."""
    gan = functools.partial(models.ACGAN, latent_dim=4, filters=2)
    monkeypatch.setattr(bench, "FEWEST_UPDATES", 4)
    monkeypatch.setattr(bench, "MOST_UPDATES", 4)
    monkeypatch.setitem(METHODS, "vae", Method("a VAE", 10, models.dense_vae, updates=2))
    monkeypatch.setitem(METHODS, "acgan", Method("an AC-GAN", 10, gan, conditional=True, updates=2))
    monkeypatch.setattr(module, "MOST_SPLITS", 6)


def _clock(step):
    ticks = itertools.count()
    return lambda: step * next(ticks)


@pytest.mark.slow
def test_every_method_has_the_same_splits_weights_and_updates(own, quick, monkeypatch):
    fits, fit = [], models.ReusableModel.fresh

    def fresh(self, seed):
        model = fit(self, seed)
        if model.name == "classifier":
            fits.append(np.concatenate([w.ravel() for w in model.get_weights()]))
        return model

    monkeypatch.setattr(models.ReusableModel, "fresh", fresh)
    monkeypatch.setattr(module, "MOST_SPLITS", 2)
    found = compare(*own, [*CHEAP, "vae"], budget=1e9, progress=False)
    frame, methods = found.frame, [*CHEAP, "vae"]
    assert frame["split"].nunique() == 2
    assert [*frame["method"]] == methods * 2
    assert frame[["accuracy", "balanced_accuracy"]].stack().between(0, 1).all()
    assert frame["copies"].notna().tolist() == [name == "vae" for name in frame["method"]]
    by_split = np.array(fits[1:]).reshape(2, len(methods), -1)  # The first warms up.
    assert (by_split == by_split[:, :1]).all()
    assert len(np.unique(by_split[:, 0], axis=0)) == 2
    assert set(found.samples) == {"vae"} and found.samples["vae"]["dark"].shape == (8, *SHAPE)
    again = compare(*own, [*CHEAP, "vae"], budget=1e9, progress=False)
    columns = ["split", "method", "accuracy", "balanced_accuracy", "copies"]
    pd.testing.assert_frame_equal(again.frame[columns], frame[columns])


def test_a_classifier_takes_all_updates_whether_one_a_call_or_many(own, monkeypatch):
    """27 are no multiple of the steps that a call may take."""
    images, labels = own
    x, options, weights = images.astype("float32") / 255, backend.compile_options, []
    for steps in (1, 20):
        monkeypatch.setattr(backend, "compile_options", lambda *_, s=steps, **__: options(s))
        tested = bench.Bench(images, labels, 0)
        model = tested.classifier.fresh(1)
        tested._fit(model, "class weights", x, tested.numbers, 2, 27)
        assert int(model.optimizer.iterations) == 27
        weights.append(np.concatenate([w.ravel() for w in model.get_weights()]))
    np.testing.assert_allclose(weights[0], weights[1], rtol=1e-5, atol=1e-7)


@pytest.mark.slow
def test_what_each_method_is_given(own):
    """The classes' shares in what is trained on, its weights, and what is done to a batch."""
    images, labels = own
    tested = bench.Bench(images, labels, 0)
    x, y = images.astype("float32") / 255, tested.numbers
    original = {image.tobytes() for image in x}

    def given(name, seed=1):
        batches = [*tested.batches(name, x, y, seed, 60)]
        assert [len(batch[0]) for batch in batches] == [32] * 60
        return [np.concatenate(part) for part in zip(*batches, strict=True)]

    shares = {}
    for name in CHEAP:
        new, onehot, weights = given(name)
        assert 0 <= new.min() <= new.max() <= 1 and np.allclose(onehot.sum(axis=1), 1)
        shares[name] = np.average(onehot, axis=0, weights=weights)
        untouched = np.mean([image.tobytes() in original for image in new.astype("float32")])
        assert (untouched > 0.99) == (name in ("nothing", "duplicates", "class weights"))
        mixed = np.mean((onehot > 0.01) & (onehot < 0.99)) > 0.1
        assert mixed == (name in ("mixup", "cutmix"))
        np.testing.assert_array_equal(given(name)[0], new)
        assert (given(name, 2)[0] != new).any()
    np.testing.assert_allclose(shares["nothing"], [0.5, 0.3, 0.2], atol=0.02)
    for name in ("duplicates", "class weights"):
        np.testing.assert_allclose(shares[name], 1 / 3, atol=0.02)


@pytest.mark.parametrize("name", ["vae", pytest.param("acgan", marks=pytest.mark.slow)])
def test_new_images_fill_all_classes_to_twice_the_largest(own, quick, name):
    images, labels = own
    train, tested = np.arange(60), bench.Bench(images, labels, 0)
    x, y, copies, some = tested.with_new(name, train, 3)
    largest = np.bincount(tested.numbers[train]).max()
    assert np.bincount(y).tolist() == [2 * largest] * 3
    np.testing.assert_array_equal(x[:60], images[train].astype("float32") / 255)
    np.testing.assert_array_equal(y[:60], tested.numbers[train])
    assert 0 <= copies <= 1
    assert {label: new.shape for label, new in some.items()} == {
        label: (8, *SHAPE) for label in ("above", "below", "dark")
    }


@pytest.mark.slow
def test_generators_of_ones_own_are_compared_too(own, quick):
    asked = []

    def bright(images, labels, wanted, seed):
        asked.append((images.shape, wanted, seed))
        return {name: np.full((n, *SHAPE), 255, "uint8") for name, n in [*wanted.items()][::-1]}

    def again(images, labels, wanted, seed):
        return {name: images[labels == name][:8] for name in wanted}

    generators = {"bright": bright, "again": again}
    found = compare(*own, ["flips"], generators=generators, progress=False, budget=1e9)
    assert set(found.frame["method"]) == {"nothing", "flips", "bright", "again"}
    copies = found.frame.groupby("method")["copies"].agg(["min", "max"])
    assert copies.loc["again"].tolist() == [1, 1] and copies.loc["bright"].tolist() == [0, 0]
    assert asked[0][:2] == ((60, *SHAPE), {"above": 30, "below": 42, "dark": 48})
    assert len({seed for *_, seed in asked}) == len(asked) == 6
    assert {*found.verdicts} == {"bright", "again"} and found.samples["bright"]["dark"].min() == 255

    def wrong(images, labels, wanted, seed):
        return {name: np.full((n, *SHAPE), 0.5) for name, n in wanted.items()}

    with pytest.raises(RunError, match="'wrong' must give, of class 'above', images like the real"):
        compare(*own, ["flips"], generators={"wrong": wrong}, progress=False)
    with pytest.raises(RunError, match="'mixup' is taken"):
        compare(*own, generators={"mixup": bright}, progress=False)


def test_splits_are_stratified_and_no_group_is_on_both_sides(own):
    _, labels = own
    for train, test in module._splits(labels, None, 0):
        assert len(test) == 20 and not set(train) & set(test)
        assert (labels[test] == "above").sum() == 10
    groups = np.arange(80) // 2
    labels = np.array(["a", "b"])[groups % 2]
    for train, test in module._splits(labels, groups, 0):
        assert not set(groups[train]) & set(groups[test])
        assert len(set(labels[test])) == 2
    with pytest.raises(RunError, match="images of 4 groups or more; one has 2"):
        module._splits(labels, np.arange(80) % 4, 0)
    with pytest.raises(RunError, match="one an image; got 79 for 80"):
        module._splits(labels, groups[1:], 0)


def test_the_same_image_is_never_on_both_sides(own):
    images, labels = own
    assert module._of_copies(images) is None
    twice, of_both = np.concatenate([images, images]), np.concatenate([labels, labels])
    for train, test in module._splits(of_both, module._of_copies(twice), 0):
        seen = {image.tobytes() for image in twice[train]}
        assert not any(image.tobytes() in seen for image in twice[test])


@pytest.mark.slow
def test_what_the_budget_does_not_allow_is_left_out_by_name(own, quick):
    asked = {"methods": ["nothing", "flips", "cutmix", "vae"], "progress": False}
    found = compare(*own, **asked, budget=60, clock=_clock(1))
    assert found.frame["split"].nunique() >= module.FEWEST_SPLITS
    assert set(found.frame["method"]) == {"nothing", "flips", "cutmix", "vae"}
    found = compare(*own, **asked, budget=1, clock=_clock(1))
    assert set(found.frame["method"]) == {"nothing", "flips"}
    assert set(found.left_out) == {"cutmix", "vae"} and "budget" in found.left_out["vae"]
    assert "No generative method was compared" in found.advice
    assert found.samples == {}


def test_a_method_whose_training_diverges_is_left_out_by_name(own, quick, monkeypatch):
    score = bench.Bench.score

    def diverging(self, name, train, x, y, split=0):
        if (name, split) in {("mixup", 2), (fails, 0)}:
            raise models.NonFiniteLossError("the loss is NaN")
        return score(self, name, train, x, y, split)

    monkeypatch.setattr(bench.Bench, "score", diverging)
    asked = {"methods": ["flips", "mixup"], "progress": False, "budget": 60, "clock": _clock(1)}
    fails = None
    found = compare(*own, **asked)
    assert set(found.frame["method"]) == {"nothing", "flips"}
    assert found.frame.groupby("split").size().eq(2).all()
    assert found.left_out["mixup"] == "in split 3 its training did not stay finite: the loss is NaN"
    fails = "nothing"
    with pytest.raises(models.NonFiniteLossError):
        compare(*own, **asked)


def test_what_is_dear_goes_and_what_there_is_time_for_stays():
    seconds = {"nothing": 1, "flips": 2, "randaugment": 8, "mixup": 3, "vae": 20, "rhvae": 30}
    kept = {
        1: {"nothing", "flips"},
        70: {"nothing", "flips", "mixup", "randaugment"},  # Not the VAE, then all the others.
        115: {"nothing", "flips", "vae"},
        130: {"nothing", "flips", "vae", "mixup"},
        200: {"nothing", "flips", "vae", "mixup", "randaugment"},
        320: set(seconds),
    }
    for left, expected in kept.items():
        chosen, dropped = module._affordable([*seconds], seconds, 5, left)
        assert set(chosen) == expected and set(dropped) == set(seconds) - expected


def test_what_the_images_do_not_allow_is_left_out_by_name(own):
    chosen, left_out = module._choose(None, *own)
    assert "a GAN needs 1,000 images; there are 80" in left_out["acgan"]
    assert set(chosen) == {*CHEAP, "vae", "rhvae"}
    even = np.concatenate([np.flatnonzero(own[1] == c)[:16] for c in np.unique(own[1])])
    chosen, alike = module._choose(None, own[0][even], own[1][even])
    assert set(CHEAP) - set(chosen) == {"duplicates", "class weights"}
    assert alike["duplicates"] == "with classes of one size it is the same as nothing"
    images, labels = own
    images = images.copy()
    images[labels == "dark"] = images[0]
    chosen, left_out = module._choose(None, images, labels)
    assert set(chosen) == {*CHEAP} and "10 different images of a class" in left_out["vae"]


def _frame(**scores):
    rows = [
        {"split": split, "method": method, "accuracy": 0.5, "balanced_accuracy": value}
        for method, values in scores.items()
        for split, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


def test_a_generative_method_is_beside_the_cheap_one_that_other_splits_name():
    """Nothing wins by one great split, which does not count against itself."""
    frame = _frame(nothing=[0.9, 0.5, 0.5, 0.5], flips=[0.55] * 4, vae=[0.7] * 4)
    judged, best = verdicts(frame, 1 / 3)
    one, _ = judged["vae"]
    # Without split 0 flips is better, without another nothing is.
    assert one.estimate == pytest.approx(100 * np.mean([0.15, 0.2, 0.2, 0.2]))
    assert best == "nothing"


def _verdict(estimate, p, visible):
    return Resampled(estimate, estimate - 1, estimate + 1, p, visible), p


def test_the_advice_is_what_is_shown():
    use = {"vae": _verdict(3.12, 0.01, 2), "rhvae": _verdict(2, 0.001, 2)}
    assert advice(use, "flips") == (
        "Use vae: +3.1 points (2.1 to 4.1) of balanced accuracy over flips and shifts."
    )
    # What would have been seen, though its interval reaches further, and what makes no difference.
    no = {"vae": (Resampled(3, -0.3, 6.3, 0.03, 4.9), 0.03)}
    no["rhvae"] = Resampled(0, 0, 0, np.nan, 0), np.nan
    assert advice(no, "mixup") == "Nothing generative is shown to help; use MixUp."
    few = {"vae": _verdict(4.5, 0.06, 6.4), "mine": _verdict(4.5, 0.05, 5.4)}
    few["rhvae"] = _verdict(-7, 0.99, 30)
    assert "Too few images to tell; differences below 6 points cannot" in advice(few, "nothing")


def test_what_is_shown_not_to_help_is_not_too_few_images():
    """Both intervals end below a gain that would matter."""
    worse = {"vae": _verdict(3.9, 0.06, 6.4), "rhvae": _verdict(-7, 0.99, 8.7)}
    assert advice(worse, "nothing") == "Nothing generative is shown to help; use no augmentation."


def test_methods_that_make_no_difference_are_seldom_advised():
    """Of differences as correlated as splits are, at a level of 2.5 % over two methods."""
    rng, k, ratio = np.random.default_rng(0), 16, 1 / 3
    shared, alone = np.sqrt(ratio / (1 + ratio)), np.sqrt(1 / (1 + ratio))
    wrong = 0
    for _ in range(300):
        scores = {
            name: 0.7 + 0.02 * (shared * rng.normal() + alone * rng.normal(size=k))
            for name in ("nothing", "flips", "vae", "rhvae")
        }
        judged, best = verdicts(_frame(**scores), ratio)
        if advice(judged, best).startswith("Use "):
            wrong += 1
            assert any(one.low > 0 for one, _ in judged.values())
    assert 0 < wrong / 300 < 0.025 + 3 * np.sqrt(0.025 * 0.975 / 300)


def test_what_allows_no_comparison_is_refused(own):
    images, labels = own
    alike = images.copy()
    alike[labels == "dark"] = 0
    wrong = {
        "two classes or more": (images, np.repeat("a", 80)),
        r"10 different images of each class; too few has 'b' \(1\)": (images, ["a"] * 79 + ["b"]),
        r"too few has 'dark' \(1\)": (alike, labels),
        "all images are alike": (np.zeros_like(images), labels),
        "must be uint8": (images / 255, labels),
        "4x4 pixels at least": (images[:, :3], labels),
        "sides of up to 128: scale them": (np.repeat(images, 22, axis=2), labels),
    }
    for message, arguments in wrong.items():
        with pytest.raises(RunError, match=message):
            compare(*arguments, budget=1, progress=False)
    with pytest.raises(RunError, match="unknown method 'magic'; known are nothing, duplicates"):
        compare(images, labels, ["magic"], progress=False)


@pytest.mark.slow
def test_the_command_writes_a_page_that_says_it(own, quick, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, (image, label) in enumerate(zip(*own, strict=True)):
        (tmp_path / "<own>" / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.squeeze(2)).save(tmp_path / "<own>" / label / f"{number}.png")
    (tmp_path / "<own>" / "dark" / "bad & ugly.png").write_text("x")
    groups = tmp_path / "groups.csv"
    names = [f"{label}/{n}.png" for n, label in enumerate(own[1])]
    lines = "".join(f"{name},{n // 2}\n" for n, name in enumerate(names))
    groups.write_text(lines, encoding="utf-8-sig")
    command = ["compare", "<own>", "--methods", "nothing,flips,vae", "--budget", "1h"]
    assert cli.main([*command, "--groups", str(groups)]) == 0
    page = (tmp_path / "<own>_compared.html").read_text()
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == f"Open {tmp_path / '<own>_compared.html'} in a browser."
    assert f"<p class=advice>{said[-2]}</p>" in page
    assert "80 images of 3 classes, 8x6; 6 splits" in page
    for name in ("no augmentation", "flips and shifts", "vae"):
        assert re.search(rf"<td>{name}</td><td>\d+\.\d \(\d+\.\d to \d+\.\d\)</td>", page)
    assert page.count("<img") == 1 and "http" not in page
    assert "dark/bad &amp; ugly.png: no image" in page
    assert cli.main(command) == 2
    assert "is there already: choose another name, or --force" in capsys.readouterr().err
    groups.write_bytes(b"\xc6,1\n")
    assert cli.main([*command, "--force", "--groups", str(groups)]) == 2
    assert "cannot be read as text" in capsys.readouterr().err
    groups.write_text("a,b,c\n")
    assert cli.main([*command, "--force", "--groups", str(groups)]) == 2
    assert "must have lines 'file,group'" in capsys.readouterr().err
    groups.write_text(f"{names[0]},1\n")
    assert cli.main([*command, "--force", "--groups", str(groups)]) == 2
    assert "has no group for 79 images, such as" in capsys.readouterr().err
