"""Each refusal of the reconciler is needed: without it, one at a time, a story of it ends badly.

The rules that a spec is judged by are taken away in tests/unit/targets/test_permit.py, those of the admission
policy in tests/integration/api/test_admission_policy.py.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any, Final

import msgspec
import pytest

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.crd_manifest import custom_resource_definition
from mcp_gateway_operator.controller.classes import class_rulings, registry
from mcp_gateway_operator.controller.served_schema import PATH
from mcp_gateway_operator.runtime.cluster import ApiError
from tests.support.accounts import OWN, Cloud, role
from tests.support.classes import GATEWAY, Platform, arn
from tests.support.world import World, condition
from tests.unit.controller import test_accounts as accounts
from tests.unit.controller import test_accounts_changed as changed
from tests.unit.controller import test_classes as classes
from tests.unit.controller import test_classes_histories as histories
from tests.unit.controller import test_classes_remade as remade
from tests.unit.controller.test_large import schema
from tests.unit.controller.test_old_crd import serve

Story = Callable[[], Awaitable[None]]
A_WHILE: Final = 90.0
# By its whole name: a function of the package is called so, too.
PLANNED: Final = import_module("mcp_gateway_operator.targets.rules.not_permitted")
MODULES: Final = {each: inspect.getsource(each) for each in (class_rulings, registry, PLANNED)}
REFUSING: Final = {"_frozen", "_not_accepted", "_made_elsewhere", "Frozen", "_no", "_unsaid", "_blocked"}
"""What makes a refusal, in whatever a function returns or raises."""

by_id: Final = partial(
    classes.test_what_is_not_permitted_makes_no_call_however_the_gateway_is_named,
    {"gatewayId": GATEWAY},
)
unreadable: Final = classes.test_classes_that_cannot_be_read_stop_creates_and_updates_and_no_deletion
wrong_role: Final = (
    accounts.test_a_role_of_another_account_freezes_and_nothing_goes_out_under_the_wrong_identity
)


unsupported: Final = partial(partial, classes.test_what_is_not_supported_is_said_and_does_nothing)


def frozen(by: str) -> Story:
    """Return the story of what happens to an object that something freezes."""
    return partial(classes.test_frozen_is_not_deleted_not_changed_and_ready_stays, classes.FREEZES[by])


ELSEWHERE: Final = role("210987654321")
FAR: Final = arn(GATEWAY, account="210987654321")

# -- stories that no other file tells -------------------------------------------------------------------


async def placed_by_a_default(world: World) -> str:
    """A class that others stand on for want of a name goes, and comes back."""
    platform = Platform(world)
    await platform.make()
    async with world.operator(default_gateway_ref="tools"):
        await world.create()
        await world.until_ready()
        world.forget_calls()
        await platform.force()
        await world.pass_time(A_WHILE)
        message = condition(await world.get(), "Permitted").message
        await world.edit(spec={"description": "new"})
        await world.pass_time(A_WHILE)
        assert platform.writes() == []
        await platform.make()
        await world.until_ready()
    return message


async def refusal(world: World, platform: Platform, **spec: Any) -> str:
    """Return why an object with this spec is not permitted; nothing of it is written to AWS."""
    async with world.operator():
        await world.create(**spec)
        await world.pass_time(A_WHILE)
        message = condition(await world.get(), "Permitted").message
    assert platform.writes() == []
    return message


async def by_id_where_the_class_is_not_understood(world: World) -> str:
    platform = Platform(world)
    await platform.make(unheard=1)
    message = await refusal(world, platform, gatewayId=GATEWAY)
    assert platform.requests() == []
    return message


async def too_large_to_be_judged(world: World) -> str:
    platform = Platform(world)
    await platform.make()
    return await refusal(world, platform, **schema(1), gatewayRef={"name": "tools"})


async def nowhere_to_write_by_whom(world: World) -> str:
    platform = Platform(world)
    await platform.make()
    (version,) = custom_resource_definition()["spec"]["versions"]
    fields = set(version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"])
    serve(world, status=fields - {"placedBy"})
    document = msgspec.json.decode(world.api.paths[PATH])
    document["components"]["schemas"][f"x.{names.CLASS_KIND}"] = {}
    world.api.paths[PATH] = msgspec.json.encode(document)
    return await refusal(world, platform, gatewayId=GATEWAY)


async def an_identity_that_is_not_understood_any_more(world: World) -> str:
    """Nothing is read or deleted either, under an identity that nobody has written."""
    platform = Platform(world)
    await platform.make()
    async with world.operator(default_deletion_policy="Retain"):
        await world.create(gatewayRef={"name": "tools"})
        await world.until_ready()
        await platform.edit(spec={"aws": {"policyArns": ["x"]}})
        await world.pass_time(A_WHILE)
        world.forget_calls()
        await world.edit(spec={"deletionPolicy": "Delete"})
        await world.delete()
        await world.pass_time(A_WHILE)
        message = condition(await world.get()).message
        assert platform.requests() == []
    return message


async def a_role_while_nobody_knows_whose_the_operator_is(world: World) -> str:
    """The id of a gateway is not enough to know under whose identity it is to be worked on."""
    platform = Platform(world)
    world.opener = Cloud(world)
    await platform.make(aws={"roleArn": role(OWN)})
    async with world.operator():
        await world.create(gatewayRef={"name": "tools"})
        await world.until_ready()
    world.aws.add_fault(operation="sts:GetCallerIdentity", code="InternalServerException", count=1000)
    world.forget_calls()
    async with world.operator():
        await world.pass_time(A_WHILE)
        accepted = (await platform.get()).condition(names.ACCEPTED)
        assert platform.requests() == []
    assert accepted is not None
    return accepted.message


async def what_may_not_be_there_hears_of_nobody_there(world: World) -> str:
    """Not even that its name is taken."""
    platform = Platform(world)
    await platform.make()
    async with world.operator():
        await world.create(gatewayRef={"name": "tools"})
        await world.until_ready()
        await world.create(namespace="team-b", gatewayRef={"name": "tools"})
        await world.edit(namespace="team-b", metadata={"finalizers": [names.FINALIZER]})
        await world.pass_time(A_WHILE)
        told = condition(await world.get(namespace="team-b"))
    assert told.reason == "NotPermitted"
    return told.message


OTHERS: Final[dict[str, tuple[Callable[[World], Awaitable[str]], str]]] = {
    "default": (placed_by_a_default, "by which the target was made, is gone"),
    "by id": (by_id_where_the_class_is_not_understood, "unknown field"),
    "large": (too_large_to_be_judged, "cannot be judged"),
    "crd": (nowhere_to_write_by_whom, "cannot hold status.placedBy"),
    "unread identity": (an_identity_that_is_not_understood_any_more, "spec.aws of MCPGateway tools is not"),
    "whose": (a_role_while_nobody_knows_whose_the_operator_is, "AWS has not said yet"),
    "name": (what_may_not_be_there_hears_of_nobody_there, "it names no namespace like team-b"),
}


async def tell(name: str) -> None:
    """Tell one of the stories, which ends in words that a user reads."""
    story, words = OTHERS[name]
    message = await story(World())
    assert words in message, message


@pytest.mark.parametrize("name", OTHERS)
async def test_what_a_refusal_is_for(name: str) -> None:
    await tell(name)


STORIES: Final[dict[str, tuple[Story, ...]]] = {
    "_by_class": (
        classes.test_a_class_that_does_not_exist_is_waited_for,
        classes.test_a_class_of_the_same_name_and_another_arn_moves_nothing,
        classes.test_of_two_classes_of_one_gateway_the_first_one_has_it,
    ),
    "_blind": (unreadable,),
    "_pruned": (partial(histories.test_history, "an_older_schema_drops_references"),),
    "_ungoverned": (
        classes.test_require_gateway_ref_refuses_what_no_class_covers,
        changed.test_what_was_made_in_another_account_is_not_searched_for_here,
        partial(
            changed.test_an_id_of_before_leads_nowhere_here_whatever_class_placed_the_object, "gone", False
        ),
        partial(tell, "default"),
    ),
    "_refused": (
        partial(tell, "by id"),
        partial(tell, "large"),
        by_id,
        classes.test_the_life_of_a_class,
        partial(tell, "crd"),
    ),
    "mandate": (partial(tell, "unread identity"), wrong_role, partial(tell, "whose")),
    "_judge": (
        unsupported({"unheard": 1}, "unknown field"),
        partial(
            accounts.test_an_identity_that_cannot_be_right_is_said_and_does_nothing,
            {"aws": {"externalId": "acme"}},
            "set spec.aws.roleArn",
        ),
        unsupported({"aws": {"roleArn": ELSEWHERE}}, "a role of another account"),
        unsupported({"gateway_arn": FAR}, "name a role of the gateway's account"),
        classes.test_of_two_classes_of_one_gateway_the_first_one_has_it,
    ),
    "not_permitted": (partial(tell, "name"),),
    "withhold": (
        partial(classes.test_frozen_is_not_deleted_not_changed_and_ready_stays, classes.FREEZES["policy"]),
    ),
    "no_return": (remade.test_an_edit_back_to_where_it_is_not_permitted_any_more_moves_nothing,),
}
"""By function, for each of its refusals what happens that it is for."""


class _Refusals(ast.NodeTransformer):
    """Takes away the refusal of this number, counted from 0, where there are so many."""

    def __init__(self, number: int = -1) -> None:
        self.found: list[str] = []
        self._number = number
        self._inside: list[str] = []

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self._inside.append(node.name)
        self.generic_visit(node)
        self._inside.pop()
        return node

    def _without(self, node: ast.Return | ast.Raise, value: ast.expr | None) -> ast.AST:
        called = {
            getattr(each.func, "id", getattr(each.func, "attr", ""))
            for each in ast.walk(value or ast.Pass())
            if isinstance(each, ast.Call)
        }
        if not called & REFUSING or self._inside[-1] in REFUSING:
            return node
        self.found.append(self._inside[-1])
        return ast.copy_location(ast.Pass(), node) if len(self.found) - 1 == self._number else node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        return self._without(node, node.value)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return self._without(node, node.exc)


def refusals() -> Iterator[tuple[ModuleType, int, str, int]]:
    """Yield module, number, function and number in that function of each refusal there is."""
    for module, source in MODULES.items():
        counting = _Refusals()
        counting.visit(ast.parse(source))
        for number, name in enumerate(counting.found):
            yield module, number, name, counting.found[:number].count(name)


def _take_away(module: ModuleType, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all functions of a module be as they are without one of its refusals."""
    tree = _Refusals(number).visit(ast.parse(MODULES[module]))
    other = ModuleType(module.__name__)
    exec(compile(tree, module.__file__ or "", "exec"), other.__dict__)  # noqa: S102  -- a mutant
    for name, value in vars(other).items():
        here = getattr(module, name, None)
        if inspect.isfunction(value) and value.__module__ == module.__name__:
            monkeypatch.setattr(here, "__code__", value.__code__)
        elif inspect.isclass(value) and value.__module__ == module.__name__:
            for each, method in vars(value).items():
                if inspect.isfunction(method) and each in vars(here):
                    monkeypatch.setattr(vars(here)[each], "__code__", method.__code__)


@pytest.mark.parametrize(
    ("module", "number", "name", "story"),
    [pytest.param(module, number, name, at, id=f"{name}-{at}") for module, number, name, at in refusals()],
)
async def test_without_a_refusal_something_is_done_that_must_not_be(
    module: ModuleType, number: int, name: str, story: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who adds a refusal tells in `STORIES` what it is for."""
    assert len(STORIES[name]) == [each for _, _, each, _ in refusals()].count(name)
    _take_away(module, number, monkeypatch)
    with pytest.raises((AssertionError, AttributeError, ApiError)):
        await STORIES[name][story]()
