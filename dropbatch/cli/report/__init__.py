"""The report: facts about runs, and a page that shows them, whole in one file."""

from dropbatch.cli.report.facts import Fact, fact_of
from dropbatch.cli.report.page import page
from dropbatch.cli.report.summary import summarize

__all__ = ["Fact", "fact_of", "page", "summarize"]
