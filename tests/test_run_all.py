"""The command line."""

import importlib.util
import json
import logging
import os
import re
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from runs.toy import STUDY

from dagen_keras import backend, cli, papers
from dagen_keras.augment import command
from dagen_keras.datasets import DataError
from dagen_keras.runs import Ledger, Run, RunError, notebooks
from dagen_keras.runs.state import EMPTY
from dagen_keras.study.cells import MOST_CELLS

ROOT = Path(__file__).parents[1]


def _run_all(*arguments):
    return cli.run_all([str(a) for a in arguments], root=ROOT)


def _main(*arguments):
    return cli.main([str(a) for a in arguments])


@pytest.fixture
def toy(monkeypatch):
    """The toy and another like it in place of the papers, and no notebooks."""
    studies = {"toy": STUDY, "other": replace(STUDY, key="other", notebook="99_zz.ipynb")}
    monkeypatch.setattr(papers, "KEYS", tuple(studies))
    monkeypatch.setattr(papers, "get", studies.__getitem__)
    monkeypatch.setattr(notebooks, "execute", lambda run, path: [])
    return studies


def test_list_names_the_papers(capsys):
    assert _run_all("--list") == 0
    out = capsys.readouterr().out
    assert all(f"{key} " in out for key in papers.KEYS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["garay"], "unknown paper 'garay'; known are"),
        (["--profile", "fast"], "profile 'fast'; known are smoke, quick, overnight, paper"),
        (["-p", "sedes", "3"], "no paper asked for has a setting 'sedes'; known are "),
        (["-p", "vae.sedes", "3"], "no paper asked for has a setting 'vae.sedes'; known are "),
        (["-p", "vae", "3"], "'vae' is a group of settings: name one of vae.sampling, "),
        (["-p", "vae.sampling", "hmc"], "setting 'vae.sampling' must be 'prior' or 'uniform'"),
        (["-p", "seeds", "three"], "setting 'seeds' must be a valid integer; got 'three'"),
        (["-p", "dataset", "mnits"], "setting 'dataset' must be 'digits', "),
        (["-p", "train_sizes", "55"], "must be a multiple of the 10 classes"),
        (["--fresh", "--no-compute"], "--no-compute computes nothing: give one of them"),
        (["--results", os.devnull + "/results"], "cannot be written"),
        (["-p", "dataset", "mnist", "--data-dir", "nowhere"], "nowhere'"),
    ],
)
def test_a_wrong_call_is_explained_in_a_line_without_a_traceback(
    arguments, message, capsys, tmp_path
):
    if "--results" not in arguments:
        arguments = [*arguments, "--results", tmp_path]
    assert _run_all("garay_maestre", *arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert "Traceback" not in error
    assert list(tmp_path.rglob("runs.jsonl")) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workers", "0"], "must be a whole number from 1 on; got '0'"),
        (["--workers", "two"], "must be a whole number from 1 on; got 'two'"),
        *(
            (["--time-limit", text], f"must be a time such as 90s, 150m or 7h; got '{text}'")
            for text in ("x", "7", "h", "7 h", "1d", "1h30m", "nan")
        ),
    ],
)
def test_a_wrong_option_is_explained(arguments, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        _run_all("garay_maestre", *arguments, "--dry-run")
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_times_are_read():
    times = {"90s": 90, "150m": 9000, "7h": 25200, "1.5h": 5400}
    assert {text: command.seconds(text) for text in times} == times


def test_a_profile_that_a_paper_lacks_is_refused_in_a_sentence(toy, capsys, tmp_path):
    assert _run_all("toy", "--profile", "overnight", "--results", tmp_path) == 2
    error = capsys.readouterr().err
    assert error == "error: toy has no profile 'overnight' yet; it has quick, paper.\n"
    assert list(tmp_path.iterdir()) == []


def test_an_empty_data_directory_is_explained(capsys, tmp_path):
    empty = tmp_path / "data"
    empty.mkdir()
    code = _run_all("garay_maestre", "--data-dir", empty, "-p", "dataset", "mnist", "--dry-run")
    assert code == 2, "a dry run downloads nothing"
    error = capsys.readouterr().err
    assert "'mnist.npz' or a prepared TFDS dataset 'mnist'" in error
    assert str(empty) in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--results", "~nouser/x"], "results directory '~nouser/x': no home directory is known"),
        (["--data-dir", "~nouser"], "data directory '~nouser': no home directory is known"),
        (["--results", "file"], "results directory 'file' is no directory, but a file"),
        (["--results", "loop"], "results directory 'loop' is no directory, but a file or a broken"),
        (["--results", "loop/x"], "cannot be written"),
        (["--data-dir", "loop"], "data directory 'loop' is no directory"),
        (["--data-dir", "file"], "data directory 'file' is no directory"),
        (["-p", "seeds", "[" * 5000 + "]" * 5000], "'seeds' must be a valid integer; got '[[["),
        (["-p", "seeds", '{"a":' * 900 + "1" + "}" * 900], "'seeds' must be a valid integer"),
        (["-p", "numbers", "[" * 5000 + "]" * 5000], "'numbers', element 1, must be a valid"),
        (["-p", "numbers", "[" * 900 + "]" * 900], "'numbers', element 1, must be a valid"),
        (["-p", "seeds", "10000000"], "'seeds' must be at most 100; got 10000000. Now it is 1."),
        (["-p", "numbers", str([*range(101)])], "'numbers' must have at most 100 values; got [0,"),
        (["--cluster", "tcp://127.0.0.1:99999"], "no dask scheduler answers at 'tcp://127.0.0.1:9"),
    ],
)
def test_a_call_that_cannot_be_is_explained_before_anything_is_written(
    arguments, message, capsys, tmp_path, toy, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    (tmp_path / "loop").symlink_to("loop")
    if "--cluster" in arguments:
        distributed = pytest.importorskip("distributed")
        client = distributed.Client
        monkeypatch.setattr(distributed, "Client", lambda a, timeout: client(a, timeout=0.5))
    elif "--results" not in arguments:
        arguments = [*arguments, "--results", "new", "--dry-run"]
    assert _run_all("toy", *arguments, *(["--results", "new"] * ("--cluster" in arguments))) == 2
    error = capsys.readouterr().err
    assert message in error.splitlines()[-1]
    assert len(error.splitlines()[-1]) < 300
    assert list(tmp_path.rglob("runs.jsonl")) == []


@pytest.mark.parametrize("key", papers.KEYS)
def test_no_paper_begins_a_grid_that_cannot_be_listed(key):
    study = papers.get(key)
    settings = next(reversed(study.profiles.values()))
    for name, value in settings.flat().items():
        if name.endswith("seeds"):
            with pytest.raises(RunError, match=f"'{name}' must be at most 100; got 10000000"):
                settings.replace({name: "10000000"})
        if isinstance(value, list):
            with pytest.raises(RunError, match=f"'{name}'.* must "):
                settings.replace({name: list(range(1, 1000))})
    most = {name: 100 for name in settings.flat() if name.endswith("seeds")}
    assert len(study.cells(settings.replace(most), EMPTY)) < MOST_CELLS


def test_settings_that_multiply_to_too_many_cells_are_refused(tmp_path, capsys):
    hundred = ",".join(str(20 * n) for n in range(1, 101))
    arguments = ["-p", "seeds", "100", "-p", "numbers", hundred, "-p", "factors", hundred]
    command = ["chadebec", "--profile", "paper", "--results", tmp_path, "--dry-run"]
    assert _run_all(*command, *arguments) == 2
    assert capsys.readouterr().err == (
        "error: these settings ask for more than 50,000 cells: ask for fewer seeds, or for shorter "
        "lists.\n"
    )


def test_a_dry_run_lists_fifty_cells_and_counts_the_others(capsys, tmp_path, toy):
    assert _run_all("toy", "--results", tmp_path, "--dry-run", "-p", "seeds", "20") == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum("square, n" in line for line in lines) == 50
    assert lines[50:52] == ["... and 10 more", lines[51]]
    assert lines[51].startswith("toy: 60 of 60 cells to compute")


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
ACCENTED = """
import sys
from dataclasses import replace
from runs.toy import STUDY, parts
from dagen_keras import backend, cli, papers
from dagen_keras.runs import notebooks
study = replace(
    STUDY,
    title="Carrés – é",
    question="Wie groß ist ein Quadrat – 49 €?",
    tables={"squares": {"title": "Größe", "unit": "µm"}},
    parts=lambda frame: {**parts(frame), "squares": frame.assign(größe="é")},
)
papers.KEYS, papers.get = ("toy",), lambda key: study
notebooks.execute = lambda run, path: []
sys.exit(cli.run_all())
"""


@pytest.mark.slow
def test_what_is_not_ascii_is_written_as_utf_8_and_shown_on_any_terminal(tmp_path):
    results, script = tmp_path / "Größe", tmp_path / "script.py"
    results.mkdir()
    script.write_text(ACCENTED, encoding="utf-8")
    environment = {n: v for n, v in os.environ.items() if not n.startswith(("LC_", "LANG"))}
    environment |= {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]), **ASCII}
    for arguments in ([], ["--no-compute"], ["--dry-run"], ["--list"]):
        command = [sys.executable, script, *arguments, "--results", results]
        done = subprocess.run(command, env=environment, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        out = done.stdout.decode("ascii")
        if arguments != ["--dry-run"]:
            assert r"Wie gro\xdf ist ein Quadrat \u2013 49 \u20ac?" in out
    for name, text in {
        "index.html": "Wie groß ist ein Quadrat – 49 €?",
        "toy/summary.json": "Größe",
        "toy/tables/squares.csv": "größe",
    }.items():
        assert text in (results / "quick" / name).read_text(encoding="utf-8")


def test_dry_run_lists_cells_with_an_estimate_and_writes_nothing(capsys, tmp_path, toy):
    assert _run_all("toy", "--results", tmp_path, "--dry-run") == 0
    out = capsys.readouterr().out
    assert "square, n 3, on digits, seed 0" in out
    assert "toy: 3 of 3 cells to compute, no time known before the first" in out
    assert list(tmp_path.iterdir()) == []
    assert _main("run", "toy", "--results", tmp_path) == 0
    before = sorted(tmp_path.rglob("*"))
    assert _run_all("toy", "--results", tmp_path, "--dry-run", "-p", "numbers", "3,4,5") == 0
    assert "toy: 2 of 3 cells to compute" in capsys.readouterr().out
    assert _run_all("toy", "--results", tmp_path, "--dry-run", "--fresh") == 0
    assert "toy: 3 of 3 cells to compute" in capsys.readouterr().out
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_a_nested_setting_changes_the_cells_of_the_papers_that_have_it(capsys, tmp_path):
    arguments = ["garay_maestre", "guruswamy", "--profile", "smoke", "--dry-run"]
    arguments += ["--results", tmp_path]
    keys = []
    for sampling in ("prior", "uniform"):
        assert _run_all(*arguments, "-p", "vae.sampling", sampling) == 0
        cells = [line for line in capsys.readouterr().out.splitlines() if "seed" in line]
        keys.append({line.split()[0] for line in cells})
    assert keys[0] != keys[1]
    assert keys[0] & keys[1], "those of the other paper, and those without a VAE"


def test_the_same_command_goes_on_and_a_paper_named_twice_runs_once(capsys, tmp_path, toy):
    assert _main("run", "toy", "toy", "--results", tmp_path) == 0
    ledger = Ledger(tmp_path / "quick" / "toy" / "runs.jsonl")
    before = ledger.path.read_bytes()
    assert len(ledger.records()) == 3
    assert f"The ledgers are in {tmp_path / 'quick'}." in capsys.readouterr().out
    assert _run_all("toy", "other", "toy", "--results", tmp_path, "--no-compute") == 0
    out = capsys.readouterr().out
    assert "other: nothing is computed yet, and there is no report." in out
    assert ledger.path.read_bytes() == before
    assert out.count("toy: How large is a square?") == 1
    assert "1 not decided" in out
    assert f"Open {(tmp_path / 'quick' / 'index.html').resolve()} in a browser." in out
    page = (tmp_path / "quick" / "index.html").read_text()
    assert "3 of 3 computed" in page
    assert not (tmp_path / "quick" / "other").exists()


def test_the_page_links_a_notebook_that_was_executed_after_it(tmp_path, toy, monkeypatch):
    def execute(run, path):
        assert (tmp_path / "quick" / "index.html").exists()
        (run.directory / "notebook.ipynb").write_text("{}", encoding="utf-8")
        return []

    monkeypatch.setattr(notebooks, "execute", execute)
    assert _run_all("toy", "--results", tmp_path) == 0
    page = (tmp_path / "quick" / "index.html").read_text(encoding="utf-8")
    assert 'href="toy/notebook.ipynb"' in page


def test_no_compute_refuses_to_report_nothing_and_changes_nothing(capsys, tmp_path, toy):
    command = ["run", "toy", "--results", tmp_path, "--no-compute"]
    assert _main(*command) == 2
    assert "error: nothing is computed yet: there is no '" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert _main(*command[:-1]) == 0
    ledger = tmp_path / "quick" / "toy" / "runs.jsonl"
    table = ledger.parent / "tables" / "squares.csv"
    before = table.read_bytes()
    ledger.write_text("")
    assert _main(*command) == 2
    assert "there is nothing to report, and nothing is changed" in capsys.readouterr().err
    assert table.read_bytes() == before


def _rewritten(ledger, **changes):
    """The lines of a ledger with the changes in each of its records."""
    return "".join(json.dumps({**record, **changes}) + "\n" for record in ledger.records())


def test_results_of_other_data_are_told_and_hide_none(capsys, tmp_path, toy):
    """Merged, or computed where other images had the same name."""
    assert _main("run", "toy", "--results", tmp_path) == 0
    ledger = Ledger(tmp_path / "quick" / "toy" / "runs.jsonl")
    other = tmp_path / "other.jsonl"
    other.write_text(_rewritten(ledger, key="f" * 16, fingerprint="f" * 16))
    whole = ledger.path.read_text()
    assert _main("merge", other, "--results", tmp_path, "--profile", "quick") == 0
    told = f"1 results are of other images called 'digits' (fingerprint {'f' * 16}) than those in"
    assert told in capsys.readouterr().out
    assert _main("run", "toy", "--results", tmp_path, "--no-compute") == 0
    assert told in capsys.readouterr().out
    assert "3 of 3 computed" in (tmp_path / "quick" / "index.html").read_text()
    ledger.path.write_text(other.read_text())
    assert _main("run", "toy", "--results", tmp_path, "--no-compute") == 2
    assert "nothing is changed: toy: 1 results are of other images" in capsys.readouterr().err
    assert "3 of 3 computed" in (tmp_path / "quick" / "index.html").read_text()
    ledger.path.write_text(whole)


def test_merge_names_cells_that_have_other_values_there(capsys, tmp_path, toy):
    for name in ("here", "there"):
        assert _main("run", "toy", "--results", tmp_path / name) == 0
    here, there = (Ledger(tmp_path / n / "quick" / "toy" / "runs.jsonl") for n in ("here", "there"))
    there.path.write_text(_rewritten(there, seconds=99.0))
    before = here.path.read_bytes()
    assert _main("merge", there.path, "--results", tmp_path / "here") == 0
    assert "toy, quick: 0 records added" in capsys.readouterr().out
    there.path.write_text(_rewritten(there, values={"square": -1, "images": 1}))
    assert _main("merge", there.path, "--results", tmp_path / "here") == 0
    said = "3 cells are done in both with other values, and those here stay: "
    assert said + ", ".join(here.read()) in capsys.readouterr().out
    assert here.path.read_bytes() == before


@pytest.mark.parametrize(
    "changes",
    [
        {"study": "other"},
        {"seed": 7},
        {"kind": "cube"},
        {"factors": {"n": 99}},
        {"factors": "n"},
        {"dataset": "photos"},
        {"fingerprint": "0"},
    ],
)
def test_a_record_that_says_it_is_of_another_cell_is_left_out(tmp_path, toy, changes):
    run = Run(STUDY, results=tmp_path)
    run.compute(progress=False)
    first, *others = run.ledger.path.read_text().splitlines(keepends=True)
    run.ledger.path.write_text(
        json.dumps({**json.loads(first), **changes}) + "\n" + "".join(others)
    )
    name = next(iter(changes))
    with pytest.warns(UserWarning, match=f"is left out, as its {name} is .* not that of the cell"):
        assert len(run.missing()) == 1 and len(run.frame()) == 2


def test_a_factor_that_is_none_may_be_absent_from_a_record(tmp_path, toy):
    """A study may get a factor later, which is None in the cells that it had before."""
    run = Run(STUDY, results=tmp_path)
    run.compute(progress=False)
    first, *others = run.ledger.path.read_text().splitlines(keepends=True)
    factors = {**json.loads(first)["factors"], "later": None}
    first = json.dumps({**json.loads(first), "factors": factors}) + "\n"
    run.ledger.path.write_text(first + "".join(others))
    later = replace(
        STUDY,
        cells=lambda s, frame: [
            replace(c, factors={**c.factors, "other": None}) for c in STUDY.cells(s, frame)
        ],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for study in (STUDY, later):
            assert not Run(study, results=tmp_path).missing()
            assert len(Run(study, results=tmp_path).frame()) == 4, "the first stands twice in it"


@pytest.mark.parametrize("changes", [{"seconds": "long"}, {"device": [1]}])
def test_a_record_of_odd_values_is_named_and_stops_no_other_paper(capsys, tmp_path, toy, changes):
    command = ["run", "toy", "other", "--results", tmp_path]
    assert _main(*command) == 0
    ledger = Ledger(tmp_path / "quick" / "toy" / "runs.jsonl")
    (tmp_path / "quick" / "other" / "summary.json").unlink()
    ledger.path.write_text(_rewritten(ledger, **changes))
    assert _main(*command, "--no-compute") == 1
    assert "toy: no report can be made of" in capsys.readouterr().err
    assert (tmp_path / "quick" / "other" / "summary.json").exists()


def test_a_failed_cell_and_notebook_give_status_1_and_say_how_to_go_on(
    capsys, tmp_path, monkeypatch, toy
):
    monkeypatch.setenv("TOY_TROUBLE", "2:fail")
    monkeypatch.setattr(notebooks, "execute", lambda run, path: ["a cell of the notebook failed"])
    assert _run_all("toy", "--results", tmp_path) == 1
    error = capsys.readouterr().err
    assert "toy: cell square, n 2, on digits, seed 0 failed: ValueError: told to fail" in error
    assert "a cell of the notebook failed" in error
    assert error.strip().endswith("it tries only what is missing.")
    assert "cells failed" in (tmp_path / "quick" / "index.html").read_text()


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"{}", b"3", b"[3]", b"[{}]", b'[{"verdict": []}]', b"[" * 5000]
)
def test_claims_that_cannot_be_counted_are_told_and_stop_nothing(
    capsys, tmp_path, toy, monkeypatch, content
):
    """The toy's data cannot be had, so that its report is not made anew."""
    claims = tmp_path / "quick" / "toy" / "claims.json"
    claims.parent.mkdir(parents=True)
    claims.write_bytes(content)
    compute = cli._compute

    def without_toy(run, options, deadline):
        if run.study.key == "toy":
            raise DataError("gone")
        return compute(run, options, deadline)

    monkeypatch.setattr(cli, "_compute", without_toy)
    assert _run_all("--results", tmp_path) == 1
    captured = capsys.readouterr()
    again = "python run_all.py toy --profile quick --no-compute"
    assert re.search(rf"  its report cannot be read \(.+\): {again}\n", captured.out)
    said = "other: How large is a square?\n  quick, bundled digits, 3 of 3 cells"
    assert f"{said} computed:\n    The largest has 9 units.\n    1 not decided\n" in captured.out
    assert "toy: gone" in captured.err


def test_of_what_tensorflow_logs_errors_alone_are_shown(caplog):
    for name in ("tensorflow", "absl"):
        caplog.set_level(logging.WARNING, name)  # Its level comes back afterwards.

    def action():
        for name in ("tensorflow", "absl"):
            logging.getLogger(name).warning("traced anew")
            logging.getLogger(name).error("broken")

    cli._guarded(action)
    assert [record.message for record in caplog.records] == ["broken", "broken"]


def test_an_interrupt_says_that_nothing_is_lost(capsys, tmp_path, monkeypatch, toy):
    monkeypatch.setenv("TOY_TROUBLE", "2:interrupt")
    assert _run_all("toy", "--results", tmp_path) == 130
    assert (
        "interrupted. What is finished is kept; the same command goes on."
        in capsys.readouterr().err
    )


def test_an_interrupted_comparison_says_that_nothing_is_kept(capsys, tmp_path, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("dagen_keras.augment.command.folder.read", interrupted)
    assert _main("compare", tmp_path, "--output", tmp_path / "page.html") == 130
    assert "interrupted. Nothing is kept." in capsys.readouterr().err


def test_out_of_time_it_ends_well_and_says_what_is_left(capsys, tmp_path, toy):
    assert _main("run", "--time-limit", "0s", "--results", tmp_path) == 0
    out = capsys.readouterr().out
    for key in toy:
        assert f"{key}: 3 cells were not started, for want of time; the same command" in out
    assert _main("run", "toy", "--time-limit", "1h", "--results", tmp_path) == 0
    assert "not started" not in capsys.readouterr().out


def test_the_time_limit_is_of_all_papers_together(tmp_path, toy, monkeypatch):
    now, limits = [100.0], []

    def compute(run, time_limit, **others):
        limits.append(time_limit)
        now[0] += 40
        return []

    monkeypatch.setattr(Run, "compute", compute)
    monkeypatch.setattr(cli.time, "monotonic", lambda: now[0])
    assert _main("run", "--time-limit", "60s", "--results", tmp_path) == 0
    assert limits == [60, 20]


def _lines(*changes):
    record = {"key": "0", "status": "done", "values": {}, "study": "toy", "protocol_version": 2}
    return "".join(json.dumps({**record, **change}) + "\n" for change in changes)


@pytest.fixture
def elsewhere(tmp_path):
    """A ledger of the toy that was computed on another machine; its last line is torn."""
    path = tmp_path / "elsewhere" / "quick" / "toy" / "runs.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(_lines({"key": "a"}, {"key": "b"}) + '{"key": "c", "sta')
    return path


def test_merge_adds_the_cells_computed_elsewhere_once(elsewhere, tmp_path, toy, capsys):
    here = Ledger(tmp_path / "here" / "quick" / "toy" / "runs.jsonl")
    here.append(json.loads(_lines({"key": "a"})))
    command = ["merge", elsewhere, "--results", tmp_path / "here"]
    for n, keys in ((1, ["a", "b"]), (0, ["a", "b"])):
        assert _main(*command) == 0
        assert f"toy, quick: {n} records added to '{here.path}'." in capsys.readouterr().out
        assert [record["key"] for record in here.records()] == keys
    assert _main(*command, "--profile", "paper") == 0
    assert len(Ledger(tmp_path / "here" / "paper" / "toy" / "runs.jsonl").records()) == 2


def test_merged_cells_are_not_computed_again(tmp_path, toy):
    there, here = (Run(STUDY, results=tmp_path / name) for name in ("there", "here"))
    there.compute(progress=False)
    assert _main("merge", there.ledger.path, "--results", tmp_path / "here") == 0
    assert here.missing() == {}


def test_of_no_cell_no_report_replaces_another(tmp_path, toy, capsys):
    command = ["run", "toy", "--results", tmp_path]
    assert _main(*command, "--time-limit", "0s") == 0
    assert not (tmp_path / "quick" / "toy" / "claims.json").exists()
    assert _main(*command) == 0
    before = (tmp_path / "quick" / "toy" / "summary.json").read_text()
    assert _main(*command, "--fresh", "--time-limit", "0s") == 0
    assert "cells were not started" in capsys.readouterr().out
    assert (tmp_path / "quick" / "toy" / "summary.json").read_text() == before


def test_a_setting_is_given_once(tmp_path, toy, capsys):
    assert _main("run", "toy", "-p", "seeds", 2, "-p", "seeds", 1, "--results", tmp_path) == 2
    assert "a setting is given twice: seeds, seeds" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "here", "expected"),
    [
        ([], {}, None),  # quick
        (["--profile", "paper"], {}, "local"),
        (["--profile", "paper", "--workers", "1"], {}, None),
        (["--profile", "paper", "--cluster", "none"], {}, None),
        (["--profile", "paper", "--cluster", "tcp://there"], {}, "tcp://there"),
        (["--cluster", "local"], {}, "local"),
        (["--profile", "paper"], {"gpu": True}, None),
        (["--profile", "paper"], {"processors": 1}, None),
        (["--profile", "paper"], {"dask": None}, None),
    ],
)
def test_long_profiles_are_computed_in_several_processes(
    arguments, here, expected, toy, tmp_path, monkeypatch
):
    found = []
    monkeypatch.setattr(Run, "compute", lambda _, **options: found.append(options) or [])
    monkeypatch.setattr(cli, "fitting_workers", lambda: here.get("processors", 4))
    monkeypatch.setattr(backend, "on_gpu", lambda: here.get("gpu", False))
    if "dask" in here:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert _main("run", "toy", *arguments, "--results", tmp_path) == 0
    workers = 1 if "--workers" in arguments else here.get("processors", 4)
    assert [(one["cluster"], one["workers"]) for one in found] == [(expected, workers)]


def test_workers_fit_processors_and_memory(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    pages = {"SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", lambda name: pages[name], raising=False)
    for gigabytes, expected in ((8, 5), (64, 16), (1, 1)):
        pages["SC_PHYS_PAGES"] = int(gigabytes * 1e9 / 4096)
        assert cli.fitting_workers() == expected


def test_merge_tells_what_is_of_cells_that_the_profile_does_not_have(tmp_path, toy, capsys):
    there = Run(STUDY, results=tmp_path / "there", changes={"seeds": 4})
    there.compute(progress=False)
    command = ["merge", there.ledger.path, "--results", tmp_path / "here"]
    assert _main(*command) == 0
    out = capsys.readouterr().out
    n = len(there.ledger.records()) - len(Run(STUDY, results=tmp_path / "nowhere").missing())
    assert n > 0 and f"toy: {n} of the results are of cells that 'quick' does not have" in out
    there.ledger.path.write_text("".join(there.ledger.path.read_text().splitlines(True)[:1]))
    assert _main(*command) == 0
    assert "does not have" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must hold results of one paper, of protocol version 2 on"),
        (_lines({}, {"study": "other"}), "must hold results of one paper"),
        ('{"key": "0", "status": "done", "values": {}, "paper": "toy"}\n', "of one paper"),
        (None, "there is no ledger"),
    ],
)
def test_a_ledger_that_cannot_be_merged_is_refused(text, message, elsewhere, tmp_path, toy, capsys):
    elsewhere.write_text(text) if text is not None else elsewhere.unlink()
    assert _main("merge", elsewhere, "--results", tmp_path / "here") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert not (tmp_path / "here").exists()


def test_merge_asks_for_what_the_path_does_not_say_and_refuses_itself(
    elsewhere, tmp_path, toy, capsys
):
    assert _main("merge", elsewhere, "--results", tmp_path / "elsewhere") == 2
    assert "is the ledger of this results directory" in capsys.readouterr().err
    moved = elsewhere.rename(tmp_path / "runs.jsonl")
    assert _main("merge", moved, "--results", tmp_path / "here") == 2
    assert "whose profile" in capsys.readouterr().err
    assert _main("merge", moved, "--results", tmp_path / "here", "--profile", "quick") == 0


def test_a_ledger_of_an_unknown_paper_is_refused(elsewhere, tmp_path, capsys):
    assert _main("merge", elsewhere, "--results", tmp_path / "here") == 2
    assert "unknown paper 'toy'; known are" in capsys.readouterr().err
