"""Change the decision core in small ways, one at a time, and see whether its tests notice.

    .venv/bin/python hack/mutants.py [--sample 200] [--seed 1] [--module NAME ...] [--out FILE]

A mutant is one comparison, condition, number, truth value or result that is another. Each runs in a child of
this process, in which only the mutated module reads differently, against the test files that speak of its
module and no others, until the first test fails. What nothing kills is printed. mutmut and cosmic-ray are not
used: both start a Python for each mutant, which imports for longer than most of these tests take.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import os
import random
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[1]
SOURCES: Final = ROOT / "src" / "mcp_gateway_operator"
CPU_SECONDS: Final = 90
"""Of one mutant; one that needs more hangs, and a reader of its tests would notice."""
SHARE: Final = 0.9
"""Of the mutants, as many must be killed."""

_PLAN: Final = ("test_plan", "test_recorded", "test_plan_properties", "test_any_state")
_TARGETS: Final = {
    "plan": ("test_move", "test_awaited_reads", *_PLAN),
    "rules/adoption": ("test_adoption", "test_observe", *_PLAN),
    "rules/awaited_reads": ("test_awaited_reads", "test_recorded", "test_deletion", *_PLAN),
    "rules/consent": ("test_consent", *_PLAN),
    "rules/creation": ("test_not_permitted", *_PLAN),
    "rules/deletion": ("test_deletion", "test_move_end", "test_not_permitted", *_PLAN),
    "rules/drift": ("test_adoption", "test_awaited_reads", *_PLAN),
    "rules/failed_target": ("test_failures", *_PLAN),
    "rules/failure_reasons": ("test_failures", "test_recorded", *_PLAN),
    "rules/gateway_gone": ("test_deletion", *_PLAN),
    "rules/move": ("test_move", "test_move_end", "test_move_properties"),
    "rules/observe_only": ("test_observe", *_PLAN),
    "rules/outage_words": ("test_refusal_causes", "test_recorded", *_PLAN),
    "rules/ownership": ("test_ownership", "test_adoption", "test_recorded", *_PLAN),
    "rules/not_permitted": ("test_not_permitted", "test_move", *_PLAN),
    "rules/recorded": ("test_awaited_reads", *_PLAN),
    "rules/refusal_causes": ("test_refusal_causes", "test_failures", *_PLAN),
    "rules/retries": ("test_awaited_reads", "test_recorded", "test_deletion", *_PLAN),
    "rules/rivalry": ("test_rivalry", "test_adoption", *_PLAN),
    "rules/tool_sync": ("test_awaited_reads", "test_recorded", *_PLAN),
    "known/memory": _PLAN,
}
_CONTROLLER: Final = {
    "plan": ("test_pause", "test_observe", "test_life"),
    "rules/adoption": ("test_adoption",),
    "rules/awaited_reads": ("test_waiting", "test_requests", "test_faults"),
    "rules/consent": ("test_consent", "test_consent_writes"),
    "rules/creation": ("test_waiting", "test_faults", "test_gateway_note"),
    "rules/deletion": ("test_restore", "test_life", "test_authorisations", "test_faults"),
    "rules/drift": ("test_drift", "test_fields_rewritten", "test_requests"),
    "rules/failed_target": ("test_failures",),
    "rules/failure_reasons": ("test_failures", "test_requests", "test_drift"),
    "rules/gateway_gone": ("test_life", "test_faults"),
    "rules/move": ("test_move", "test_move_trouble"),
    "rules/observe_only": ("test_observe",),
    "rules/outage_words": ("test_outages",),
    "rules/ownership": ("test_ownership", "test_ownership_records"),
    "rules/not_permitted": ("test_classes",),
    "rules/recorded": ("test_restore", "test_lost_status", "test_drift", "test_faults", "test_waiting"),
    "rules/refusal_causes": ("test_refused_credentials", "test_outages"),
    "rules/retries": ("test_waiting", "test_requests", "test_faults"),
    "rules/rivalry": ("test_rivalry",),
    "rules/tool_sync": ("test_tools",),
    "known/memory": ("test_writers", "test_failures", "test_move"),
}
TESTS: Final = {
    **{
        f"targets/{module}": (
            *(f"tests/unit/targets/{name}.py" for name in dict.fromkeys(names)),
            *(f"tests/unit/controller/{name}.py" for name in _CONTROLLER[module]),
        )
        for module, names in _TARGETS.items()
    },
    **{
        f"targets/permit/{module}": ("tests/unit/targets/test_permit.py",)
        for module in ("allowed_endpoints", "decision", "fields", "selectors")
    },
    "agentcore/observe/evidence": (
        "tests/unit/agentcore/test_table.py",
        "tests/unit/agentcore/test_observer.py",
        "tests/unit/controller/test_drift.py",
    ),
    "agentcore/quota/scheduler": (
        "tests/unit/agentcore/test_scheduler.py",
        "tests/unit/agentcore/test_slots.py",
        "tests/unit/agentcore/test_quotas.py",
        "tests/unit/agentcore/test_scheduler_properties.py",
    ),
}
"""Which test files speak of a module of the decision core; the quickest first."""

_COMPARED: Final = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ADDED: Final = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
_NAMED: Final = {"min": "max", "max": "min", "all": "any", "any": "all"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one module: which of its nodes, in the order of a walk, and which of that node's."""

    module: str
    node: int
    change: int
    line: int
    what: str

    def tree(self) -> ast.Module:
        """Return the module with the change."""
        tree = ast.parse((SOURCES / f"{self.module}.py").read_text())
        for number, node in enumerate(ast.walk(tree)):
            if number == self.node:
                _changes(node)[self.change][1](node)
                break
        return ast.fix_missing_locations(tree)

    def __str__(self) -> str:
        """Return where it is and what it says."""
        return f"{self.module}.py:{self.line}: {self.what}"


def _changes(node: ast.AST) -> list[tuple[str, Any]]:  # noqa: C901  -- one case for each kind of node
    """Return what can be changed in a node: the new text, and what puts it there."""
    found: list[tuple[str, Any]] = []

    def swap(name: str, value: object) -> None:
        fresh = copy.deepcopy(node)
        setattr(fresh, name, value)
        found.append((ast.unparse(fresh), lambda old, n=name, v=value: setattr(old, n, v)))

    match node:
        case ast.Compare(ops=[op]):
            swap("ops", [_COMPARED[type(op)]()])
        case ast.BoolOp(op=ast.And()):
            swap("op", ast.Or())
        case ast.BoolOp(op=ast.Or()):
            swap("op", ast.And())
        case ast.BinOp(op=op, left=left) if type(op) in _ADDED and not isinstance(left, ast.JoinedStr):
            swap("op", _ADDED[type(op)]())
        case ast.If(test=test) | ast.IfExp(test=test) if not isinstance(test, ast.Compare):
            swap("test", ast.UnaryOp(ast.Not(), test))
        case ast.Constant(value=bool() as value):
            swap("value", not value)
        case ast.Constant(value=int() | float() as value):
            swap("value", value + 1)
        case ast.Return(value=ast.expr() as value) if not (
            isinstance(value, ast.Constant) and value.value is None
        ):
            swap("value", ast.Constant(None))
        case ast.Call(func=ast.Name(id=name)) if name in _NAMED:
            swap("func", ast.Name(_NAMED[name], ast.Load()))
    return found


def mutants(module: str) -> Iterator[Mutant]:
    """Yield all mutants of a module; what only describes (annotations, decorators) is left alone."""
    tree = ast.parse((SOURCES / f"{module}.py").read_text())
    silent: set[int] = set()
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(decorator_list=decorators, keywords=keywords):
                parts: list[ast.AST | None] = [*decorators, *keywords]
            case ast.FunctionDef(decorator_list=decorators, returns=returns, args=arguments):
                given = (*arguments.args, *arguments.kwonlyargs, *arguments.posonlyargs)
                parts = [*decorators, returns, *(each.annotation for each in given)]
            case ast.AnnAssign(annotation=annotation):
                parts = [annotation]
            case ast.Assert():
                parts = [node]
            case _:
                continue
        silent |= {id(inner) for part in parts if part is not None for inner in ast.walk(part)}
    for number, node in enumerate(ast.walk(tree)):
        if id(node) in silent:
            continue
        for change, (text, _) in enumerate(_changes(node)):
            yield Mutant(module, number, change, getattr(node, "lineno", 0), text.splitlines()[0])


class Loader(SourceFileLoader):
    """Loads a mutated module in place of the one in the file."""

    def __init__(self, name: str, mutant: Mutant) -> None:
        super().__init__(name, str(SOURCES / f"{mutant.module}.py"))
        self._mutant = mutant

    def get_code(self, fullname: str) -> CodeType | None:  # noqa: ARG002  -- the loader's signature
        """Return the code of the mutant."""
        return compile(self._mutant.tree(), self.path, "exec")


class Finder:
    """Finds the mutated module before anything else does."""

    def __init__(self, mutant: Mutant) -> None:
        self._name = f"mcp_gateway_operator.{mutant.module.replace('/', '.')}"
        self._mutant = mutant

    def find_spec(
        self,
        name: str,
        path: object = None,  # noqa: ARG002  -- the finder's signature
        target: ModuleType | None = None,  # noqa: ARG002  -- as above
    ) -> ModuleSpec | None:
        """Return the spec of the mutated module, and of no other one."""
        if name != self._name:
            return None
        loader = Loader(name, self._mutant)
        return ModuleSpec(name, loader, origin=loader.path)


def run(mutant: Mutant | None, tests: tuple[str, ...]) -> tuple[bool, float]:
    """Return whether the tests pass with a mutant, and the seconds of CPU that they took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        _child(mutant, tests)
    _, status = os.waitpid(child, 0)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return os.waitstatus_to_exitcode(status) == 0, seconds


def _child(mutant: Mutant | None, tests: tuple[str, ...]) -> None:
    """Run the tests and end this process with their outcome."""
    code = 1
    try:
        if mutant is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 5))
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            sys.meta_path.insert(0, Finder(mutant))
        options = [
            "-x",
            "-q",
            "-p",
            "no:xdist",
            "-p",
            "no:cacheprovider",
            "--hypothesis-seed=0",
            "--assert=plain",
            # The limit is CPU: on a busy machine an unchanged module is none that somebody killed.
            "--timeout=0",
        ]
        code = int(pytest.main([*options, *tests]))
    finally:
        sys.stdout.flush()
        os._exit(code)


def _warm() -> None:
    """Import what every child needs, but nothing of the operator."""
    for name in ("hypothesis", "msgspec", "structlog", "botocore.client", "boto3", "blockbuster"):
        with contextlib.suppress(ImportError):
            __import__(name)
    assert not any(name.startswith("mcp_gateway_operator") for name in sys.modules)


def main() -> int:
    """Try a sample; return 0 when enough of it is killed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=200, help="how many mutants")
    parser.add_argument("--seed", type=int, default=1, help="which ones")
    parser.add_argument("--module", nargs="*", choices=TESTS, help="of these modules only")
    parser.add_argument("--quick", action="store_true", help="without the tests of the whole operator")
    given = parser.parse_args()
    os.chdir(ROOT)
    _warm()
    modules = given.module or list(TESTS)
    everything = [mutant for module in modules for mutant in mutants(module)]
    chosen = random.Random(given.seed).sample(everything, min(given.sample, len(everything)))  # noqa: S311  -- repeatable, not secret
    tests = {
        module: tuple(name for name in names if not given.quick or "/controller/" not in name)
        for module, names in TESTS.items()
    }
    passes, seconds = run(None, tuple(dict.fromkeys(name for each in chosen for name in tests[each.module])))
    if not passes:
        sys.exit("The tests fail without any mutant: run `make unit` first.")
    print(f"unchanged: {seconds:.1f} s of CPU", flush=True)
    survivors, began = [], time.monotonic()
    for number, mutant in enumerate(chosen, 1):
        survives, seconds = run(mutant, tests[mutant.module])
        if survives:
            survivors.append(mutant)
        print(f"{number:4} {'SURVIVES' if survives else 'killed':8} {seconds:5.1f} s  {mutant}", flush=True)
    killed = len(chosen) - len(survivors)
    print(f"\n{killed} of {len(chosen)} killed ({len(everything)} in all, {time.monotonic() - began:.0f} s)")
    for mutant in survivors:
        print(f"  {mutant}")
    return 0 if killed >= SHARE * len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
