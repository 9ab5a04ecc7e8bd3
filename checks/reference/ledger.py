"""Generate the page about the ledger: the state machine of a run, and the fields of every item."""

import ast
import inspect
from collections.abc import Iterator

from dropbatch.contract import items, mail_items
from dropbatch.contract.runs import FINAL_STATES, State
from lambdas.ledger.transitions import TRANSITIONS, Transition

__all__ = ["page"]

_INTRODUCTION = """\
# The ledger

The ledger is a DynamoDB table with every run and every job. It is the only source for the state of a run. The functions
write it; the command reads it. This page is generated from `dropbatch/contract/items.py`,
`mail_items.py` and
`lambdas/ledger/transitions.py`.

A run is in one of seven states.
{unfinished} are unfinished,
{final} are final.
An *attempt* is one submission of a run; `retry` and rescues open further attempts.

## Transitions

Each write is conditional: it succeeds only if the stored item still allows it. So late and repeated events, and
functions that process the same run at the same time, take effect only once.
"""


def page() -> str:
    """Return the text of the page."""
    final = sorted(FINAL_STATES)
    unfinished = [state for state in State if state not in FINAL_STATES]
    head = _INTRODUCTION.format(unfinished=_listed(unfinished), final=_listed(final))
    rows = [
        "| transition | from | to | written only if | by |",
        "| --- | --- | --- | --- | --- |",
        *map(_row, TRANSITIONS),
    ]
    texts = [f"- **{each.name}**: {each.text}" for each in TRANSITIONS]
    return "\n".join([head, *rows, "", *texts, "", "## Items", "", *_items()]).rstrip() + "\n"


def _row(transition: Transition) -> str:
    guards = "; ".join(guard.text for guard in transition.guards)
    before = _listed(transition.before) or "(new)"
    after = "(the same state)" if transition.before == transition.after != (State.HELD,) else _listed(transition.after)
    if len(transition.before) > 4:
        before = "any state"
    return f"| {transition.name} | {before} | {after} | {guards} | {transition.writer} |"


def _listed(states: object) -> str:
    return ", ".join(f"`{state}`" for state in states)  # type: ignore[attr-defined]


def _items() -> Iterator[str]:
    """Yield a section for each item type, with name, type and docstring of its fields."""
    for module in (items, mail_items):
        for node in ast.parse(inspect.getsource(module)).body:
            if isinstance(node, ast.ClassDef) and node.name in module.__all__:
                yield from (f"### {node.name}", "", _one_line(ast.get_docstring(node) or ""), "")
                yield from ("| field | type | meaning |", "| --- | --- | --- |")
                yield from _fields(node)
                yield ""


def _fields(node: ast.ClassDef) -> Iterator[str]:
    following = [*node.body[1:], None]
    for each, after in zip(node.body, following, strict=True):
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
            text = ""
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                text = _one_line(str(after.value.value))
            kind = ast.unparse(each.annotation).replace("|", "\\|")
            yield f"| `{each.target.id}` | `{kind}` | {text} |"


def _one_line(text: str) -> str:
    return " ".join(text.replace("``", "`").replace("|", "\\|").split())
