"""Updates a second in float32 and in mixed_bfloat16, each in a process of all threads.

A processor without instructions for bfloat16 has to convert, and is slower with it.
"""

import argparse
import os
import statistics
from pathlib import Path

from processes import WORKLOADS, side_by_side

PRECISIONS = ("float32", "mixed_bfloat16")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=WORKLOADS)
    options = parser.parse_args()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
    about = Path("/proc/cpuinfo")
    has = about.exists() and any(name in about.read_text() for name in ("avx512_bf16", "amx_bf16"))
    print(f"bfloat16 among this processor's instructions: {'yes' if has else 'not known'}")
    print(f"| updates a second | {' | '.join(PRECISIONS)} | ratio |")
    print("|---|---|---|---|")
    for name in options.only:
        rounds = [
            [side_by_side(name, options.seconds, 1, {}, precision) for precision in PRECISIONS]
            for _ in range(options.repeats)
        ]
        single, mixed = map(statistics.median, zip(*rounds, strict=True))
        print(f"| {name} | {single:.1f} | {mixed:.1f} | {mixed / single:.2f} |", flush=True)


if __name__ == "__main__":
    main()
