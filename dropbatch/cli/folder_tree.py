"""Folders of a bucket with what is in them, made from a listing in one pass. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Folder", "build_tree"]


@dataclass
class Folder:
    """A folder: what lies in it at any depth, and its entries as far as they are to be shown."""

    name: str
    files: int = 0
    """At any depth; objects that only mark a folder are none."""
    size: int = 0
    """Bytes of these."""
    newest: str = ""
    """ISO-8601 time of the last change."""
    folders: "dict[str, Folder]" = field(default_factory=dict)
    leaves: "list[Folder]" = field(default_factory=list)
    """Files that lie in it directly, each as a leaf with its size."""
    left_out: int = 0
    """Entries that are not shown for their number."""
    last_left_out: str = ""
    """The last folder among these; keys come in order, so its objects come together."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for programs."""
        return {
            "name": self.name,
            "files": self.files,
            "bytes": self.size,
            "newest": self.newest or None,
            "entries": [*(each.to_dict() for each in self.folders.values()), *(_leaf(each) for each in self.leaves)],
            "left_out": self.left_out,
        }


def _leaf(leaf: Folder) -> dict[str, Any]:
    return {"name": leaf.name, "bytes": leaf.size, "newest": leaf.newest}


def build_tree(top: str, objects: Iterable[tuple[str, int, str]], *, depth: int, entries: int) -> Folder:
    """The tree below a prefix.

    Memory grows with what is shown, not with what is listed.

    Args:
        top: the prefix, what keys begin with; it ends in ``/``.
        objects: key, size in bytes and time of each object, in order of key.
        depth: how many levels below the top are shown.
        entries: how many entries of a folder are shown; the rest is counted.
    """
    root = Folder(name=top)
    for key, size, at in objects:
        *path, name = key.removeprefix(top).split("/")
        if not name:
            continue
        here = root
        _count(root, size, at)
        for part in path[:depth]:
            below = _enter(here, part, entries)
            if below is None:
                break
            here = below
            _count(here, size, at)
        else:
            if len(path) < depth:
                _add(here, Folder(name=name, files=1, size=size, newest=at), entries)
    return root


def _add(folder: Folder, leaf: Folder, entries: int) -> None:
    if len(folder.folders) + len(folder.leaves) < entries:
        folder.leaves.append(leaf)
    else:
        folder.left_out += 1


def _enter(folder: Folder, name: str, entries: int) -> Folder | None:
    """The folder of that name, none when it is one too many to be shown."""
    found = folder.folders.get(name)
    if found is not None:
        return found
    if len(folder.folders) + len(folder.leaves) >= entries:
        if folder.last_left_out != name:
            folder.last_left_out = name
            folder.left_out += 1
        return None
    return folder.folders.setdefault(name, Folder(name=name))


def _count(folder: Folder, size: int, at: str) -> None:
    folder.files += 1
    folder.size += size
    folder.newest = max(folder.newest, at)
