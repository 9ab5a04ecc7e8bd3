"""``dropbatch tree``."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from dropbatch.cli.context import Context
from dropbatch.cli.deployed import Deployed
from dropbatch.cli.errors import NotFoundError, UsageFault
from dropbatch.cli.folder_tree import Folder, build_tree
from dropbatch.cli.screen import show
from dropbatch.cli.text import counted, printable, size
from dropbatch.contract import keys, ledger

if TYPE_CHECKING:
    from rich.tree import Tree

__all__ = ["command"]


@click.command(
    "tree",
    epilog="\b\nExamples:\n  dropbatch tree\n  dropbatch tree wordcount/scans --results --depth 4\n"
    "  dropbatch tree inputs/ --inputs",
)
@click.argument("prefix", required=False, default="")
@click.option("--inputs", "only", flag_value="inputs", help="Show only inputs.")
@click.option("--results", "only", flag_value="results", help="Show only results.")
@click.option("--depth", type=click.IntRange(1, 20), default=3, show_default=True, help="Levels of folders to show.")
@click.option(
    "--entries",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="Maximum number of entries per folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")
@click.pass_obj
def command(context: Context, /, *, prefix: str, only: str | None, depth: int, entries: int, as_json: bool) -> None:
    """Show the group's inputs and results as a tree; with PREFIX, those below a folder, such as `wordcount/scans`.

    Each folder is shown with the number and total size of all files below it, at any depth.
    """
    description = context.deployed.description
    top = _top(context.group, prefix)
    buckets = {"inputs": description.input_bucket, "results": description.output_bucket}
    trees = {
        bucket: build_tree(top, _objects(context.deployed, bucket, top), depth=depth, entries=entries)
        for kind, bucket in buckets.items()
        if only in {None, kind}
    }
    if not any(folder.files for folder in trees.values()):
        raise NotFoundError(
            f"there are no files below {top}: see `dropbatch tree`, or drop a file with `dropbatch drop`"
        )
    if as_json:
        found = [{"uri": keys.uri(bucket, top), **folder.to_dict()} for bucket, folder in trees.items()]
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    for bucket, folder in trees.items():
        _print(bucket, folder)


def _top(group: str, prefix: str) -> str:
    """Return the prefix in the bucket; in `prefix`, the group's folder and the last slash are optional."""
    if prefix.startswith("s3://"):
        raise UsageFault(f"{prefix} is a URI: give a folder below {group}/, such as wordcount/scans")
    below = prefix.removeprefix(f"{group}/").strip("/") if prefix != group else ""
    return f"{group}/{below}/" if below else f"{group}/"


def _objects(deployed: Deployed, bucket: str, prefix: str) -> Iterator[tuple[str, int, str]]:
    for page in deployed.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for each in page.get("Contents", []):
            yield each["Key"], each["Size"], ledger.timestamp(each["LastModified"])


def _print(bucket: str, folder: Folder) -> None:
    from rich.text import Text  # noqa: PLC0415
    from rich.tree import Tree  # noqa: PLC0415

    uri = printable(keys.uri(bucket, folder.name))
    tree = Tree(Text.assemble((uri, "bold"), f"  {_sum(folder)}", no_wrap=True, overflow="ellipsis"))
    _branch(tree, folder)
    show(tree)


def _branch(tree: "Tree", folder: Folder) -> None:
    from rich.text import Text  # noqa: PLC0415

    for each in folder.folders.values():
        line = Text.assemble((f"{printable(each.name)}/", "cyan"), f"  {_sum(each)}", no_wrap=True, overflow="ellipsis")
        _branch(tree.add(line), each)
    for leaf in folder.leaves:
        tree.add(Text(f"{printable(leaf.name)}  {size(leaf.size)}", no_wrap=True, overflow="ellipsis"))
    if folder.left_out:
        tree.add(Text(f"… and {folder.left_out:,} more", style="dim"))


def _sum(folder: Folder) -> str:
    return f"{counted(folder.files, 'file')}, {size(folder.size)}"
