"""Routes made of functions of `runs`: their signature is that of the request, their docstring its description."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from inspect import Parameter
from typing import Annotated, Any, get_type_hints

from fastapi import APIRouter, Query, Response
from pydantic.fields import FieldInfo

from ..base.option import documented
from ..runs.records import View
from .jobs import Resources, Service
from .settings import Limits

#: Gives the reply of a view: called with the resources, the view, and the arguments of its function.
Reply = Callable[..., Awaitable[Response]]


def add_views(router: APIRouter, place: str, views: Sequence[View], reply: Reply) -> None:
    """Give a router a GET for each view.

    A parameter of the function that is named as a limit is that limit, `kept` the folder for tables of corpora; the
    fields of a NamedTuple are parameters of the request, as all others are.

    Args:
        router: of the routes.
        place: the path before that of a view, with the parameter that the first argument is made of: `/runs/{id}`.
        views: what is answered.
        reply: gives the reply; its third argument is the parameter of the place.
    """
    for view in views:
        router.get(f"{place}/{view.path}", response_model=view.reply)(_endpoint(place, view, reply))


def _endpoint(place: str, view: View, reply: Reply) -> Callable[..., Awaitable[Response]]:
    name = place.partition("{")[2].rstrip("}")
    hints = get_type_hints(view.function, include_extras=True)
    asked = list(inspect.signature(view.function).parameters.values())[1:]
    found = [Parameter("service", Parameter.KEYWORD_ONLY, annotation=Service), _query(name, str, Parameter.empty, True)]
    for one in asked:
        kind = hints[one.name]
        if hasattr(kind, "_fields"):
            parts, defaults = get_type_hints(kind, include_extras=True), kind._field_defaults
            found += [_query(part, parts[part], defaults.get(part, Parameter.empty)) for part in parts]
        elif one.name not in (*Limits.model_fields, "kept"):
            found.append(_query(one.name, kind, one.default, f"{{{one.name}" in view.path))

    async def endpoint(service: Resources, **given: Any) -> Response:
        limits = service.settings.limits.model_dump()
        given = {**limits, "kept": str(service.runs.folder.with_name("states")), **given}
        arguments = []
        for one in asked:
            fields = getattr(hints[one.name], "_fields", None)
            arguments.append(given[one.name] if fields is None else hints[one.name](*(given[part] for part in fields)))
        return await reply(service, view, given[name], *arguments)

    endpoint.__signature__ = inspect.Signature(found)  # type: ignore[attr-defined]
    endpoint.__name__ = view.function.__name__
    endpoint.__doc__ = documented(view.function)[0]
    return endpoint


def _query(name: str, kind: Any, default: Any, in_path: bool = False) -> Parameter:
    """A parameter of a request; lists are none of FastAPI's by themselves."""
    said = next((one.description for one in getattr(kind, "__metadata__", ()) if isinstance(one, FieldInfo)), None)
    annotation = kind if in_path else Annotated[kind, Query(description=said)]
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
