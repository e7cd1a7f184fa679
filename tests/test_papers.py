"""What holds of every paper in the form of `study`."""

import collections
import json
import re
import string

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from study.untrained import EMPTY

from dagen_keras import datasets, papers
from dagen_keras.datasets.class_names import CIFAR10
from dagen_keras.papers.chen_liu.protocol import FIDS
from dagen_keras.runs import Run, RunError
from dagen_keras.runs.execution import tasks
from dagen_keras.study import PROFILES, Bench, Comparison, Shown
from dagen_keras.study.cells import _version2
from dagen_keras.study.claims import FIRST_LOOK

PAIRED = ("Larger", "Within", "NotLarger", "NotWorse", "Exceeds")
BESIDE_VERSION_2 = {  # What a pilot chose later, and settings that are new or of no group.
    "akula": {"chain_length": 100, "chain_lengths": [1, 10, 100]},
    "garay_maestre": {"classifier.updates": 2000},
    "guruswamy": {"patches_gan.updates": 2000},
}

every_paper = pytest.mark.parametrize("key", papers.KEYS)


def grid(study, profile):
    return study.grid(study.settings(profile), lambda cells: EMPTY)


def key_of(study, cell):
    return cell.key(study.key, study.protocol_version, cell.dataset)


def shown(part):
    """A table's text, or what a figure draws; "no finished cell" where there is nothing."""
    if hasattr(part, "frame"):
        return part._repr_html_()
    if part.draw is None:
        return "no finished cell"
    drawn = part.draw()
    plt.close(drawn)
    return drawn


def test_papers_are_found_by_name_and_come_once_in_the_order_of_their_notebooks():
    assert set(papers.KEYS) >= {"akula", "chadebec", "chen_liu", "garay_maestre", "guruswamy"}
    names = [study.notebook for study in papers.get_all()]
    assert names == sorted(set(names)) and len(names) == len(papers.KEYS)
    named = papers.get_all(["guruswamy", "akula", "guruswamy"])
    assert [study.key for study in named] == ["guruswamy", "akula"]
    for key in ("garay", "reported", "", "akula.cells"):
        with pytest.raises(RunError, match=f"unknown paper '{key}'; known are .*garay_maestre"):
            papers.get(key)


@every_paper
@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_lists_cells_each_once(key, profile):
    study = papers.get(key)
    cells = grid(study, profile)
    found = collections.Counter(key_of(study, cell) for cell in cells)
    assert len(cells) > 1 and not [str(c) for c in cells if found[key_of(study, c)] > 1]
    for cell in cells:
        assert cell.kind in study.compute
        assert cell.dataset in datasets.NAMES
        assert json.loads(json.dumps(cell.factors)) == cell.factors
        assert set(cell.serves) <= set(study.listed)
        assert isinstance(hash(cell.shares), int)
    assert cells == grid(study, profile)


@pytest.mark.slow
@every_paper
def test_quick_and_smoke_need_nothing_but_what_is_bundled(key, no_data_dir, tmp_path):
    study = papers.get(key)
    bench = Bench(data_dir=str(tmp_path), download=False)
    for profile in ("smoke", "quick"):
        for name in {cell.dataset for cell in grid(study, profile)}:
            assert len(bench.data(name).x_train)


@every_paper
def test_the_claims_are_those_of_the_list_in_their_forms(key):
    study, listed = papers.get(key), papers.listed(key)
    assert [claim.id for claim in study.claims] == list(listed)
    assert study.listed == listed
    for claim in study.claims:
        form = listed[claim.id].form
        assert hasattr(claim, "decide") and hasattr(claim, "wants_second_look")
        if form == "shown":
            assert not isinstance(claim, Comparison) or type(claim) is Shown
        elif form in PAIRED and isinstance(claim, Comparison):
            # `Exceeds` is a `Larger`, and so on: of the forms, the most special one counts.
            names = [base.__name__ for base in type(claim).__mro__]
            assert next(name for name in names if name in (*PAIRED, "Shown")) == form
        else:
            assert form in (*PAIRED, "counterexample")


@every_paper
def test_a_paper_says_what_it_is(key):
    study = papers.get(key)
    assert study.key == key and study.protocol_version >= 1
    assert all((study.title, study.reference, study.question.endswith("?")))
    assert set(study.profiles) == set(PROFILES)
    names = {frozenset(settings.flat()) for settings in study.profiles.values()}
    assert len(names) == 1


@every_paper
def test_overnight_has_the_settings_of_the_protocol(key):
    version2 = _version2().get(key, {"settings": {}})["settings"]
    settings = papers.get(key).settings("overnight").flat()
    settings = {name: json.loads(json.dumps(value)) for name, value in settings.items()}
    expected = {**version2, "seeds": FIRST_LOOK, **BESIDE_VERSION_2.get(key, {})}
    assert {name: settings[name] for name in expected} == expected


@every_paper
def test_the_classifiers_precision_is_what_the_setting_says_and_part_of_the_key(key, monkeypatch):
    study, keys = papers.get(key), []
    if "classifier.precision" not in study.settings("smoke").flat():
        pytest.skip("it has no classifier, or one of one precision")
    # As if what comes before was done: chen_liu's classifiers follow a search.
    done = lambda cells: pd.DataFrame([{**c.place, **dict.fromkeys(FIDS, 1.0)} for c in cells])  # noqa: E731
    for precision in ("float32", "mixed_bfloat16"):
        settings = study.settings("smoke", {"classifier.precision": precision})
        cells = study.grid(settings, done)
        cell = next(c for c in cells if "classifier" in c.settings and len(c.settings) < 3)
        keys.append(key_of(study, cell))

        class Built(Exception):
            pass

        def build(self, *network, precision, logits=False):
            raise Built(precision)

        monkeypatch.setattr(Bench, "classifier", build)
        with pytest.raises(Built, match=precision):
            study.run(cell, Bench())
    assert keys[0] != keys[1]


def report_of(study, frame, profile="smoke"):
    """The report, in which whatever holds of every report was looked at."""
    report = study.report(frame, study.settings(profile))
    parts = [*report.tables, *report.figures]
    names = [part.name for part in parts]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9_]+", name) for name in names)
    assert all(report[name].name == name for name in names)
    assert [claim.id for claim in report.claims] == list(study.listed)
    assert {claim.paper for claim in report.claims} == {study.key}
    assert 1 <= len(re.findall(r"\.(\s|$)", report.answer)) <= 4
    assert report.errata and all(e.text and e.evidence for e in report.errata)
    assert report.claims_table()._repr_html_() and report.errata_table()._repr_html_()
    for part in parts:
        said = part.title if hasattr(part, "frame") else part.caption
        assert report.data in said or "closed form" in said, f"{part.name} does not name its data"
        assert shown(part)
    assert all(table.unit for table in report.tables)
    assert study.parts(EMPTY).keys() <= study.tables.keys() | study.figures.keys()
    assert set(study.facts(EMPTY)) <= asked_of(study), "a fact that no evidence names"
    return report


def asked_of(study):
    """The names of the facts in the blanks of the answer and of the errata."""
    evidence = study.answer + "".join(erratum["evidence"] for erratum in study.errata.values())
    return {name for _, name, _, _ in string.Formatter().parse(evidence) if name}


def check_nothing_is_decided(study, report):
    """But a counterexample, of which one is enough."""
    for claim in report.claims:
        counterexample = study.listed[claim.id].form == "counterexample"
        assert claim.verdict == "not decided" or counterexample, claim


REAL = {  # Images of a class, to train and to test.
    "mnist": (6000, 1000),
    "fashion_mnist": (6000, 1000),
    "cifar10": (5000, 1000),
    "cifar100": (500, 100),
    "nist_letters": (800, 200),
    "histopathology": (1000, 300),
}
TOO_MANY = {  # What the bundled data of `smoke` do not have: setting, value, in the message.
    "akula": [
        ("images.train", 392, "'images.train' asks for 196"),
        ("images.test", 132, "'images.test' asks for 66 .* there are 65"),
        ("images.reserve", 49, "'images.reserve' asks for 49 .* there are 48"),
    ],
    "chadebec": [
        ("images.size", 700, "class 8 has 71 images .* 131 were asked for"),
        ("pilot.size", 800, "class . has .* 80 were asked for"),
        ("images.test_images", 1001, "'images.test_images' asks for 1,001 .* there are 1,000"),
        ("images.reserve", 100, "'images.reserve' asks for 100 .* there are 99"),
    ],
    "chen_liu": [
        ("sizes", [20, 778], "'sizes' asks for 778 .* there are 777"),
        ("classifier.test_images", 1001, "'classifier.test_images' asks for 1,001"),
        ("pilot.size", 778, "'pilot.size' asks for 778"),
    ],
    "garay_maestre": [
        ("train_sizes", [400], "class . has .* training part of digits; 80 were asked for"),
        ("samples_size", 800, "80 were asked for"),
        ("images.test_per_class", 101, "class 0 has 100 images in the test part of digits; 101"),
        ("released.test_per_class", 101, "test part of digits; 101 were asked for"),
    ],
    "guruswamy": [
        ("images.train", 758, "'images.train' asks for 758 .* there are 757"),
        ("patches_images.train", 505, "asks for 505 training images of patches; there are 504"),
        ("pilot.size", 758, "asks for 758 training images of digits"),
        ("images.shrink", 3, "'images.shrink' must divide"),
    ],
}


@pytest.fixture(scope="module")
def bench():
    """With the bundled data, read once for all tests."""
    return Bench(download=False)


@every_paper
def test_images_that_the_data_do_not_have_are_refused_before_the_first_cell(key, bench, tmp_path):
    study = papers.get(key)
    for name, value, said in TOO_MANY[key]:
        run = Run(study, "smoke", {name: value}, results=tmp_path)
        run.bench = bench
        with pytest.raises(RunError, match=said):
            run.compute(progress=False)
        assert not run.ledger.read()


@every_paper
@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_takes_no_more_images_than_there_are(key, profile, bench):
    study = papers.get(key)
    settings = study.settings(profile)
    for name in {cell.dataset for cell in grid(study, profile)} - {"oasis"}:
        study.sizes(settings, name, real(name) if name in REAL else bench.data(name))


def real(name):
    """A dataset of so many images a class, of which nothing but the labels is looked at."""
    numbers = map(str, range(datasets.n_classes(name)))
    names = CIFAR10 if name == "cifar10" else tuple(numbers)
    y, y_test = (np.repeat(range(len(names)), n) for n in REAL[name])
    x, x_test = (np.broadcast_to(np.float32(0), (len(own), 8, 8, 1)) for own in (y, y_test))
    return datasets.Dataset(name, x, y, x_test, y_test, names, "nothing")


@every_paper
@pytest.mark.parametrize("profile", ["smoke", "overnight"])
def test_nothing_yet_gives_a_report(key, profile):
    report = report_of(papers.get(key), EMPTY, profile)
    assert {(claim.verdict, claim.n) for claim in report.claims} == {("not decided", 0)}


def computed(run):
    """The study, cells, frame and values by key of a run."""
    state, study = run.state(), run.study
    values = {key_of(study, c): state.records[run.key(c)]["values"] for c in state.cells}
    return study, state.cells, state.frame, values


@pytest.mark.slow
@every_paper
def test_every_cell_of_smoke_has_values_that_survive_json(key, smoke):
    study, cells, frame, values = computed(smoke(key))
    assert len(frame) == len(cells) == len(values)
    assert set(frame["kind"]) == set(study.compute)
    for found in values.values():
        assert found and json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.slow
@every_paper
def test_every_claim_has_eight_seeds_overnight(key, smoke):
    """Where cells follow from what others found, these found what they do in `smoke`."""
    study, cells, _, values = computed(smoke(key))
    of_kind = {cell.kind: values[key_of(study, cell)] for cell in cells}
    overnight, known = study.cells(study.settings("overnight"), EMPTY), 0
    while len(overnight) > known:
        known = len(overnight)
        frame = pd.DataFrame([cell.row({"values": of_kind[cell.kind]}) for cell in overnight])
        overnight = study.cells(study.settings("overnight"), frame)
    seeds = collections.defaultdict(set)
    for cell in overnight:
        for claim in cell.serves:
            seeds[claim].add(cell.seed)
    for row in study.listed.values():
        if row.form in PAIRED and "cannot be had" not in row.on:
            assert set(range(FIRST_LOOK)) <= seeds[row.id], row.id


@pytest.mark.slow
@every_paper
def test_smoke_fills_every_table_and_figure_and_decides_nothing(key, smoke):
    study, _, frame, _ = computed(smoke(key))
    report = report_of(study, frame)
    for table in report.tables:
        assert len(table.frame), f"{table.name} has no row"
        assert "no finished cell" not in table._repr_html_()
    assert asked_of(study) <= set(study.facts(frame)), "a blank that no fact fills"
    for name, form in study.tables.items():
        rows = study.parts(frame).get(name, frame)
        for column in [*form.get("rows", {}).values(), *form.get("values", {}).values()]:
            assert column in rows, f"{name} asks for '{column}', which no cell has"
    for figure in report.figures:
        assert figure.draw is not None, f"{figure.name} has nothing to draw"
        assert shown(figure).axes
    check_nothing_is_decided(study, report)
    assert all(claim.n < FIRST_LOOK for claim in report.claims)


@pytest.mark.slow
@every_paper
def test_cells_of_one_kind_alone_and_few_seeds_give_a_report(key, smoke):
    study, _, frame, _ = computed(smoke(key))
    for _, rows in frame.groupby("kind"):
        report_of(study, rows.dropna(axis=1, how="all"))
    # The same cells seven times over, as seven seeds, whatever they found.
    seven = [frame[frame["seed"] == 0].assign(seed=seed) for seed in range(7)]
    check_nothing_is_decided(study, report_of(study, pd.concat(seven, ignore_index=True)))


@pytest.mark.slow
@every_paper
def test_cells_that_all_diverged_give_a_report(key, smoke):
    study, cells, _, _ = computed(smoke(key))
    lost = pd.DataFrame([cell.row({"values": {"diverged": True, "why": "nan"}}) for cell in cells])
    report = report_of(study, lost)
    assert not [e.evidence for e in report.errata if "nan" in e.evidence.split()]
    assert {claim.verdict for claim in report.claims} == {"not decided"}


@pytest.mark.slow
@every_paper
def test_a_cell_alone_equals_the_cell_after_others(key, smoke):
    """Of cells that share what is trained the last one, and of another kind one that does not."""
    study, cells, _, values = computed(smoke(key))
    shared = [t[-1] for t in tasks(cells) if len(t) > 1]
    alone = [t[0] for t in tasks(cells) if len(t) == 1]
    chosen = {cell.kind: cell for cell in [*alone[::-1], *shared[::-1]]}
    chosen = sorted(chosen.values(), key=lambda cell: not cell.shares)[:3]
    assert chosen
    for cell in chosen:
        found, expected = study.run(cell, Bench()), values[key_of(study, cell)]
        keras.tree.assert_same_structure(found, expected)
        for one, other in zip(*map(keras.tree.flatten, (found, expected)), strict=True):
            close = pytest.approx(other, rel=1e-4, abs=1e-6) if type(other) is float else other
            assert one == close, str(cell)
