"""`python -m dagen_keras`: papers' grids without Jupyter, and images of one's own."""

import sys

from dagen_keras.cli import main

if __name__ == "__main__":
    sys.exit(main())
