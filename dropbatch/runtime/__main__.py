"""``python -m dropbatch.runtime``, the same as ``dropbatch-run``."""

from dropbatch.runtime.main import entry

entry()
