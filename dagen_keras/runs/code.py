"""Which code computes: what a record says of it."""

import hashlib
import subprocess
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def identity() -> dict:
    """The commit, whether the source was clean (`results/` aside), and a hash of the package.

    Commit and cleanness are None where the package is not in a git checkout.
    """
    commit = _git("rev-parse", "HEAD")
    changed = _git(
        "status", "--porcelain", "--", ".", ":(exclude,top)results", ":(exclude,top)data"
    )
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(str(path.relative_to(PACKAGE)).encode() + b"\0" + path.read_bytes() + b"\0")
    return {
        "commit": commit,
        "clean": None if changed is None else not changed,
        "source": digest.hexdigest()[:16],
    }


def _git(*arguments):
    try:
        done = subprocess.run(
            ["git", "-C", str(PACKAGE.parent), *arguments],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
