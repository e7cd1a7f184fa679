import os
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
