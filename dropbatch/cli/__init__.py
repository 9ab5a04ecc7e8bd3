"""The ``dropbatch`` command: thin click commands in `commands`, over modules that do the work."""
