"""The infrastructure: one construct, one file, one concern; `stack.py` wires them.

Importing this package makes the imports of the AWS provider's bindings lazy (see `lazy_provider`), and what ``cdktf
synth --hcl`` writes readable for Terraform (see `hcl.cjs`).
"""

from pathlib import Path

from constructs_lib.lazy_provider import import_lazily
from constructs_lib.node_preload import preload

import_lazily()
preload(Path(__file__).with_name("hcl.cjs"))
