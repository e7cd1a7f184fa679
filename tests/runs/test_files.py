"""Files are whole or not there, UTF-8, and named where the disk is full."""

import ast
import errno
import os
from pathlib import Path

import pytest
from runs.toy import STUDY

from dagen_keras import files
from dagen_keras.runs import Ledger, Run, RunError

ROOT = Path(__file__).parents[2]
SOURCES = [*sorted((ROOT / "dagen_keras").rglob("*.py")), ROOT / "run_all.py"]


@pytest.fixture
def full(monkeypatch):
    """`full(part)`: the disk is full for each file whose name has `part` in it; all else fits."""
    fsync = os.fsync

    def of(part):
        def refused(handle):
            name = os.path.basename(os.readlink(f"/proc/self/fd/{handle}"))
            if part in name:
                os.truncate(handle, os.fstat(handle).st_size - 3)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            fsync(handle)

        monkeypatch.setattr(os, "fsync", refused)

    if not os.path.exists("/proc/self/fd"):
        pytest.skip("which file is written is asked of /proc")
    return of


def test_text_is_utf_8_and_bytes_are_bytes(tmp_path):
    for content, found in (("é–\udc80", "é–\\udc80".encode()), (b"\xff", b"\xff"), ("", b"")):
        files.write(tmp_path / "a", content)
        assert (tmp_path / "a").read_bytes() == found
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_file_that_cannot_be_replaced_is_named(tmp_path):
    (tmp_path / "a").mkdir()
    for path in (tmp_path / "a", tmp_path / "none" / "a"):
        with pytest.raises(RunError, match=f"^'{path}' cannot be written: "):
            files.write(path, "text")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def _contents(directory):
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "name", ["squares.csv", "empty.png", "claims.json", "summary.json", "index.html"]
)
def test_a_full_disk_names_the_file_of_a_report_and_leaves_the_last_one(tmp_path, full, name):
    run = Run(STUDY, "quick", results=tmp_path)
    run.compute(progress=False)
    before = _contents(tmp_path)
    full(name)
    with pytest.raises(RunError, match=rf"{name}' cannot be written: No space left on device\.$"):
        run.write_report()
    assert _contents(tmp_path) == before


def test_a_full_disk_names_the_ledger_and_leaves_no_half_line(tmp_path, full):
    ledger = Ledger(tmp_path / "runs.jsonl")
    record = {"key": "a", "status": "done", "values": {}}
    ledger.append(record)
    ledger.append({**record, "protocol_version": 2})
    before = ledger.path.read_bytes()
    full("runs.jsonl")
    for action in (lambda: ledger.append(record), lambda: ledger.set_aside_before(2)):
        with pytest.raises(RunError, match=r"runs\.jsonl(\.1\.old)?' cannot be written: No space"):
            action()
        assert _contents(tmp_path) == {ledger.path: before}


def _without_encoding(tree):
    """The calls that read or write text and do not say in which encoding."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        said = {keyword.arg for keyword in call.keywords}
        name = ast.unparse(call.func)
        binary = any(ast.unparse(a) in ("'rb'", "'wb'", "'ab'", "'r+b'") for a in call.args)
        opened = (
            name.split(".")[-1] == "open" and name not in ("Image.open", "os.open") and not binary
        )
        as_text = name.endswith((".read_text", ".write_text")) or "text" in said
        if (opened or as_text) and "encoding" not in said:
            yield call


def test_every_text_file_is_opened_in_a_named_encoding():
    assert len(SOURCES) > 50
    for path in SOURCES:
        found = _without_encoding(ast.parse(path.read_text(encoding="utf-8")))
        assert [f"{path}, line {call.lineno}" for call in found] == []


def test_a_call_without_encoding_is_found():
    calls = "open(p); p.open('a'); p.read_text(); p.write_text(t); run(c, text=True)"
    good = "open(p, 'rb'); Image.open(p); p.read_text(encoding='utf-8'); p.open('ab')"
    assert len(list(_without_encoding(ast.parse(calls)))) == 5
    assert list(_without_encoding(ast.parse(good))) == []
