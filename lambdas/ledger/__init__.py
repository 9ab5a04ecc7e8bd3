"""The ledger's table: its items are read here as types, and every change of a run is written here."""
