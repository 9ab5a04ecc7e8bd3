"""The reference pages below `docs/reference/`, made from what they describe."""
