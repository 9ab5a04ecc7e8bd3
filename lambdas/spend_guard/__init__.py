"""Spend guard function: pauses the deployment when the budget is spent."""
