"""Benchmarks: each prints a ratio against a named peer in the same run."""
