"""The OpenAPI document of the gateway, made of its table of routes."""

from __future__ import annotations

import functools
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from dmod.gateway.routes import PREFIX, ROUTES, Route
from dmod.gateway.wire import Problem

__all__ = ["document"]

_REF = "#/components/schemas/{model}"
_STREAM = """\
A websocket that tells what happens to jobs while it happens. First comes `{"kind": "snapshot", "jobs": [...],
"cursor": M, "full": true}`; with `cursor=N`, where all went well, only what changed since N, with `"full": false` and
the `ids` of all jobs. Then `{"kind": "jobs", "jobs": [changed ones], "cursor": M}` and `{"kind": "removed", "ids":
[...]}`, each a few times a second at most. Send `{"watch": {"log": ID, "after": N}}` to be sent `{"kind": "log", "id":
ID, "lines": [...], "more": bool}` too, and `{"unwatch": {"log": ID}}` to end that. `{"kind": "error", "error": ...}`
says that the ledger does not answer; `{"kind": "heartbeat"}` comes after 20 s of silence.
"""


@functools.cache
def document() -> dict[str, Any]:
    """The document; paths are below ``dmod/api`` of the server.

    Returns
    -------
    dict
        OpenAPI 3.1.
    """
    import dmod

    schemas = _schemas()
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(f"/{route.path}", {})[route.method.lower()] = _operation(route, schemas)
    paths["/stream"] = {
        "get": {
            "summary": "What happens to jobs, while it happens", "description": _STREAM, "operationId": "stream",
            "parameters": [_parameter("cursor", {"type": "integer", "minimum": 0}, is_in="query", required=False)],
            "responses": {"101": {"description": "a websocket"}},
        }
    }  # fmt: skip
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "dmod", "version": dmod.__version__,
            "description": "Jobs and datasets of dmod. Times are seconds since 1970, UTC.",
        },
        "servers": [{"url": f"/{PREFIX}", "description": "below the base URL of a Jupyter server or `dmod serve`"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "`token TOKEN`"}
            },
        },
    }  # fmt: skip


def _schemas() -> dict[str, Any]:
    """Every model that is sent or read, by name."""
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = [(Problem, "serialization")]
    for route in ROUTES:
        models += [(route.answer, "serialization"), (route.parameters, "validation")]
        if route.body is not None:
            models.append((route.body, "validation"))
    _, made = models_json_schema(list(dict.fromkeys(models)), ref_template=_REF)
    found: dict[str, Any] = made["$defs"]
    return found


def _operation(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    """One question."""
    asked = schemas[route.parameters.__name__]
    needed = asked.get("required", [])
    parameters = [
        _parameter(name, schema, is_in="path" if f"{{{name}}}" in route.path else "query", required=name in needed)
        for name, schema in asked.get("properties", {}).items()
    ]
    statuses = {400: "what was asked makes no sense", 401: "who asks is not known", 403: "who asks may not"}
    if "{" in route.path:
        statuses[404] = "there is none, or it is somebody else's"
    if route.method != "GET":
        statuses[409] = "it cannot be done where things stand"
    said: dict[str, Any] = {
        "summary": route.summary, "operationId": route.act.__name__, "parameters": parameters,
        "responses": {
            str(route.status): {"description": route.summary, **_json(route.answer)},
            **{str(status): {"description": text, **_json(Problem)} for status, text in statuses.items()},
        },
    }  # fmt: skip
    if route.body is not None:
        said["requestBody"] = {"required": True, **_json(route.body)}
    return said


def _parameter(name: str, schema: dict[str, Any], *, is_in: str, required: bool) -> dict[str, Any]:
    """One parameter."""
    told: dict[str, Any] = {"name": name, "in": is_in, "required": required, "schema": schema}
    return {**told, "description": schema["description"]} if "description" in schema else told


def _json(model: type[BaseModel]) -> dict[str, Any]:
    """The contents of a body."""
    return {"content": {"application/json": {"schema": {"$ref": _REF.format(model=model.__name__)}}}}
