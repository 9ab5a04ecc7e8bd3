# Imported before cdktf, which starts Node and is fast only after this.
import constructs_lib  # noqa: F401
