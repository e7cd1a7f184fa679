"""The command line: `run_all.py` and `python -m dagen_keras run`."""

import argparse
import sys
from pathlib import Path

from dagen_keras.datasets import DataError
from dagen_keras.runs.lock import writer
from dagen_keras.runs.paper import PROFILES, RunError

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


def run_all(argv=None, root=None):
    """`run_all.py`: runs papers' grids, executes their notebooks, writes the index page.

    Args:
        argv: arguments; default: the process's.
        root: the directory with `notebooks/`; results go to `results/` in it by default.

    Returns:
        The exit status: 0, or 1 if a cell or a notebook failed, 2 for a wrong call, 130 after
        Ctrl-C.
    """
    root = Path(root or Path.cwd())
    parser = _parser("run_all.py", "Reproduce the papers: grids, notebooks, tables, figures.")
    parser.add_argument("--list", action="store_true", help="list the papers and stop")
    return _guarded(_run_all, parser.parse_args(argv), root)


def main(argv=None):
    """`python -m dagen_keras run`: runs papers' grids alone, without Jupyter."""
    parser = argparse.ArgumentParser(prog="python -m dagen_keras")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_arguments(commands.add_parser("run", help="run papers' grids into the ledger"))
    return _guarded(_run_grids, parser.parse_args(argv))


def _parser(prog, description):
    parser = argparse.ArgumentParser(prog=prog, description=description)
    _add_arguments(parser)
    return parser


def _add_arguments(parser):
    parser.add_argument("keys", nargs="*", metavar="KEY", help="papers; default: all")
    parser.add_argument(
        "--profile", default="quick", help=f"one of {', '.join(PROFILES)}; default: quick"
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
        help="a parameter of the papers, such as -p seeds 3 or -p train_sizes 50,100",
    )
    parser.add_argument("--fresh", action="store_true", help="start over")
    parser.add_argument(
        "--no-compute", action="store_true", help="make the report from the ledger alone"
    )
    parser.add_argument("--dry-run", action="store_true", help="list the cells and the time")
    parser.add_argument(
        "--cluster", metavar="ADDRESS", help="a dask scheduler, or 'local' for two processes here"
    )


def _guarded(action, *arguments):
    try:
        return action(*arguments)
    except (RunError, DataError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        print(
            "\ninterrupted. Every finished cell is in the ledger; the same command goes on.",
            file=sys.stderr,
        )
        return EXIT_INTERRUPTED


def _runs(options, results=None):
    from dagen_keras import papers, runs

    if options.fresh and options.no_compute:
        raise RunError("--fresh computes anew and --no-compute computes nothing: give one of them.")
    overrides = dict(options.parameters)
    chosen = papers.get_all(options.keys)
    for name in overrides:
        if not any(name in paper.parameters for paper in chosen):
            known = ", ".join(sorted({n for paper in chosen for n in paper.parameters}))
            raise RunError(f"no paper asked for has a parameter {name!r}; known are {known}.")
    return [
        runs.Run(
            paper,
            profile=options.profile,
            parameters={n: v for n, v in overrides.items() if n in paper.parameters},
            results=options.results or results,
            data_dir=options.data_dir,
            download=not (options.dry_run or options.no_compute),
        )
        for paper in chosen
    ]


def _run_all(options, root):
    from dagen_keras import papers
    from dagen_keras.runs import notebooks

    if options.list:
        for paper in papers.get_all():
            print(f"{paper.key:15} {paper.title}\n{'':15} {paper.question}")
        return 0
    runs = _runs(options, root / "results")
    if options.dry_run:
        return _dry_run(runs, options.fresh)
    failures = []
    with writer(runs[0].results):
        for run in runs:
            failures += _each(runs, run, _compute, run, options)
            notebook = root / "notebooks" / run.paper.notebook
            failures += _each(runs, run, notebooks.execute, run, notebook)
    page = (runs[0].results / options.profile / "index.html").resolve()
    return _finish(failures, f"Open {page} in a browser.")


def _run_grids(options):
    runs = _runs(options)
    if options.dry_run:
        return _dry_run(runs, options.fresh)
    failures = [failure for run in runs for failure in _each(runs, run, _compute, run, options)]
    return _finish(failures, f"The ledgers are in {runs[0].results / options.profile}.")


def _each(runs, run, action, *arguments):
    """What `action` says failed. Data that cannot be had stops a paper, but not the others."""
    try:
        return action(*arguments)
    except DataError as error:
        if len(runs) == 1:
            raise
        return [f"{run.paper.key}: {error}"]


def _compute(run, options):
    if options.no_compute:
        with writer(run.results):
            run.write_report()
        failed = run.failed()
    else:
        failed = run.compute(fresh=options.fresh, cluster=options.cluster)
    return [
        f"{run.paper.key}: cell {r['table']}, {r['row']}, {r['column']}, seed {r['seed']} failed: "
        f"{r['error']}"
        for r in failed
    ]


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
    from dagen_keras.runs.page import duration

    total = 0.0
    for run in runs:
        cells = {run.key(cell): cell for cell in reversed(run.cells)}
        n_cells = len(cells)
        missing = dict(reversed(cells.items())) if fresh else run.missing()
        seconds = run.estimate(missing.values())
        total += seconds
        for key, cell in missing.items():
            print(f"{key}  {run.estimate([cell]):8.1f} s  {run.paper.key}: {cell}")
        print(
            f"{run.paper.key}: {len(missing)} of {n_cells} cells to compute, "
            f"about {duration(seconds)}"
        )
    print(
        f"in all about {duration(total)}, scaled by the cells done here, else for two cores; "
        "executing notebooks adds half a minute each; runs at the best of a search are counted "
        "once it is done"
    )
    return 0
