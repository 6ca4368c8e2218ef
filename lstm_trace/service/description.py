"""The description of the API (OpenAPI): errors with their type, and which reply names what another request wants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from .problems import MEDIA

#: A request whose reply names something, to the paths of what it names and how they call it.
NAMES = {
    ("post", "/runs"): ("/runs/{id}", "id"),
    ("post", "/runs/{id}/edits"): ("/runs/{id}", "id"),
    ("post", "/library"): ("/library/{item}", "item"),
    ("post", "/library/runs"): ("/library/{item}", "item"),
    ("post", "/models"): ("/library/{item}", "item"),
}
_PREFIX = "/api/v1"


def described(app: FastAPI) -> dict[str, Any]:
    """The description of an application, made once."""
    if app.openapi_schema is None:
        found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        for replies in (operation["responses"] for path in found["paths"].values() for operation in path.values()):
            for status, reply in replies.items():  # errors are problem documents, which FastAPI does not know of
                if status[0] in "45" and "application/json" in reply.get("content", {}):
                    reply["content"][MEDIA] = reply["content"].pop("application/json")
        for (method, path), (named, parameter) in NAMES.items():
            links = _links(found["paths"], _PREFIX + named, parameter)
            for status, reply in found["paths"].get(_PREFIX + path, {}).get(method, {}).get("responses", {}).items():
                if status in ("200", "201"):  # what 202 names is a job
                    reply["links"] = links
        app.openapi_schema = found
    return app.openapi_schema


def _links(paths: dict[str, Any], named: str, parameter: str) -> dict[str, Any]:
    """A link to each operation on what a reply names by its member `id`; what deletes it comes last."""
    operations = [
        operation
        for path, methods in paths.items()
        if path == named or path.startswith(f"{named}/")
        for method, operation in sorted(methods.items(), key=lambda pair: pair[0] == "delete")
    ]
    names = [operation["operationId"] for operation in operations]
    return {name: {"operationId": name, "parameters": {parameter: "$response.body#/id"}} for name in names}


def documented(model: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra` of a route that reads its body as bytes: the model's schema, its parts in their places."""
    schema = model.model_json_schema()
    parts = schema.pop("$defs", {})

    def placed(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                return placed(parts[node["$ref"].rsplit("/", 1)[-1]])
            return {key: placed(value) for key, value in node.items()}
        return [placed(value) for value in node] if isinstance(node, list) else node

    return {"requestBody": {"required": True, "content": {"application/json": {"schema": placed(schema)}}}}


def table(description: Mapping[str, Any]) -> str:
    """The requests that a description has as a table in Markdown: each with its parameters, and what it answers."""
    rows = ["| request | parameters, or members of the body | what it does |", "|---|---|---|"]
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            query = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            body = description["components"]["schemas"][body["$ref"].rpartition("/")[2]] if "$ref" in body else body
            asked = ", ".join(f"`{name}`" for name in (*query, *body.get("properties", ())))
            said = " ".join(operation["description"].split()).replace("|", r"\|")
            rows.append(f"| `{method.upper()} {path.removeprefix(_PREFIX)}` | {asked} | {said} |")
    return "\n".join(rows) + "\n"
