"""The ledger's table: reads return typed items; every change of a run or job is written here."""
