# Before anything here imports cdktf, which starts Node: quick only after this.
import constructs_lib  # noqa: F401
