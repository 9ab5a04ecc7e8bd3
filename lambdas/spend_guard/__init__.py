"""Spend guard: pauses the deployment when the budget is spent."""
