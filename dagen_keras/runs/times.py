"""How long cells take, from those that are done."""

import collections
import math

import numpy as np

from dagen_keras import backend


class Times:
    """How long cells take, by those that are done: of the same factors, else of the same kind.

    What a device like this one did tells; where there is none of the kind, what any did.
    """

    def __init__(self, records=()):
        self._device = backend.device()
        self._alike, self._of_kind = (collections.defaultdict(list) for _ in range(2))
        for record in records:
            self.add(record)

    def add(self, record):
        if record["status"] == "done" and "kind" in record:
            # Processor time where it is less: what else the machine did is no property of the cell.
            seconds = min(record["seconds"], record.get("cpu_seconds", math.inf))
            here = record.get("device") == self._device
            self._alike[here, _place(record["kind"], record["factors"])].append(seconds)
            self._of_kind[here, record["kind"]].append(seconds)

    def of(self, kind, factors):
        """Seconds that such a cell is expected to take; None before any of its kind is done."""
        for here in (True, False):
            found = self._alike.get((here, _place(kind, factors))) or self._of_kind.get(
                (here, kind)
            )
            if found:
                return float(np.mean(found))
        return None

    def total(self, cells):
        """Seconds for all these cells, one after the other; those of no known kind as the mean."""
        known = [self.of(cell.kind, cell.factors) for cell in cells]
        measured = [seconds for seconds in known if seconds is not None]
        mean = float(np.mean(measured)) if measured else 0.0
        return sum(mean if seconds is None else seconds for seconds in known)


def _place(kind, factors):
    return kind, repr(sorted(factors.items()))
