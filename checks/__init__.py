"""Checks of `make lint` besides style and types."""
