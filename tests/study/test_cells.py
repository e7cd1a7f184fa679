import json
import pickle

import pandas as pd
import pytest
from study.ledgers import LEDGERS, cell_of, first_done, grid_keys

from dagen_keras import papers
from dagen_keras.runs.ledger import Ledger
from dagen_keras.study import Settings, cell, cells
from dagen_keras.study.settings import Positive, Rate

EMPTY = pd.DataFrame(columns=["kind", "seed", "dataset"])


class Inner(Settings):
    deep: Positive = 3


class Gan(Settings):
    epochs: Positive = 50
    rate: Rate = 0.1
    inner: Inner = Inner()


def make(**changes):
    given = {"seed": 1, "dataset": "digits", "method": "none", "gan": Gan(), "dim": None}
    return cell("fill", **{**given, **changes})


def key(made, study="toy", version=2, fingerprint="0" * 16):
    return made.key(study, version, fingerprint)


@pytest.fixture
def version2(monkeypatch):
    def put(settings, renamed=()):
        table = {"toy": {"settings": settings, "renamed": dict(renamed)}}
        monkeypatch.setattr(cells, "_version2", lambda: table)

    put({"gan.epochs": 50, "gan.rate": 0.1, "gan.inner.deep": 3})
    return put


def test_the_key_depends_on_what_the_result_depends_on(version2):
    keys = [
        key(make()),
        key(make(), study="another"),
        key(make(), version=3),
        key(make(), fingerprint="1" * 16),
        key(make(method="acgan")),
        key(make(dim=2)),
        key(make(seed=2)),
        key(make(gan=Gan(epochs=51))),
        key(make(gan=Gan(inner=Inner(deep=4)))),
        key(cell("pilot", seed=1, dataset="digits", method="none", gan=Gan())),
    ]
    assert len(set(keys)) == len(keys)
    assert all(len(k) == 16 and int(k, 16) >= 0 for k in keys)


def test_the_key_does_not_depend_on_claims_sharing_or_the_data_name(version2):
    same = [make(serves=("1",)), make(shares=(1, 2)), make(dataset="mnist")]
    assert {key(one) for one in same} == {key(make())}


def test_a_factor_that_is_none_stays_out(version2):
    without = cell("fill", seed=1, dataset="digits", method="none", gan=Gan())
    assert key(make()) == key(without)
    assert key(make(dim=0)) != key(without) != key(make(dim=False))


def test_a_key_is_what_it_was_when_results_were_committed(version2):
    assert make().meaning("toy") == {
        "kind": "fill",
        "factors": {"method": "none"},
        "seed": 1,
        "settings": {},
    }
    assert key(make()) == "c5dbb6107e6a571a"


def test_a_setting_at_its_value_of_version_2_stays_out_whatever_its_default_is_now(version2):
    version2({"gan.epochs": 20, "gan.rate": 0.1, "gan.inner.deep": 3})
    assert make().meaning("toy")["settings"] == {"gan.epochs": 50}
    assert make(gan=Gan(epochs=20)).meaning("toy")["settings"] == {}


def test_a_setting_added_later_leaves_the_key_as_it_was(version2):
    class Longer(Gan):
        warmup: Positive = 1

    assert key(make(gan=Longer())) == key(make())
    assert key(make(gan=Longer(epochs=7))) == key(make(gan=Gan(epochs=7)))
    assert key(make(gan=Longer(warmup=2))) != key(make())


def test_a_renamed_setting_leaves_the_key_as_it_was(version2):
    class Renamed(Settings):
        passes: Positive = 50
        rate: Rate = 0.1
        inner: Inner = Inner()

    before = key(make(gan=Gan(epochs=7)))
    assert key(make(gan=Renamed(passes=7))) != before
    frozen = {"gan.epochs": 50, "gan.rate": 0.1, "gan.inner.deep": 3}
    version2(frozen, {"gan.passes": "gan.epochs"})
    assert key(make(gan=Renamed(passes=7))) == before
    assert key(make(gan=Renamed())) == key(make())


def test_a_cell_reads_its_factors_and_settings_by_name():
    made = make(dim=3)
    assert (made.method, made.dim, made.gan.epochs, made.seed) == ("none", 3, 50, 1)
    assert str(made) == "fill, method none, dim 3, on digits, seed 1"
    assert str(make()) == "fill, method none, on digits, seed 1"
    with pytest.raises(AttributeError, match="no factor or group of settings 'vae'"):
        _ = made.vae


def test_a_cell_goes_to_another_process_and_back():
    made = make(serves=("1",), shares=("a", 1))
    back = pickle.loads(pickle.dumps(made))
    assert back == made
    assert (back.serves, back.shares, back.gan) == (("1",), ("a", 1), Gan())
    assert key(back) == key(made)


def test_a_row_is_factors_and_values_side_by_side():
    row = make().row({"values": {"accuracy": 0.5}})
    assert row == {
        "kind": "fill",
        "seed": 1,
        "dataset": "digits",
        "method": "none",
        "dim": None,
        "diverged": False,
        "accuracy": 0.5,
    }


@pytest.mark.parametrize("name", ["method", "dim", "kind", "seed", "dataset"])
def test_a_value_called_like_a_factor_is_refused(name):
    with pytest.raises(ValueError, match=f"called like the factor '{name}'"):
        make().row({"values": {name: 1, "accuracy": 0.5}})


def test_the_table_of_version_2_has_the_settings_that_overnight_cells_take():
    """A default that is changed later must not change the keys of what is computed."""
    for name, table in cells._version2().items():
        settings = papers.get(name).settings("overnight").flat()
        known = {setting for setting in settings if "." in setting}
        assert set(table["settings"]) <= {table["renamed"].get(s, s) for s in known}


@pytest.mark.parametrize("path", LEDGERS, ids=lambda path: path.parent.name)
def test_a_committed_result_finds_its_cell(path, no_data_dir):
    check_ledger(path)


def test_a_result_of_today_finds_its_cell(tmp_path, no_data_dir):
    """The same, of a ledger that is written here, so that the check itself is checked."""
    study = papers.get("garay_maestre")
    path = tmp_path / "overnight" / study.key / "runs.jsonl"
    path.parent.mkdir(parents=True)
    ledger, kinds = Ledger(path), {}
    for one in study.cells(study.settings("overnight"), EMPTY):
        kinds.setdefault(one.kind, one)
    for one in kinds.values():
        ledger.append(
            {
                "key": key(one, study.key, study.protocol_version),
                "status": "done",
                "protocol_version": study.protocol_version,
                "fingerprint": "0" * 16,
                "values": {},
                "settings": {name: group.flat() for name, group in one.settings.items()},
                **{name: getattr(one, name) for name in ("kind", "factors", "seed", "dataset")},
            }
        )
    assert check_ledger(path) == len(kinds) > 3
    wrong = {**json.loads(path.read_text().splitlines()[0]), "key": "f" * 16, "kind": "samples"}
    path.write_text(json.dumps(wrong) + "\n")
    with pytest.raises(AssertionError):
        check_ledger(path)


def check_ledger(path):
    """Each result's key is that of its factors and settings; those of the profile's settings are
    in its grid. Results of other settings stay in a ledger, and no report shows them.
    """
    study = papers.get(path.parent.name)
    profile = study.settings("overnight").flat()
    done = first_done(path, study.protocol_version)
    grid = grid_keys(study, path)
    for record in done.values():
        rebuilt = cell_of(study, record)
        found = key(rebuilt, study.key, study.protocol_version, record["fingerprint"])
        assert found == record["key"], f"{rebuilt} has another key now"
        taken = {
            f"{group}.{name}": value
            for group, values in record["settings"].items()
            for name, value in values.items()
        }
        if taken.items() <= profile.items():
            assert record["key"] in grid, f"{rebuilt} is not in the grid any more"
    return len(done)
