"""Import single resources of the AWS provider's bindings without importing all 2,100 of them.

The package's ``__init__`` imports every submodule: 8 to 18 seconds. An empty package of the same name with the right
search path lets ``from cdktf_cdktf_provider_aws.sqs_queue import SqsQueue`` import that submodule alone; what it needs
besides (the ``_jsii`` submodule) it imports by itself. https://github.com/hashicorp/terraform-cdk/issues/3753 asks for
this upstream.
"""

import importlib.util
import sys

__all__ = ["PACKAGE", "import_lazily"]

PACKAGE = "cdktf_cdktf_provider_aws"


def import_lazily() -> None:
    """Register the empty package, unless the real one is imported already.

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
