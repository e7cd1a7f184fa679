"""`python -m dagen_keras`: papers' grids without Jupyter, images of one's own, and `doctor`."""

import sys


def main(argv=None):
    """Runs a command; its exit status."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["doctor"]:  # It must be able to say that Keras, which `cli` needs, is missing.
        from dagen_keras import doctor

        return doctor.main(argv[1:])
    from dagen_keras import cli

    return cli.main(argv)


if __name__ == "__main__":
    sys.exit(main())
