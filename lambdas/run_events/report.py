"""Report the repairs of a round of reconcile: as a line of the log, and as a metric."""

import json
import logging
from collections.abc import Mapping
from datetime import datetime

from dropbatch.contract.metrics import REPAIRED, embedded

__all__ = ["report"]

log = logging.getLogger("dropbatch")


def report(environment: str, repairs: Mapping[str, int], *, at: datetime) -> None:
    """Log the number of repairs by kind, and write their sum as the metric ``Repaired``."""
    log.info("reconcile: %s", dict(repairs) or "nothing to repair")
    fields = {"kinds": dict(repairs)}
    print(json.dumps(embedded(REPAIRED, sum(repairs.values()), environment=environment, at=at, fields=fields)))
