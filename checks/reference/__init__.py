"""Generate the pages of `docs/reference/` and `docs/ledger.md` from code and schemas."""
