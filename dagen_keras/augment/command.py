"""The command line for images of one's own: `python -m dagen_keras augment`."""

import re
from argparse import ArgumentTypeError
from pathlib import Path

from dagen_keras.augment.methods import METHODS


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
