"""The command line: `run_all.py`, and `python -m dagen_keras run`, `merge`, `augment`, ..."""

import argparse
import importlib
import importlib.util
import itertools
import math
import os
import sys
import time
from pathlib import Path

from dagen_keras import tensorflow_log
from dagen_keras.augment import command
from dagen_keras.checks import RunError
from dagen_keras.datasets import DataError

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130
LONG = ("overnight", "paper")  # Profiles whose cells take minutes.
BYTES_A_WORKER = 1.5e9
LISTED = 50  # Cells of a paper that a dry run lists; it counts the others.


def run_all(argv=None, root=None):
    """`run_all.py`: runs papers' grids, executes their notebooks, writes the index page.

    Args:
        argv: arguments; default: the process's.
        root: the directory with `notebooks/`; results go to `results/` in it by default.

    Returns:
        The exit status: 0, or 1 if a cell or a notebook failed, 2 for a wrong call, 130 after
        Ctrl-C.
    """
    _check_installed()
    root = Path(root or Path.cwd())
    parser = _parser("run_all.py", "Reproduce the papers: grids, notebooks, tables, figures.")
    parser.add_argument("--list", action="store_true", help="list the papers and stop")
    return _guarded(_run_all, parser.parse_args(argv), root)


def main(argv=None):
    """`python -m dagen_keras`: papers (`run`, `merge`), one's own images (`augment`, `compare`)."""
    parser = argparse.ArgumentParser(prog="python -m dagen_keras")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_arguments(commands.add_parser("run", help="run papers' grids into the ledger"))
    merge = commands.add_parser("merge", help="add cells computed elsewhere to the ledger here")
    merge.add_argument("ledgers", nargs="+", type=Path, metavar="LEDGER", help="runs.jsonl files")
    merge.add_argument("--profile", help="default: that of the path <profile>/<paper>/runs.jsonl")
    merge.add_argument("--results", type=Path, help="results directory; default: results/")
    command.add_augment(commands)
    command.add_compare(commands)
    commands.add_parser("doctor", help="what is installed here, and what is missing costs")
    options = parser.parse_args(argv)
    if options.command in ("run", "merge"):
        _check_installed()
    actions = {"run": _run_grids, "merge": _merge}
    actions |= {"augment": command.augment, "compare": command.compare}
    return _guarded(actions[options.command], options)


def _check_installed():
    """Ends where what only the papers need is not installed."""
    for name in ("filelock", "pydantic"):
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            text = f"{error}: the papers need pip install 'dagen-keras[papers]'."
            raise SystemExit(text) from None


def _parser(prog, description):
    parser = argparse.ArgumentParser(prog=prog, description=description)
    _add_arguments(parser)
    return parser


def _add_arguments(parser):
    parser.add_argument("keys", nargs="*", metavar="KEY", help="papers; default: all")
    parser.add_argument(
        "--profile", default="quick", help="smoke, quick, overnight or paper; default: quick"
    )
    parser.add_argument("--results", type=Path, help="results directory; default: results/")
    parser.add_argument(
        "--data-dir", help="where TFDS datasets or <name>.npz are; default: DAGEN_DATA_DIR"
    )
    parser.add_argument(
        "-p",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        dest="parameters",
        help="a setting of the papers, such as -p seeds 3 or -p vae.sampling uniform",
    )
    parser.add_argument("--fresh", action="store_true", help="start over")
    parser.add_argument(
        "--no-compute", action="store_true", help="make the report from the ledger alone"
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help=f"list the first {LISTED} cells of each paper, count all, and tell the time",
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="a dask scheduler; 'local': processes here; 'none': this one alone. Default: local "
        "for the profiles overnight and paper, on several processors and no GPU",
    )
    parser.add_argument(
        "--workers",
        type=_count,
        default=fitting_workers(),
        metavar="N",
        help="processes of --cluster local; default: as many as there are processors, and 1.5 GB "
        f"of memory for each, here {fitting_workers()}",
    )
    parser.add_argument(
        "--time-limit",
        type=command.seconds,
        metavar="TIME",
        help="start no cell that would not end in time, such as 90s, 150m or 7h",
    )


def fitting_workers():
    """How many processes of one thread this machine carries: of its processors, and its memory."""
    processors = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        processors = len(os.sched_getaffinity(0))
    if not hasattr(os, "sysconf"):  # Windows.
        return processors
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(processors, int(memory / BYTES_A_WORKER)))


def _cluster(options):
    """Where cells are computed: the address of a scheduler, "local", or None for this process.

    Processes of one thread do more than one of several threads, but each takes half a minute to be
    ready.
    """
    if options.cluster is not None:
        return None if options.cluster == "none" else options.cluster
    from dagen_keras import backend

    long, has_dask = options.profile in LONG, importlib.util.find_spec("distributed")
    several = min(options.workers, fitting_workers()) > 1
    return "local" if long and has_dask and several and not backend.on_gpu() else None


def _count(text):
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 on; got {text!r}.")
    return int(text)


def _guarded(action, *arguments):
    if hasattr(sys.stdout, "reconfigure"):  # A terminal without a character is shown its number.
        sys.stdout.reconfigure(errors="backslashreplace")
    tensorflow_log.errors_alone()
    try:
        return action(*arguments)
    except (RunError, DataError, OSError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        kept = action is not command.compare
        then = "What is finished is kept; the same command goes on." if kept else "Nothing is kept."
        print(f"\ninterrupted. {then}", file=sys.stderr)
        return EXIT_INTERRUPTED


def _runs(options, results=None):
    from dagen_keras import papers, runs

    if options.fresh and options.no_compute:
        raise RunError("--fresh computes anew and --no-compute computes nothing: give one of them.")
    changes = dict(options.parameters)
    if len(changes) < len(options.parameters):
        raise RunError("a setting is given twice: " + ", ".join(n for n, _ in options.parameters))
    chosen = papers.get_all(options.keys)
    for name in changes:
        if not any(name in study.names() for study in chosen):
            known = ", ".join(sorted({n for study in chosen for n in study.names()}))
            raise RunError(f"no paper asked for has a setting {name!r}; known are {known}.")
    found = [
        runs.Run(
            study,
            profile=options.profile,
            changes={n: v for n, v in changes.items() if n in study.names()},
            results=options.results or results,
            data_dir=options.data_dir,
            download=not (options.dry_run or options.no_compute),
        )
        for study in chosen
    ]
    if options.no_compute and len(found) > 1:
        for run in found:
            if not run.directory.is_dir():
                print(f"{run.study.key}: nothing is computed yet, and there is no report.")
        found = [run for run in found if run.directory.is_dir()] or found
    return found


def _run_all(options, root):
    from dagen_keras import papers

    if options.list:
        for paper in papers.get_all():
            print(f"{paper.key:15} {paper.title}\n{'':15} {paper.question}")
        return 0
    runs = _runs(options, root / "results")
    if options.dry_run:
        return _dry_run(runs, options.fresh)
    deadline, failures = _deadline(options), []
    for run in runs:
        failures += _each(runs, run, _compute_and_tell, run, options, deadline, root)
    page = (runs[0].results / options.profile / "index.html").resolve()
    return _finish(failures, f"{_answers(runs)}\nOpen {page} in a browser.")


def _compute_and_tell(run, options, deadline, root):
    from dagen_keras.runs import notebooks, page

    failures = _compute(run, options, deadline)
    failures += notebooks.execute(run, root / "notebooks" / run.study.notebook)
    if (run.directory / "summary.json").exists():
        page.write_index(run.directory.parent)  # With a link to the executed notebook.
    return failures


def _answers(runs):
    """Each paper's question and its answer, or why that is missing."""
    lines = []
    for run in runs:
        if (run.directory / "claims.json").exists():
            lines += [f"{run.study.key}: {run.study.question}", *_answer(run)]
    return "\n".join(lines)


def _answer(run):
    """A run's answer and the counts of its verdicts; and those of the profile that decides."""
    from dagen_keras.runs import page

    reports = [page.committed(run.directory)]
    try:
        reports.insert(0, page.brief(run.directory))
    except (ValueError, KeyError, TypeError) as error:
        again = page.how_to_make_again(run.study.key, run.profile)
        yield f"  its report cannot be read ({page.why(error)}): {again}"
    for said in filter(None, reports):
        yield f"  {said['profile']}, {said['data']}, {said['computed']} computed:"
        yield from (f"    {said[name]}" for name in ("answer", "verdicts") if said[name])


def _run_grids(options):
    runs = _runs(options)
    if options.dry_run:
        return _dry_run(runs, options.fresh)
    deadline, failures = _deadline(options), []
    for run in runs:
        failures += _each(runs, run, _compute, run, options, deadline)
    return _finish(failures, f"The ledgers are in {runs[0].results / options.profile}.")


def _each(runs, run, action, *arguments):
    """What `action` says failed. Data that cannot be had stops a paper, but not the others."""
    try:
        return action(*arguments)
    except DataError as error:
        if len(runs) == 1:
            raise
        return [f"{run.study.key}: {error}"]


def _deadline(options):
    """When no cell is started any more: the time limit is of all papers together."""
    return math.inf if options.time_limit is None else time.monotonic() + options.time_limit


def _compute(run, options, deadline):
    if options.no_compute:
        run.rewrite_report()
        failed = run.failed()
    else:
        failed = run.compute(
            fresh=options.fresh,
            cluster=_cluster(options),
            workers=options.workers,
            time_limit=deadline - time.monotonic(),
        )
    return [f"{run.study.key}: cell {r['cell']} failed: {r['error']}" for r in failed]


def _merge(options):
    from dagen_keras import papers, runs
    from dagen_keras.runs.lock import writer

    for path in options.ledgers:
        if not path.is_file():
            raise RunError(f"there is no ledger '{path}'.")
        source = runs.Ledger(path)
        keys = {record.get("study") for record in source.records()}
        if len(keys) != 1 or None in keys:
            raise RunError(f"'{path}' must hold results of one paper, of protocol version 2 on.")
        study = papers.get(keys.pop())
        profile = options.profile or path.resolve().parent.parent.name
        if profile not in study.profiles:
            raise RunError(f"whose profile '{path}' is does not follow from its path: --profile.")
        run = runs.Run(study, profile, results=options.results, download=False)
        if run.ledger.path.resolve() == path.resolve():
            raise RunError(f"'{path}' is the ledger of this results directory.")
        with writer(run.directory):
            n, differ = run.ledger.merge(source)
        print(f"{study.key}, {profile}: {n} records added to '{run.ledger.path}'.")
        if differ:
            print(
                f"{len(differ)} cells are done in both with other values, and those here stay: "
                f"{', '.join(differ[:5])}{', ...' if len(differ) > 5 else ''}."
            )
        state = run.state()
        for line in [*state.of_other_data(), *state.of_other_cells(source.records())]:
            print(line)
    return 0


def _finish(failures, last_line):
    print(last_line)
    if not failures:
        return 0
    print(f"\n{len(failures)} failed:", file=sys.stderr)
    for failure in failures:
        print(f"  {failure}", file=sys.stderr)
    print(
        "What was computed is kept. Mend the cause and give the same command again: it tries "
        "only what is missing.",
        file=sys.stderr,
    )
    return EXIT_FAILED


def _dry_run(runs, fresh):
    from dagen_keras.runs.formatting import duration
    from dagen_keras.runs.times import Times

    total = 0.0
    for run in runs:
        state = run.state()
        times = Times(state.records.values())
        cells = {run.key(cell): cell for cell in reversed(state.cells)}
        missing = dict(reversed(cells.items())) if fresh else state.missing()
        seconds = times.total(missing.values())
        total += seconds
        for key, cell in itertools.islice(missing.items(), LISTED):
            expected = times.of(cell.kind, cell.factors)
            print(f"{key}  {'' if expected is None else f'{expected:.1f} s':>10}  {cell}")
        if len(missing) > LISTED:
            print(f"... and {len(missing) - LISTED} more")
        print(
            f"{run.study.key}: {len(missing)} of {len(cells)} cells to compute, "
            + (f"about {duration(seconds)}" if seconds else "no time known before the first")
        )
    print(
        f"in all about {duration(total)}, from the cells that are done here; executing notebooks "
        "adds half a minute each; cells that depend on what others find are counted once it is "
        "known"
    )
    return 0
