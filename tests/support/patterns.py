"""Every regular expression of the project with the way it is used, and texts that make bad ones slow."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any, Final

METHODS: Final = frozenset({"search", "match", "fullmatch", "sub", "subn", "findall", "finditer", "split"})
_REPLACES: Final = frozenset({"sub", "subn"})
_FLAGS_AT: Final = {"sub": 4, "subn": 4, "split": 3}
"""Where the functions of `re` take their flags; the others take them third."""
_PARSER: Any = importlib.import_module("re._parser")
_SAMPLES: Final = [" ", "a", "0", "A", "-", "_", ".", ":", "/", "@", "[", "é", "\n", "\0"]


@dataclass(frozen=True)
class Use:
    """One pattern, and one method that is called on it; `place` is for the reader of a failure."""

    place: str
    pattern: re.Pattern[str]
    method: str

    def run(self, text: str) -> None:
        """Use the pattern as the project does."""
        call = getattr(self.pattern, self.method)
        found = call("", text) if self.method in _REPLACES else call(text)
        if self.method == "finditer":
            for _ in found:
                pass


@dataclass(frozen=True)
class Made:
    """A place that compiles a pattern which cannot be read there: its caller says which ones."""

    module: str
    function: str
    line: int


def sources(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield the dotted name and the file of every module of every distribution in the repository."""
    for source in (root / "src", *sorted(root.glob("packages/*/src"))):
        for path in sorted(source.rglob("*.py")):
            parts = path.relative_to(source).with_suffix("").parts
            if parts[-1] != "__main__":
                yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def uses(name: str, path: Path) -> Iterator[Use | Made]:
    """Yield every pattern of one module with each way it is used, and the places that make others."""
    text = path.read_text(encoding="utf-8")
    if "re." not in text and ".fullmatch(" not in text:
        return
    tree = ast.parse(text)
    module = importlib.import_module(name)
    called = _called(tree)
    unnamed = _on_others(called, module)
    for pattern_name, pattern in vars(module).items():
        if isinstance(pattern, re.Pattern) and isinstance(pattern.pattern, str):
            methods = called.get(pattern_name) or unnamed or METHODS
            yield from (Use(f"{name}.{pattern_name}", pattern, method) for method in sorted(methods))
    for function, call in _calls(tree):
        assert isinstance(call.func, ast.Attribute)
        method = call.func.attr
        if method == "compile" and not function:
            continue  # it is among the module's variables
        if (literal := _literal(call.args[0], module)) is None:
            yield Made(name, function, call.lineno)
            continue
        pattern = re.compile(literal, _flags(call, module, method))
        used = [method] if method != "compile" else sorted(unnamed or METHODS)
        yield from (Use(f"{name}:{call.lineno}", pattern, each) for each in used)


def _called(tree: ast.AST) -> dict[str, set[str]]:
    """Return the methods of patterns that are called on each name."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in METHODS and (name := _name(node.value)):
            found.setdefault(name, set()).add(node.attr)
    return found


def _on_others(called: dict[str, set[str]], module: ModuleType) -> set[str]:
    """Return the methods called on what is no pattern by its name: on parameters that are given one."""
    others = (
        methods
        for name, methods in called.items()
        if name != "re" and not isinstance(vars(module).get(name), re.Pattern)
    )
    return set().union(*others) - {"split"}


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _calls(tree: ast.AST, function: str = "") -> Iterator[tuple[str, ast.Call]]:
    """Yield the calls of functions of `re`, each with the function that it is in, "" on the top level."""
    for node in ast.iter_child_nodes(tree):
        inner = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else function
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and _name(node.func.value) == "re"
            and node.func.attr in {*METHODS, "compile"}
        ):
            yield inner, node
        yield from _calls(node, inner)


def _literal(node: ast.expr, module: ModuleType) -> str | None:
    """Return the text of a pattern; what is put into an f-string and not known here is taken for a word."""
    if isinstance(node, ast.JoinedStr):
        parts = [each.value if isinstance(each, ast.FormattedValue) else each for each in node.values]
        return "".join(_literal(part, module) or "word" for part in parts)
    value = node.value if isinstance(node, ast.Constant) else vars(module).get(_name(node))
    return value if isinstance(value, str) else None


def _flags(call: ast.Call, module: ModuleType, method: str) -> int:
    at = _FLAGS_AT.get(method, 2)
    given = next((each.value for each in call.keywords if each.arg == "flags"), None)
    node = given if given is not None else (call.args[at] if len(call.args) > at else None)
    if node is None:
        return 0
    value = eval(compile(ast.Expression(node), "<flags>", "eval"), vars(module))  # noqa: S307  -- our own source
    return int(value)


def closed_over(function: Callable[..., Any]) -> Iterator[re.Pattern[str]]:
    """Yield the patterns that a predicate made by a function keeps for itself or finds in its module."""
    for cell in function.__closure__ or ():
        if isinstance(cell.cell_contents, re.Pattern):
            yield cell.cell_contents


def attacks(pattern: re.Pattern[str]) -> list[tuple[str, str, str]]:
    """Return (before, repeated, behind): texts of what the pattern asks for, repeated, and no match at last.

    What is slow is slow because the same characters can be taken in several ways, or from several starts: so
    each part of the pattern is repeated, alone and behind what comes before it.
    """
    parsed = _PARSER.parse(pattern.pattern, pattern.flags)
    found = dict.fromkeys(chain(_parts(parsed, ""), (("", each) for each in _SAMPLES)))
    return [(before, part, behind) for before, part in found if part for behind in ("", "\0")]


def _parts(parsed: Any, before: str) -> Iterator[tuple[str, str]]:
    """Yield each part of a pattern as a sample text, with a sample of all that comes before it."""
    for operation, argument in parsed:
        least, most = _sample(operation, argument, most=False), _sample(operation, argument, most=True)
        yield from (("", most), (before, most), ("", least), (before, least))
        for inner in _inside(operation, argument):
            yield from _parts(inner, before)
        before += most
    yield "", before


def _inside(operation: Any, argument: Any) -> list[Any]:
    name = str(operation)
    if name in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
        return [argument[2]]
    if name == "SUBPATTERN":
        return [argument[-1]]
    if name == "BRANCH":
        return list(argument[1])
    return [argument] if name == "ATOMIC_GROUP" else []


def _sample(operation: Any, argument: Any, *, most: bool) -> str:
    """Return a text that a part of a pattern takes; with `most` the optional parts are there, once."""
    name = str(operation)
    if name == "LITERAL":
        return chr(argument)
    if name in {"NOT_LITERAL", "ANY"}:
        return next(each for each in _SAMPLES if each != "\n" and (name == "ANY" or ord(each) != argument))
    if name == "IN":
        return _of_class(argument)
    inner = _inside(operation, argument)
    if not inner:
        return ""
    chosen = inner[0] if name != "BRANCH" else max(inner, key=len)
    text = "".join(_sample(*each, most=most) for each in chosen)
    if "REPEAT" not in name:
        return text
    return text * min(argument[0], 20) if argument[0] else (text if most else "")


@cache
def _category(name: str) -> re.Pattern[str]:
    letter = {"DIGIT": "d", "SPACE": "s", "WORD": "w"}[name.rsplit("_", 1)[-1]]
    return re.compile("\\" + (letter.upper() if "_NOT_" in name else letter))


def _of_class(items: Any) -> str:
    negated = str(items[0][0]) == "NEGATE"

    def takes(character: str) -> bool:
        for kind, value in items:
            name = str(kind)
            if (
                (name == "LITERAL" and ord(character) == value)
                or (name == "RANGE" and value[0] <= ord(character) <= value[1])
                or (name == "CATEGORY" and _category(str(value)).match(character))
            ):
                return not negated
        return negated

    named = [chr(v if isinstance(v, int) else v[0]) for k, v in items if str(k) in {"LITERAL", "RANGE"}]
    return next((each for each in (*named, *_SAMPLES, *map(chr, range(128))) if takes(each)), "")
