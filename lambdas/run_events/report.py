"""What reconcile did, as a line of the log and as metrics."""

import json
import logging
from collections.abc import Mapping
from datetime import datetime

from dropbatch.contract.metrics import REPAIRED, embedded

__all__ = ["report"]

log = logging.getLogger("dropbatch")


def report(environment: str, repairs: Mapping[str, int], *, at: datetime) -> None:
    """Log what was repaired, and write metric ``Repaired``: all kinds together, the kinds as fields beside it."""
    log.info("reconcile: %s", dict(repairs) or "nothing to repair")
    fields = {"kinds": dict(repairs)}
    print(json.dumps(embedded(REPAIRED, sum(repairs.values()), environment=environment, at=at, fields=fields)))
