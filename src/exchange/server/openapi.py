"""The REST side described for machines: OpenAPI 3.1, from the table of routes and the messages."""

from collections.abc import Sequence
from typing import Any

from pydantic.json_schema import models_json_schema

from exchange.messages.answers import ErrorAnswer
from exchange.server.routes import Route
from exchange.version import VERSION

REFERENCE = "#/components/schemas/{model}"
JsonObject = dict[str, Any]


def openapi(routes: Sequence[Route]) -> JsonObject:
    """The whole description, ready for `json.dumps`."""
    paths: JsonObject = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "OneBook",
            "version": VERSION,
            "description": "Orders, queries and administration; see docs/PROTOCOL.md.",
        },
        "paths": paths,
        "components": {
            "schemas": _schemas(routes),
            "securitySchemes": {
                name: {"type": "apiKey", "in": "header", "name": name} for name in SIGNED_HEADERS
            },
        },
    }


SIGNED_HEADERS = ("X-API-KEY", "X-TIMESTAMP", "X-SIGNATURE")


def _operation(route: Route) -> JsonObject:
    operation: JsonObject = {
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "parameters": _parameters(route),
        "responses": {
            str(route.status): _content("as asked", route.answer.__name__),
            "default": _content("an error", ErrorAnswer.__name__),
        },
    }
    if route.body is not None:
        operation["requestBody"] = _content("", route.body.__name__) | {"required": True}
    if route.who != "anybody":
        operation["security"] = [{name: [] for name in SIGNED_HEADERS}]
        operation["description"] = f"Signed, by an account with the role {route.who}."
    return operation


def _parameters(route: Route) -> list[JsonObject]:
    found: list[JsonObject] = []
    if route.has_order_id:
        schema = {"type": "integer", "minimum": 0}
        found.append({"name": "order_id", "in": "path", "required": True, "schema": schema})
    if route.query is not None:
        described = route.query.model_json_schema()
        required = described.get("required", [])
        for name, schema in described["properties"].items():
            found.append(
                {"name": name, "in": "query", "required": name in required, "schema": schema}
            )
    return found


def _content(description: str, model: str) -> JsonObject:
    schema = {"$ref": REFERENCE.format(model=model)}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _schemas(routes: Sequence[Route]) -> JsonObject:
    answers = {route.answer for route in routes} | {ErrorAnswer}
    bodies = {route.body for route in routes if route.body is not None}
    models = sorted(answers | bodies, key=lambda model: model.__name__)
    _, described = models_json_schema(
        [(model, "validation") for model in models], ref_template=REFERENCE
    )
    schemas: JsonObject = described["$defs"]
    return schemas
