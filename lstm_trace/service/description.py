"""The description of the API (OpenAPI): errors with their type, and links between replies and other requests."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from inspect import Parameter
from typing import Annotated, Any, get_type_hints

from fastapi import APIRouter, FastAPI, Query, Response
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ..base.option import documented
from ..base.packaged import packaged
from ..runs.records import ReadRoute
from .jobs import Resources, Service
from .problems import MEDIA
from .settings import Limits

#: Maps a request whose reply contains an id to the paths that use it, and the name of their parameter.
NAMES = {tuple(key.split()): tuple(names) for key, names in packaged("service/tables.toml")["followed"].items()}
_PREFIX = "/api/v1"


def described(app: FastAPI) -> dict[str, Any]:
    """The description of an application, made once."""
    if app.openapi_schema is None:
        found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        for replies in (operation["responses"] for path in found["paths"].values() for operation in path.values()):
            for status, reply in replies.items():  # errors are problem documents, which FastAPI does not know
                if status[0] in "45" and "application/json" in reply.get("content", {}):
                    reply["content"][MEDIA] = reply["content"].pop("application/json")
        for (method, path), (named, parameter) in NAMES.items():
            links = _links(found["paths"], _PREFIX + named, parameter)
            for status, reply in found["paths"].get(_PREFIX + path, {}).get(method, {}).get("responses", {}).items():
                if status in ("200", "201"):  # the id in a 202 is that of a job
                    reply["links"] = links
        app.openapi_schema = found
    return app.openapi_schema


def _links(paths: dict[str, Any], named: str, parameter: str) -> dict[str, Any]:
    """A link to each operation on the item with the `id` in a reply; its deletion comes last."""
    names = [
        operation["operationId"]
        for path, methods in paths.items()
        if path == named or path.startswith(f"{named}/")
        for method, operation in sorted(methods.items(), key=lambda pair: pair[0] == "delete")
    ]
    return {name: {"operationId": name, "parameters": {parameter: "$response.body#/id"}} for name in names}


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra` of a route that reads its body as bytes: the schema of the model, with its references
    resolved.
    """
    schema = model.model_json_schema()
    parts = schema.pop("$defs", {})

    def placed(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                return placed(parts[node["$ref"].rsplit("/", 1)[-1]])
            return {key: placed(value) for key, value in node.items()}
        return [placed(value) for value in node] if isinstance(node, list) else node

    return {"requestBody": {"required": True, "content": {"application/json": {"schema": placed(schema)}}}}


#: Makes the reply of a view; arguments: the resources, the view, and the arguments of its function.
Reply = Callable[..., Awaitable[Response]]


def add_views(router: APIRouter, place: str, views: Sequence[ReadRoute], reply: Reply) -> None:
    """Add a GET route to a router for each view.

    A parameter of the function with the name of a limit is set to that limit, `kept` to the folder for tables of
    corpora; the fields of a NamedTuple and all other parameters become parameters of the request.

    Args:
        router: of the routes.
        place: the path in front of that of a view, with the parameter from which the first argument is made:
            `/runs/{id}`.
        views: the views to serve.
        reply: makes the reply; its third argument is the parameter of the path.
    """
    for view in views:
        router.get(f"{place}/{view.path}".rstrip("/"), response_model=view.reply)(_endpoint(place, view, reply))


def _endpoint(place: str, view: ReadRoute, reply: Reply) -> Callable[..., Awaitable[Response]]:
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
    """A parameter of a request; FastAPI does not read lists by itself."""
    said = next((one.description for one in getattr(kind, "__metadata__", ()) if isinstance(one, FieldInfo)), None)
    annotation = kind if in_path else Annotated[kind, Query(description=said)]
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
