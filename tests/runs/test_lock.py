import errno
import os
import stat
import subprocess
import sys

import pytest

from dagen_keras.runs import RunError, writer

HOLD = (
    "import sys, time; from dagen_keras.runs import writer\n"
    "with writer({!r}): print('held', flush=True); time.sleep(60)"
)


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD.format(str(tmp_path))], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


@pytest.mark.slow
def test_a_second_process_is_refused_and_told_who_writes(tmp_path, holder):
    with (
        pytest.raises(RunError, match=f"being written by process {holder.pid} on "),
        writer(tmp_path),
    ):
        pass


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be removed there")
def test_a_second_process_is_refused_though_the_lock_files_are_removed(tmp_path, holder):
    (tmp_path / ".writer.lock").unlink()
    for _ in range(2):
        with (
            pytest.raises(RunError, match=f"written by process {holder.pid} on "),
            writer(tmp_path),
        ):
            pass
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(RunError, match="written by another process"), writer(tmp_path):
        pass
    holder.kill()
    holder.wait()
    with writer(tmp_path), writer(tmp_path):
        pass


@pytest.mark.slow
def test_an_odd_note_of_the_holder_does_not_hide_that_there_is_one(tmp_path, holder):
    for said in ("", "[]", "3", '{"pid": 1}', "[" * 5000, "\xff"):
        (tmp_path / ".writer.json").write_text(said, encoding="latin-1")
        with pytest.raises(RunError, match="written by another process"), writer(tmp_path):
            pass


def test_where_no_directory_can_be_locked_the_file_is(tmp_path, monkeypatch):
    """As on NFS, whose locks want a file that is open for writing."""
    fcntl = pytest.importorskip("fcntl")
    flock = fcntl.flock

    def of_files(handle, how):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EBADF, "Bad file descriptor")
        return flock(handle, how)

    monkeypatch.setattr(fcntl, "flock", of_files)
    with writer(tmp_path), writer(tmp_path):
        assert (tmp_path / ".writer.lock").exists()


@pytest.mark.slow
def test_a_killed_process_leaves_no_lock(tmp_path, holder):
    holder.kill()
    holder.wait()
    with writer(tmp_path):
        pass


@pytest.mark.slow
def test_the_same_process_may_enter_again(tmp_path):
    with writer(tmp_path), writer(tmp_path):
        pass
    check = [sys.executable, "-c", HOLD.replace("time.sleep(60)", "pass").format(str(tmp_path))]
    assert subprocess.run(check, check=True, capture_output=True, text=True).stdout == "held\n"


@pytest.mark.slow
def test_an_error_inside_releases_it(tmp_path):
    with pytest.raises(KeyboardInterrupt), writer(tmp_path):
        raise KeyboardInterrupt
    check = [sys.executable, "-c", HOLD.replace("time.sleep(60)", "pass").format(str(tmp_path))]
    assert subprocess.run(check, check=True, capture_output=True, text=True).stdout == "held\n"


def test_a_directory_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"), writer(tmp_path / "file" / "results"):
        pass


@pytest.mark.skipif(os.name == "nt" or os.getuid() == 0, reason="root may write anywhere")
def test_a_read_only_directory_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(RunError, match="cannot be written"), writer(tmp_path):
        pass
