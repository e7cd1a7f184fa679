import json

import pytest

from dagen_keras import files
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


def _failed(key, error):
    return {"key": key, "status": "failed", "values": {}, "error": error}


def test_no_record_replaces_one_that_is_done(ledger):
    for record in (_record("a", f1=0.7), _failed("a", "late"), _record("a", f1=0.9)):
        ledger.append(record)
    assert ledger.read()["a"] == _record("a", f1=0.5)
    assert len(ledger.records()) == 6


def test_of_those_that_failed_the_last_counts_until_one_is_done(ledger):
    for error in ("first", "second"):
        ledger.append(_failed("d", error))
    assert ledger.read()["d"]["error"] == "second"
    ledger.append(_record("d", f1=0.7))
    assert ledger.read()["d"]["values"] == {"f1": 0.7}


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


@pytest.mark.parametrize(
    "foreign",
    [
        "hello",
        '{"key": 1}',
        '{"key": [1], "status": "done", "values": {}}',
        '{"key": "a", "status": "done", "values": [1]}',
        "[1, 2]",
        '"text"',
        "\x00\xff",
    ],
)
def test_a_foreign_line_is_skipped_with_a_warning_and_kept(ledger, foreign):
    lines = ledger.path.read_text().splitlines()
    ledger.path.write_text("\n".join([lines[0], foreign, *lines[1:]]) + "\n")
    with pytest.warns(UserWarning, match="line 2 is not a record"):
        assert list(ledger.read()) == ["a", "b", "c"]
    ledger.append(_record("d"))
    assert foreign in ledger.path.read_text()


@pytest.mark.parametrize("damage", ["an array", "lost newlines", "text", "a record of no newline"])
def test_a_last_line_that_is_more_than_a_torn_record_is_never_dropped(ledger, damage):
    whole = ledger.path.read_text()
    texts = {"an array": json.dumps(ledger.records()), "lost newlines": whole.replace("\n", "")}
    texts |= {"text": whole + "a remark of mine", "a record of no newline": whole[:-1]}
    ledger.path.write_text(texts[damage])
    if damage != "a record of no newline":
        with pytest.warns(UserWarning, match="line . is not a record"):
            assert list(ledger.read()) == (["a", "b", "c"] if damage == "text" else [])
    ledger.append(_record("d"))
    assert ledger.path.read_text().startswith(texts[damage] + "\n")


@pytest.mark.parametrize("n", range(1, 30))
def test_a_record_torn_anywhere_is_dropped_and_nothing_else(ledger, n):
    whole = ledger.path.read_bytes()
    ledger.path.write_bytes(whole + json.dumps(_record("torn")).encode()[:n])
    assert list(ledger.read()) == ["a", "b", "c"]
    ledger.append(_record("d"))
    assert ledger.path.read_bytes() == whole + json.dumps(_record("d")).encode() + b"\n"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_record_of_a_number_that_is_none_is_skipped_with_a_warning(ledger, number):
    with ledger.path.open("a") as file:
        file.write('{"key": "e", "status": "done", "values": {"f1": ' + number + "}}\n")
    with pytest.warns(UserWarning, match="line 4 is not a record"):
        assert list(ledger.read()) == ["a", "b", "c"]


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


def test_merge_adds_each_line_once_and_drops_a_torn_one(ledger, tmp_path):
    other = Ledger(tmp_path / "other.jsonl")
    for key in "cdd":
        other.append(_record(key, f1=0.7))
    with other.path.open("a") as file:
        file.write("# a remark\n" + '{"key": "torn')
    before, there = ledger.path.read_bytes(), other.path.read_bytes()
    assert [ledger.merge(other), ledger.merge(other)] == [(1, ["c"]), (0, ["c"])]
    assert ledger.path.read_bytes().startswith(before)
    assert list(ledger.read()) == ["a", "b", "c", "d"]
    assert len(ledger.lines()) == 4
    assert other.path.read_bytes() == there


def test_setting_aside_is_at_no_moment_a_loss(ledger, monkeypatch):
    """Of a kill after each write of a file."""
    for key in "de":
        ledger.append({**_record(key), "protocol_version": 2})
    content, write = ledger.path.read_text(), files.write

    class Killed(BaseException):
        pass

    for last in (1, 2):
        left = [last]

        def killed(path, content, left=left):
            write(path, content)
            left[0] -= 1
            if not left[0]:
                raise Killed

        monkeypatch.setattr(files, "write", killed)
        with pytest.raises(Killed):
            ledger.set_aside_before(2)
        assert ledger.read().keys() >= {"d", "e"}
    aside = sorted(ledger.path.parent.glob("*.old"))
    assert [path.read_text() for path in aside] == [content, content]
    assert list(ledger.read()) == ["d", "e"]
