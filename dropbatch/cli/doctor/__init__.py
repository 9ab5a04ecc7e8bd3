"""What `doctor` looks at: an account before a deploy, and an environment that is deployed. Nothing is changed."""

from dropbatch.cli.doctor.findings import Check, Finding, Outcome, examine
from dropbatch.cli.doctor.subject import PoolNeed, Subject

__all__ = ["Check", "Finding", "Outcome", "PoolNeed", "Subject", "examine"]
