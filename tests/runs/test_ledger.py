import json

import pytest

from dagen_keras.runs import Ledger, RunError


def _record(key, **values):
    return {"key": key, "status": "done", "values": values}


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path / "deep" / "runs.jsonl")
    for key in "abc":
        ledger.append(_record(key, f1=0.5))
    return ledger


def test_append_then_read(ledger):
    assert list(ledger.read()) == ["a", "b", "c"]
    assert ledger.read()["b"]["values"] == {"f1": 0.5}
    assert Ledger(ledger.path.with_name("absent.jsonl")).read() == {}


def test_the_last_record_of_a_key_counts(ledger):
    ledger.append(_record("a", f1=0.7))
    assert ledger.read()["a"]["values"] == {"f1": 0.7}
    assert len(ledger.path.read_text().splitlines()) == 4


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_torn_last_line_is_dropped_and_mended_by_the_next_append(ledger, cut):
    content = ledger.path.read_bytes()
    ledger.path.write_bytes(content[: -1 - cut])
    torn = ledger.path.read_bytes()
    assert list(ledger.read()) == ["a", "b"]
    assert ledger.path.read_bytes() == torn, "reading must not write"
    ledger.append(_record("d"))
    assert list(ledger.read()) == ["a", "b", "d"]
    assert all(json.loads(line) for line in ledger.path.read_text().splitlines())


def test_a_whole_last_line_without_its_newline_is_kept(ledger):
    ledger.path.write_bytes(ledger.path.read_bytes()[:-1])
    assert list(ledger.read()) == ["a", "b", "c"]
    ledger.append(_record("d"))
    assert list(ledger.read()) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("foreign", ["hello", '{"key": 1}', "[1, 2]", '"text"', "\x00\xff"])
def test_a_foreign_line_is_skipped_with_a_warning_and_kept(ledger, foreign):
    lines = ledger.path.read_text().splitlines()
    ledger.path.write_text("\n".join([lines[0], foreign, *lines[1:]]) + "\n")
    with pytest.warns(UserWarning, match="line 2 is not a record"):
        assert list(ledger.read()) == ["a", "b", "c"]
    ledger.append(_record("d"))
    assert foreign in ledger.path.read_text()


def test_nan_is_no_json_and_writes_nothing(ledger):
    before = ledger.path.read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        ledger.append(_record("d", f1=float("nan")))
    assert ledger.path.read_bytes() == before


def test_set_aside_keeps_the_old_file(ledger):
    ledger.set_aside()
    assert ledger.read() == {}
    ledger.append(_record("z"))
    ledger.set_aside()
    assert list(Ledger(ledger.path.with_name("runs.jsonl.1.old")).read()) == ["a", "b", "c"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"ledger '.*' cannot be written"):
        Ledger(tmp_path / "file" / "runs.jsonl").append(_record("a"))
