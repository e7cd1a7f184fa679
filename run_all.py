"""Reproduces the papers: `python run_all.py --help`."""

import sys
from pathlib import Path

from dagen_keras.cli import run_all

if __name__ == "__main__":
    sys.exit(run_all(root=Path(__file__).resolve().parent))
