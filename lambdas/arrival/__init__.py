"""Arrival function: files become runs, runs become jobs."""
