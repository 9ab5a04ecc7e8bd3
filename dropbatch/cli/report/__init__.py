"""The report: facts about runs, and a self-contained HTML page that shows them."""

from dropbatch.cli.report.facts import Fact, fact_of
from dropbatch.cli.report.page import page
from dropbatch.cli.report.summary import summarize

__all__ = ["Fact", "fact_of", "page", "summarize"]
