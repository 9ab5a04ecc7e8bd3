"""Check requests against constraints of the API model that botocore ignores: maxima, enumerations, patterns.

botocore's `ParamValidator` checks required members, types and minima only (``VALIDATED_METADATA_ATTRS`` in
https://github.com/boto/botocore/blob/develop/botocore/validate.py).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape
from botocore.validate import ParamValidator

__all__ = ["ANY_CASE", "beyond_botocore", "model_of", "not_of_model", "usable_pattern"]

ANY_CASE = frozenset({"RetryAction"})
"""Enumerations of which a service takes any case, by name of the shape: Batch says so of the action of retry rules.

https://docs.aws.amazon.com/batch/latest/APIReference/API_EvaluateOnExit.html
"""

Checker = Callable[[Any, str], Iterator[str]]


@cache
def model_of(service: str) -> ServiceModel:
    """Return botocore's model of a service; `service` is botocore's name."""
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


@cache
def _operation(service: str, operation: str) -> OperationModel:
    return model_of(service).operation_model(operation)


def not_of_model(service: str, operation: str, params: Mapping[str, Any]) -> list[str]:
    """Return all violations of the service's model, including those that botocore checks."""
    shape = _operation(service, operation).input_shape
    if shape is None:
        return [f"{operation} has no parameters, got {', '.join(params)}"] if params else []
    report = ParamValidator().validate(params, shape).generate_report()
    return [*report.splitlines(), *beyond_botocore(service, operation, params)]


def beyond_botocore(service: str, operation: str, params: Mapping[str, Any]) -> list[str]:
    """Return the maxima, enumerations and patterns of the model that a request violates."""
    checker = _checker_of(service, operation)
    return list(checker(params, "")) if checker else []


@cache
def _checker_of(service: str, operation: str) -> Checker | None:
    shape = _operation(service, operation).input_shape
    return _checker(shape, {}) if shape else None


def usable_pattern(pattern: str) -> re.Pattern[str] | None:
    r"""Return `pattern` for Python's `re`; None if its syntax or characters differ from the model's.

    Not usable: classes by Unicode property (``\p{L}``, ``\p{Print}``), which `re` does not know; pairs of surrogates,
    as in DynamoDB's statements, since Python's strings have whole characters; and ranges that begin with a class
    (``[\w-_]``), which are an error in `re`.
    """
    if r"\p{" in pattern or r"\uD800" in pattern:
        return None
    try:
        return re.compile(pattern)
    except re.error:
        return None


def _checker(shape: Shape, made: dict[str, Checker | None]) -> Checker | None:
    """Return a function that checks a value of `shape`, or None without constraints; shapes may be recursive."""
    if shape.name in made:
        return lambda value, place: found(value, place) if (found := made[shape.name]) else iter(())
    made[shape.name] = None
    made[shape.name] = checker = {
        "structure": _structure,
        "list": _list,
        "map": _map,
    }.get(shape.type_name, _scalar)(shape, made)
    return checker


def _structure(shape: Any, made: dict[str, Checker | None]) -> Checker | None:
    members = {name: found for name, member in shape.members.items() if (found := _checker(member, made))}

    def check(value: Any, place: str) -> Iterator[str]:
        if isinstance(value, Mapping):
            for name, checker in members.items():
                if value.get(name) is not None:
                    yield from checker(value[name], f"{place}.{name}".lstrip("."))

    return check if members else None


def _list(shape: Any, made: dict[str, Checker | None]) -> Checker | None:
    of_each, most = _checker(shape.member, made), shape.metadata.get("max")
    if of_each is None and most is None:
        return None

    def check(value: Any, place: str) -> Iterator[str]:
        if most is not None and len(value) > most:
            yield f"{place}: at most {most:,} entries, got {len(value):,}"
        for index, each in enumerate(value if of_each else ()):
            yield from of_each(each, f"{place}[{index}]") if of_each else ()

    return check


def _map(shape: Any, made: dict[str, Checker | None]) -> Checker | None:
    of_key, of_value, most = _checker(shape.key, made), _checker(shape.value, made), shape.metadata.get("max")
    if of_key is None and of_value is None and most is None:
        return None

    def check(value: Any, place: str) -> Iterator[str]:
        if most is not None and len(value) > most:
            yield f"{place}: at most {most:,} entries, got {len(value):,}"
        for key, each in value.items():
            if of_key:
                yield from of_key(key, f"{place} (key {key!r:.40})")
            if of_value:
                yield from of_value(each, f"{place}.{key}")

    return check


def _scalar(shape: Any, made: dict[str, Checker | None]) -> Checker | None:
    most, known = shape.metadata.get("max"), frozenset(getattr(shape, "enum", None) or ())
    if shape.name in ANY_CASE:
        known |= {each.lower() for each in known}
    pattern = usable_pattern(shape.metadata["pattern"]) if "pattern" in shape.metadata else None
    if shape.type_name not in {"string", "integer", "long", "float", "double"} or not (most or known or pattern):
        return None

    def check(value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, str):
            if isinstance(value, (int, float)) and most is not None and value > most:
                yield f"{place}: at most {most:,}, got {value:,}"
            return
        if most is not None and len(value) > most:
            yield f"{place}: at most {most:,} characters, got {len(value):,}"
        if known and value not in known:
            yield f"{place}: must be one of {', '.join(sorted(known))}, got {value!r}"
        if pattern is not None and not pattern.fullmatch(value):
            yield f"{place}: must match {pattern.pattern}, got {value!r:.80}"

    return check
