"""`python -m dagen_keras run KEY`: a paper's grid without Jupyter."""

import sys

from dagen_keras.cli import main

if __name__ == "__main__":
    sys.exit(main())
