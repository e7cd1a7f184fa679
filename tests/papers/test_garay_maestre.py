import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest

from dagen_keras import datasets
from dagen_keras.papers.garay_maestre import PAPER, errata, experiment, grid, scores
from dagen_keras.runs import RunError, resolve_parameters
from dagen_keras.runs.paper import reported

TINY = {"vae_epochs_share": 0.01, "max_epochs": 2, "train_sizes": [30, 40]}


@pytest.fixture(scope="module")
def tiny():
    return resolve_parameters(PAPER, "smoke", TINY)


def _compute(cell, data):
    return PAPER.compute(cell.parameters, cell.seed, data)


def _forget():
    """As in a new process: nothing built, compiled or trained."""
    for cached in (
        experiment.augmenter,
        experiment.synthetic,
        experiment._vae,
        experiment._classifier,
    ):
        cached.cache_clear()


def test_a_cell_computed_alone_equals_the_same_cell_computed_after_others(tiny, digits):
    chosen = [cell for cell in PAPER.cells(tiny) if cell.table in ("Table 2", "Released protocol")]
    after_others = {str(cell): _compute(cell, digits) for cell in chosen}
    for cell in [chosen[1], chosen[3], chosen[-1]]:
        _forget()
        assert _compute(cell, digits) == after_others[str(cell)], str(cell)


def test_the_grid_of_the_paper_is_complete():
    listed = PAPER.cells(resolve_parameters(PAPER, "paper", {"seeds": 1}))
    table2 = [cell.parameters for cell in listed if cell.table == "Table 2"]
    found = {(p["latent_dim"], p["train_size"], p["method"]) for p in table2}
    sizes, latent_dims = (50, 100, 250, 500, 1000), (2, 3, 4, 8)
    assert found == {
        *itertools.product([None], sizes, ["CNN", "AUG"]),
        *itertools.product(latent_dims, sizes, ["VAE", "AUG+VAE"]),
    }
    assert {p["vae_epochs"] for p in table2 if p["train_size"] == 250 and p["latent_dim"]} == {250}
    assert {c.parameters["latent_dim"] for c in listed if c.table == "Fig. 2"} == set(latent_dims)
    levels = {c.parameters["level"] for c in listed if c.table == "Fig. 3"}
    assert levels == {None, *range(7)}


@pytest.mark.parametrize(
    ("size", "share", "epochs"),
    [(5, 1, 200), (10, 1, 200), (25, 1, 250), (50, 1, 300), (100, 1, 350), (5, 0.001, 1)],
)
def test_vae_epochs_are_the_released_ones(size, share, epochs):
    assert grid.vae_epochs(size, share) == epochs


@pytest.mark.parametrize("size", [55, 20])
def test_a_size_that_cannot_be_balanced_is_refused_at_once(size):
    with pytest.raises(RunError, match=f"'train_sizes' must be a multiple .* got {size}"):
        PAPER.cells(resolve_parameters(PAPER, "quick", {"train_sizes": [size]}))


def test_methods_are_compared_on_the_same_images_and_seeds_on_others(digits):
    (x, y), (x_val, y_val) = experiment.subset(digits, 50, seed=0)
    assert np.bincount(y).tolist() == [4] * 10
    assert np.bincount(y_val).tolist() == [1] * 10
    images = {image.tobytes() for image in x}
    assert not images & {image.tobytes() for image in x_val}
    (again, _), _ = experiment.subset(digits, 50, seed=0)
    np.testing.assert_array_equal(x, again)
    (other, _), _ = experiment.subset(digits, 50, seed=1)
    assert images != {image.tobytes() for image in other}


def test_too_few_images_of_a_class_are_named(digits, tiny):
    cell = next(cell for cell in PAPER.cells(tiny) if cell.parameters.get("method") == "CNN")
    wanted = {**cell.parameters, "test_per_class": 101}
    with pytest.raises(ValueError, match="class 0 has 100 images in the test part of digits; 101"):
        PAPER.compute(wanted, 0, digits)


def _epoch(batches, n_steps):
    taken = [next(batches) for _ in range(n_steps)]
    return np.concatenate([x for x, _ in taken]), np.concatenate([y for _, y in taken])


def test_every_method_gets_the_same_number_of_images_an_epoch(digits):
    (x, y), _ = experiment.subset(digits, 50, seed=0)
    pool = np.full((250, 28, 28, 1), 0.5, "float32"), np.tile(np.arange(10), 25)
    transform = experiment.transforms()
    for has_pool, has_transform in itertools.product([None, pool], [None, transform]):
        batches = experiment._batches(x, y, has_pool, 100, has_transform, 140, seed=0)
        images, labels = _epoch(batches, 5)
        assert images.shape == (140, 28, 28, 1)
        if has_pool:
            assert np.bincount(labels).tolist() == [14] * 10


def test_an_epoch_holds_all_real_images_and_the_next_synthetic_ones(digits):
    (x, y), _ = experiment.subset(digits, 50, seed=0)
    shade = np.arange(150, dtype="float32") / 1000
    pool = np.broadcast_to(shade[:, None, None, None], (150, 28, 28, 1)), np.tile(np.arange(10), 15)
    batches = experiment._batches(x, y, pool, 100, None, 140, seed=0)
    for expected in (shade[:100], np.concatenate([shade[100:], shade[:50]])):
        images, _ = _epoch(batches, 5)
        flat = np.ptp(images, axis=(1, 2, 3)) == 0
        np.testing.assert_array_equal(np.sort(images[flat, 0, 0, 0]), np.sort(expected))
        assert {i.tobytes() for i in images[~flat]} == {i.tobytes() for i in x}


def test_without_synthetic_images_real_ones_are_repeated_evenly(digits):
    (x, y), _ = experiment.subset(digits, 50, seed=0)
    images, _ = _epoch(experiment._batches(x, y, None, 100, None, 140, seed=0), 5)
    counts = pd.Series([image.tobytes() for image in images]).value_counts()
    assert set(counts) == {3, 4}
    assert len(counts) == 40


def _frame(gains, seeds=8, sizes=(50, 100), latent_dims=(2, 3)):
    """A made-up grid in which each method has its gain over CNN, in points of F1."""
    rng = np.random.default_rng(0)
    rows = []
    for seed, size in itertools.product(range(seeds), sizes):
        base = 70 + rng.normal()
        for method in grid.METHODS:
            for latent_dim in latent_dims if "VAE" in method else [None]:
                better = 0.5 if latent_dim == 3 else 0.0
                f1 = base + gains[method] + better + 0.05 * rng.normal()
                row = {"method": method, "train_size": size, "latent_dim": latent_dim}
                row |= {"seed": seed, "f1": f1 / 100, "table": "Table 2", "column": method}
                rows.append({**row, "level": 0 if "AUG" in method else None})
        for method, level, f1 in (("CNN", None, base), ("AUG", 6, base - 30)):
            row = {"method": method, "train_size": 50, "level": level, "seed": seed}
            if size == 50:
                rows.append({**row, "f1": f1 / 100, "table": "Fig. 3", "column": str(level)})
    return pd.DataFrame(rows)


def _verdicts(gains, **shape):
    frame = _frame(gains, **shape)
    claims = PAPER.report(frame, resolve_parameters(PAPER, "paper")).claims
    return [claim.verdict for claim in claims]


def test_claims_hold_where_the_numbers_do():
    paper_like = {"CNN": 0, "VAE": 9, "AUG": 10, "AUG+VAE": 14.6}
    assert _verdicts(paper_like) == ["reproduced"] * 7
    reversed_order = {"CNN": 0, "VAE": -1, "AUG": -5, "AUG+VAE": -9}
    assert _verdicts(reversed_order) == [
        *["not reproduced"] * 3,
        *["reproduced"] * 2,
        *["not reproduced"] * 2,
    ]
    assert _verdicts(paper_like, seeds=3, sizes=(50,), latent_dims=(3,)) == ["not decided"] * 7


def test_half_of_the_papers_gain_is_enough_and_less_is_not():
    assert _verdicts({"CNN": 0, "VAE": 1, "AUG": 5.3, "AUG+VAE": 7.8})[5:] == [
        "reproduced",
        "reproduced",
    ]
    assert _verdicts({"CNN": 0, "VAE": 1, "AUG": 4.7, "AUG+VAE": 6.0})[5:] == [
        "not reproduced",
        "not reproduced",
    ]


def test_tables_put_ours_beside_the_papers():
    frame = _frame({"CNN": 0, "VAE": 9, "AUG": 10, "AUG+VAE": 14.6})
    made = PAPER.report(frame, resolve_parameters(PAPER, "paper"))
    table2 = made["table2"].frame
    row = table2[(table2["method"] == "AUG+VAE") & (table2["LS"] == 3)].iloc[0]
    assert (row["training images"], row["paper"], row["runs"]) == (50, 90.86, 8)
    assert row["ours: mean"] == pytest.approx(70 + 15.1, abs=1)
    assert "MNIST" in made["table2"].title
    table3 = made["table3"].frame.set_index(["row", "column"])
    assert table3.loc[("VAE", "CNN"), "our pairs"] == 16
    assert table3.loc[("VAE", "CNN"), "our cells"] == 4
    assert table3.loc[("AUG", "CNN"), "p, paper's 5 sizes"] == 0.0625
    assert len(table3) == 6


def test_bundled_data_is_named_in_every_title():
    made = PAPER.report(
        _frame({"CNN": 0, "VAE": 1, "AUG": 2, "AUG+VAE": 3}), resolve_parameters(PAPER, "quick")
    )
    assert all("bundled digits" in table.title for table in made.tables)
    for table in (made.claims_table(), made.errata_table()):
        assert "bundled digits" in table.title
    assert all("bundled digits" in figure.caption for figure in made.figures)


def test_reported_numbers_are_the_papers():
    table = reported("garay_maestre_table2_f1_percent")
    assert len(table) == 20
    assert (table["AUG+VAE"] < table["AUG"]).sum() == 3
    nothing = pd.DataFrame(columns=["table"])
    no_scores = scores.scores_of(nothing, "Table 2")
    evidence = " ".join(e.evidence for e in errata.errata(nothing, no_scores, no_scores))
    assert "0.7071" in evidence
    assert "94.73 against AUG's 94.85" in evidence


def test_another_protocol_version_computes_anew(tiny):
    newer = dataclasses.replace(PAPER, protocol_version=PAPER.protocol_version + 1)
    cell = PAPER.cells(tiny)[0]
    assert cell.key(PAPER, "0" * 16) != cell.key(newer, "0" * 16)


def test_data_of_other_shapes_and_classes_runs_too():
    photos = datasets.load("photos")
    parameters = resolve_parameters(
        PAPER,
        "smoke",
        {
            "dataset": "photos",
            "train_sizes": [6],
            "figure2_size": 6,
            "figure3_size": 6,
            "released_sizes": [6],
            "figure3_levels": [1],
        },
    )
    listed = PAPER.cells(parameters)
    for column in ("AUG+VAE", "samples"):
        cell = next(cell for cell in listed if cell.column == column)
        assert _compute(cell, photos)
