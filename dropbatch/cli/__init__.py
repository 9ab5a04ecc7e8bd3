"""The ``dropbatch`` command: thin click commands over modules that know nothing of click."""
