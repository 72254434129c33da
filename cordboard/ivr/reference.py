"""The reference of the language, made from its models: JSON Schema for editors, tables to read.
Pure."""

from __future__ import annotations

import ast
import functools
import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

from cordboard.ivr import script as script_module
from cordboard.ivr import steps as steps_module
from cordboard.ivr.domains import TREE
from cordboard.ivr.expressions import FUNCTIONS, KNOWN, OPEN
from cordboard.ivr.script import Script
from cordboard.ivr.steps import VERBS, Base, Part
from cordboard.ivr.texts import SAID_AS
from cordboard.ivr.truth import Domain

Schema = dict[str, Any]
_SHORT = {"On": ("noinput", "nomatch"), "Menu": ("choices",)}
"""Where a step's name stands for `{ goto: name }`."""
_NAME = {"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,39}$"}


def schema() -> Schema:
    """By which editors complete and check."""
    found = _tidy(Script.model_json_schema())
    defs = found.pop("$defs")
    for name, kind in _models().items():
        if name not in defs:
            continue
        for field, words in _meanings(kind).items():
            if field in defs[name]["properties"]:
                defs[name]["properties"][field]["description"] = words
    for name, fields in _SHORT.items():
        for field in fields:
            _shorten(defs[name]["properties"][field])
    for field, words in _meanings(Script).items():
        found["properties"][field]["description"] = words
    text = found["properties"]["title"]
    defs["Text"] = {key: value for key, value in text.items() if key != "description"}
    step = _step(defs)
    defs = {name: value for name, value in defs.items() if not name.endswith("Step")}
    found["properties"]["steps"]["items"] = {"$ref": "#/$defs/Step"}
    shared = {"properties": found.pop("properties"), "$defs": {**defs, "Step": step}}
    plain = defs["Text"]
    shared["$defs"] = {
        name: value if name == "Text" else _named(value, plain)
        for name, value in sorted(shared["$defs"].items())
    }
    shared["properties"] = _named(shared["properties"], plain)
    about = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A script of cordboard",
        "description": found.pop("description", ""),
    }
    return {**about, **found, **shared}


def _step(defs: Mapping[str, Schema]) -> Schema:
    """One object with all verbs, of which one is there: editors tell better what is wrong."""
    properties: Schema = {}
    for verb, kind in VERBS.items():
        own = defs[kind.__name__]["properties"]
        properties[verb] = own[verb]
        if (words := inspect.getdoc(_body(kind, verb))) and "$ref" in own[verb]:
            properties[verb]["description"] = _line(words)
    properties["hangup"]["anyOf"] = [{"oneOf": properties["hangup"].pop("oneOf")}, {"type": "null"}]
    base = defs["SayStep"]["properties"]
    properties |= {name: base[name] for name in (*Base.model_fields, "bargein")}
    return {
        "type": "object",
        "description": "One verb, and what every step has.",
        "properties": properties,
        "additionalProperties": False,
        "oneOf": [{"required": [verb]} for verb in VERBS],
        "dependentRequired": {"bargein": ["say"]},
    }


def _body(kind: type[Base], verb: str) -> Any:
    found = kind.model_fields[verb].annotation
    return found if isinstance(found, type) and issubclass(found, Part) else None


def _tidy(node: Any) -> Any:
    """Without what says nothing: titles, null as a default, null as what may be written."""
    if isinstance(node, list):
        return [_tidy(each) for each in node]
    if not isinstance(node, dict):
        return node
    found = {
        key: _tidy(value)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str))
        and not (key == "default" and (value is None or isinstance(value, dict)))
    }
    if "anyOf" in found:
        some = [each for each in found["anyOf"] if each != {"type": "null"}]
        if len(some) == 1 and len(found["anyOf"]) == 2:
            found.pop("anyOf")
            found = {**some[0], **found}
    if "patternProperties" in found:
        found["additionalProperties"] = False
    if isinstance(found.get("description"), str):
        found["description"] = _line(found["description"])
    return found


def _shorten(field: Schema) -> None:
    if "patternProperties" in field:
        ((pattern, inner),) = field["patternProperties"].items()
        field["patternProperties"] = {pattern: {"anyOf": [_NAME, inner]}}
    else:
        ref = field.pop("$ref")
        field["anyOf"] = [_NAME, {"$ref": ref}]


def _named(node: Any, plain: Schema) -> Any:
    """With `Text` by its name."""
    if isinstance(node, list):
        return [_named(each, plain) for each in node]
    if not isinstance(node, dict):
        return node
    if {key: value for key, value in node.items() if key != "description"} == plain:
        told = {"description": node["description"]} if "description" in node else {}
        return {"$ref": "#/$defs/Text", **told}
    return {key: _named(value, plain) for key, value in node.items()}


def _models() -> dict[str, type[Part]]:
    return {
        name: kind
        for name, kind in vars(steps_module).items()
        if inspect.isclass(kind) and issubclass(kind, Part)
    }


def _meanings(kind: type[Part]) -> dict[str, str]:
    """What is written under the fields of a model and of those it is made from."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        found |= _written().get(each.__name__, {})
    return found


@functools.cache
def _written() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for module in (steps_module, script_module):
        for node in ast.parse(inspect.getsource(module)).body:
            if not isinstance(node, ast.ClassDef):
                continue
            for field, words in zip(node.body, node.body[1:], strict=False):
                match field, words:
                    case (
                        ast.AnnAssign(target=ast.Name(id=name)),
                        ast.Expr(value=ast.Constant(value=str() as text)),
                    ):
                        found.setdefault(node.name, {})[name] = _line(text)
    return found


def _line(text: str) -> str:
    return " ".join(text.split())


# To read


def page() -> str:
    """Every key, as tables."""
    whole = schema()
    defs = whole["$defs"]
    parts = [_section("A script", "", _table(whole))]
    base = {name: defs["Step"]["properties"][name] for name in Base.model_fields}
    parts.append(_section("Every step", "", _table({"properties": base})))
    parts += [_verb(verb, defs) for verb in VERBS]
    for name, title in (
        ("On", "`on`"),
        ("Fail", "`noinput` and `nomatch`"),
        ("Choice", "A choice of a menu"),
        ("Option", "A choice of a question"),
        ("Length", "`length`"),
    ):
        parts.append(_section(title, defs[name].get("description", ""), _table(defs[name])))
    parts.append(_section("Names in conditions and texts", "", "\n".join(_names())))
    said = ", ".join(f"`{{x|{kind}}}`" for kind in SAID_AS if kind != "text")
    parts.append(_section("How values are said", "", f"`{{x}}` as it is written, {said}.\n"))
    return "\n".join(parts)


def _verb(verb: str, defs: Mapping[str, Schema]) -> str:
    field = defs["Step"]["properties"][verb]
    target = defs.get(str(field.get("$ref", "")).removeprefix("#/$defs/"))
    words = (target or field).get("description", "")
    if target is None or verb in ("say", "hangup"):
        rest = _table({"properties": {"bargein": defs["Step"]["properties"]["bargein"]}})
        words = f"Takes {_kind(field)}. {words}"
        return _section(f"`{verb}`", words, rest * (verb == "say"))
    return _section(f"`{verb}`", words, _table(target))


def _section(title: str, words: str, table: str) -> str:
    return "\n".join(each for each in (f"### {title}\n", words and f"{words}\n", table) if each)


def _table(of: Schema) -> str:
    rows = ["| key | what it may be | unless given | meaning |", "| --- | --- | --- | --- |"]
    needed = of.get("required", [])
    for name, field in of["properties"].items():
        default = "needed" if name in needed else _default(field.get("default"))
        words = field.get("description", "").replace("|", "\\|")
        rows.append(f"| `{name}` | {_kind(field)} | {default} | {words} |")
    return "\n".join((*rows, ""))


def _default(value: Any) -> str:
    if value in (None, {}, []):
        return ""
    return f"`{str(value).lower()}`" if isinstance(value, bool) else f"`{value}`"


_PATTERNS = {
    _NAME["pattern"]: "name",
    "^[a-z][a-z0-9_]{0,39}$": "name",
    "^[0-9*#]{1,8}$": "keys",
    "^[a-z]{2,3}$": "language",
    "^[0-9*#]?$": "a key, or nothing",
    r"^\+?[0-9]{3,15}$": "number",
}


def _kind(field: Schema) -> str:
    """What may be written, in words."""
    if "$ref" in field:
        name = field["$ref"].removeprefix("#/$defs/")
        return {"Text": "text", "Step": "steps"}.get(name, f"see {_link(name)}")
    if "enum" in field:
        return ", ".join(f"`{each}`" for each in field["enum"])
    if "anyOf" in field:
        kinds = dict.fromkeys(_kind(each) for each in field["anyOf"] if each != {"type": "null"})
        return " or ".join(each for each in kinds if each != "words" or len(kinds) == 1)
    match field.get("type"):
        case "array":
            return f"list of {_plural(_kind(field.get('items', {})))}"
        case "object":
            ((pattern, inner),) = field.get("patternProperties", {"": {}}).items()
            return f"{_PATTERNS.get(pattern, 'name')}: {_kind(inner)}, …"
        case "boolean":
            return "`true`, `false`"
        case "integer" | "number" as kind:
            return _bounds(field, "whole number" if kind == "integer" else "number")
        case "string":
            if field.get("maxLength") == 500:
                return "expression"
            return _PATTERNS.get(field.get("pattern", ""), "words")
    return "text"


def _plural(words: str) -> str:
    return words if words.endswith("s") else f"{words}s"


def _link(name: str) -> str:
    titles = {"On": "[on](#on)", "Fail": "[noinput](#noinput-and-nomatch)"}
    titles |= {"Choice": "[choice](#a-choice-of-a-menu)", "Length": "[length](#length)"}
    titles |= {"Option": "[choice](#a-choice-of-a-question)"}
    snake = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    return titles.get(name, f"`{snake}`")


def _bounds(field: Schema, kind: str) -> str:
    least = field.get("minimum", field.get("exclusiveMinimum"))
    most = field.get("maximum")
    if least is None and most is None:
        return kind
    if least == most:
        return f"`{least}`"
    return f"{kind}, {least:g} to {most:g}" if most is not None else f"{kind}, {least:g} or more"


def _names() -> Iterator[str]:
    yield "| name | what it is |"
    yield "| --- | --- |"
    for path, domain in _leaves(TREE, ()):
        values = ", ".join(f"`{value}`" for value in domain.values if isinstance(value, str))
        yield f"| `{path}` | {domain.called}{f': {values}' if values else ''} |"
    yield "| `customer.attributes.…` | what the house itself keeps of its customers |"
    yield "| `answers.…` | what was answered to a question |"
    yield "| `language` | the language spoken |"
    functions = ", ".join(f"`{name}(x)`" for name in (*FUNCTIONS, KNOWN))
    yield f"\nFunctions: {functions}, `{OPEN}('calendar')`.\n"


def _leaves(tree: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, Domain]]:
    for name, found in tree.items():
        if isinstance(found, Domain):
            yield ".".join((*path, name)), found
        else:
            yield from _leaves(found, (*path, name))
