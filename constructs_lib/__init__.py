"""The infrastructure: one construct, one file, one concern; `stack.py` wires them.

Importing this package makes the imports of the AWS provider's bindings lazy (see `lazy_provider`).
"""

from constructs_lib.lazy_provider import import_lazily

import_lazily()
