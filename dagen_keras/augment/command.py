"""The command line for images of one's own: `python -m dagen_keras augment` and `compare`."""

import csv
import re
from argparse import ArgumentTypeError
from pathlib import Path

from dagen_keras import files
from dagen_keras.augment.methods import CHEAP, GENERATIVE, METHODS
from dagen_keras.checks import RunError
from dagen_keras.datasets import folder


def add_augment(commands):
    """Adds the command to a parser's commands."""
    parser = commands.add_parser("augment", help="new images of a folder of one's own")
    add_images(parser)
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="the folder to be made")
    parser.add_argument("--method", choices=METHODS, help="how; with --saved it is known")
    number = parser.add_mutually_exclusive_group(required=True)
    number.add_argument("--per-class", type=count, metavar="N", help="new images of each class")
    number.add_argument("--balance", action="store_true", help="as many as each class lacks")
    parser.add_argument("--seed", type=seed, default=0, help="fixes training and images; default 0")
    parser.add_argument("--updates", type=count, metavar="N", help="training steps of a model")
    parser.add_argument("--saved", type=Path, metavar="DIR", help="an earlier OUTPUT: its models")
    parser.add_argument("--force", action="store_true", help="replace what is at OUTPUT")


def add_compare(commands):
    """Adds the command to a parser's commands."""
    parser = commands.add_parser("compare", help="whether new images would help a classifier")
    add_images(parser)
    known = ", ".join([*CHEAP, *GENERATIVE])
    parser.add_argument("--methods", metavar="A,B,...", help=f"of: {known}; default: all that fit")
    parser.add_argument("--budget", type=seconds, default=900, metavar="TIME", help="default 15m")
    parser.add_argument(
        "--groups", type=Path, metavar="FILE", help="lines 'file,group': no group on both sides"
    )
    parser.add_argument(
        "--output", type=Path, metavar="PAGE", help="default: INPUT_compared.html, here"
    )
    parser.add_argument("--seed", type=seed, default=0, help="fixes all; default 0")
    parser.add_argument("--force", action="store_true", help="replace what is at PAGE")


def add_images(parser):
    """Adds the arguments that say which images."""
    parser.add_argument(
        "input", type=Path, metavar="INPUT", help="a folder with a folder a class; or a .npz"
    )
    parser.add_argument("--size", type=size, metavar="HxW", help="scale all, such as 28 or 28x32")
    parser.add_argument("--channels", type=int, choices=(1, 3), help="make all grey, or coloured")


def count(text):
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"must be a whole number from 1 on; got {text!r}.")
    return int(text)


def seed(text):
    if not text.isdecimal():
        raise ArgumentTypeError(f"must be a whole number from 0 on; got {text!r}.")
    return int(text)


def seconds(text):
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if not found:
        raise ArgumentTypeError(f"must be a time such as 90s, 150m or 7h; got {text!r}.")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


def size(text):
    """(height, width) of "28" or "28x32"."""
    found = re.fullmatch(r"(\d{1,4})(?:x(\d{1,4}))?", text)
    sides = found and (int(found[1]), int(found[2] or found[1]))
    if not sides or min(sides) < 1:
        raise ArgumentTypeError(f"must be a side, or height x width, such as 28x32; got {text!r}.")
    return sides


def augment(options):
    """Runs `augment`; its exit status."""
    from dagen_keras.augment.produce import produce

    produce(
        options.input,
        options.output,
        options.method,
        per_class=options.per_class,
        balance=options.balance,
        size=options.size,
        channels=options.channels,
        seed=options.seed,
        updates=options.updates,
        saved=options.saved,
        force=options.force,
    )
    return 0


def compare(options):
    """Runs `compare`; its exit status."""
    from dagen_keras.augment import compare as compared
    from dagen_keras.augment.comparison_page import page

    output = options.output or Path(f"{options.input.resolve().stem}_compared.html")
    if output.is_dir() or (output.exists() and not options.force):
        raise RunError(f"'{output}' is there already: choose another name, or --force.")
    if not output.resolve().parent.is_dir():
        raise RunError(f"there is no folder '{output.resolve().parent}'.")
    found = folder.read(options.input, options.size, options.channels)
    for line in found.told:
        print(line)
    groups = None if options.groups is None else read_groups(options.groups, found.names)
    methods = options.methods and [name.strip() for name in options.methods.split(",")]
    comparison = compared(
        found.images,
        found.labels,
        methods,
        groups=groups,
        budget=options.budget,
        seed=options.seed,
    )
    files.write(output, page(comparison, found))
    for name, why in comparison.left_out.items():
        print(f"left out: {name}: {why}")
    print(f"{comparison.advice}\nOpen {output.resolve()} in a browser.")
    return 0


def read_groups(path, names):
    """The group of each image, of a file of lines `file,group`.

    Raises:
        RunError: if it cannot be read, or an image has no group.
    """
    try:  # A spreadsheet may have put a mark before the text.
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        rows = [row for row in csv.reader(lines) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RunError(f"'{path}' cannot be read as text: {error}.") from error
    if any(len(row) != 2 for row in rows):
        raise RunError(f"'{path}' must have lines 'file,group', such as 'cats/1.png,7'.")
    of = {name.strip(): group.strip() for name, group in rows}
    missing = [name for name in names if name not in of]
    if missing:
        raise RunError(f"'{path}' has no group for {len(missing)} images, such as '{missing[0]}'.")
    return [of[name] for name in names]
