"""Arrival function: turns dropped files and requests into runs, and submits the jobs of runs."""
