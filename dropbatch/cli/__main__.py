"""``python -m dropbatch.cli``, the same as ``dropbatch``."""

from dropbatch.cli.main import main

main()
