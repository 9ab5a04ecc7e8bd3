"""Checks of `doctor`: of an account before a deploy, and of a deployed environment. They change nothing."""

from dropbatch.cli.doctor.findings import Check, Finding, Outcome, examine
from dropbatch.cli.doctor.subject import PoolNeed, Subject

__all__ = ["Check", "Finding", "Outcome", "PoolNeed", "Subject", "examine"]
