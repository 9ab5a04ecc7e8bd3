from tests.constructs_lib.conftest import stacks, synthesized

__all__ = ["stacks", "synthesized"]
