from tests.constructs_lib.conftest import stacks, synthesized
from tests.sandbox.conftest import aws, sandbox

__all__ = ["aws", "sandbox", "stacks", "synthesized"]
