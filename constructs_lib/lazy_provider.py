"""Load single resources of the AWS provider's bindings without loading all 2,100 of them, in Python and in Node.

Python: the package's ``__init__`` imports every submodule, which takes 8 to 18 seconds. An empty package of the same
name with the right search path lets ``from cdktf_cdktf_provider_aws.sqs_queue import SqsQueue`` import that submodule
alone; what it needs besides (the ``_jsii`` submodule) it imports by itself.
https://github.com/hashicorp/terraform-cdk/issues/3753 asks for this upstream.

Node: the entry of the JavaScript package requires all modules too, which takes jsii's process another second or two.
A preloaded script points it to the other entry that the package has for this purpose.
"""

import importlib.util
import sys
from pathlib import Path

from constructs_lib.node_preload import preload

__all__ = ["PACKAGE", "import_lazily"]

PACKAGE = "cdktf_cdktf_provider_aws"

_PRELOADED = Path(__file__).with_suffix(".cjs")


def import_lazily() -> None:
    """Register the empty package, unless the real one is imported already; have Node preload the script.

    Node starts when cdktf is imported: imported before this, it loads everything, as it ordinarily does.

    Raises:
        ModuleNotFoundError: the package is not installed.
    """
    if PACKAGE in sys.modules:
        return
    spec = importlib.util.find_spec(PACKAGE)  # finds a top-level package without executing it
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError(f"{PACKAGE} is not installed: install requirements-dev.txt", name=PACKAGE)
    spec.loader = None  # nothing to execute: `module_from_spec` then makes a bare package
    sys.modules[PACKAGE] = importlib.util.module_from_spec(spec)
    preload(_PRELOADED)
