"""`why`: one MCPServer as a story, from what it says to who has to act."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import click

from mcp_gateway_operator.api import names
from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.api.types import MCPServer
from mcp_gateway_operator.cli.fleet.command import NOT_SO, asking, scope_options
from mcp_gateway_operator.cli.fleet.debug import NoAnswerError, Told, debug_option, reached
from mcp_gateway_operator.cli.fleet.deciding_rule import deciding_rule
from mcp_gateway_operator.cli.fleet.foresee import Future, Key
from mcp_gateway_operator.cli.fleet.look_ahead import (
    Settings,
    ask_aws,
    future_of,
    operator_options,
)
from mcp_gateway_operator.cli.fleet.plan_command import NOT_KNOWN, blind_spots, details, not_read, planned
from mcp_gateway_operator.cli.fleet.reach import Scope
from mcp_gateway_operator.cli.fleet.reads import Everywhere
from mcp_gateway_operator.cli.fleet.scene import Scene, read_scene
from mcp_gateway_operator.cli.fleet.view import ago, ahead, line_of, span
from mcp_gateway_operator.cli.fleet.who_acts import acts_for
from mcp_gateway_operator.cli.say import say
from mcp_gateway_operator.controller.decision_log import why_not_sooner
from mcp_gateway_operator.shown import counted, shown
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import AgentCoreError, GatewayView, State
from mcp_gateway_operator.targets.shape import (
    Target,
    account_and_region,
    bare,
    describe_diffs,
    field_diffs,
    flatten_target,
)

_COMES: Final = {
    act.Settled: "all is as it should be",
    act.Await: "it waits for what goes on by itself",
    act.Blocked: "it waits",
    act.Reject: "the spec or the operator's settings have to change first",
    act.Nothing: "there is nothing to do",
}
"""What each kind of wait means."""
_ACTIONS: Final = {kind.__name__: words for kind, words in _COMES.items()}


@asking(
    "why",
    examples="""
    why orders
    why orders -n team-a --gateway-id demo-abcdefghij
    """,
)
@scope_options
@click.argument("name")
@operator_options
@debug_option
def command(*, scope: Scope, settings: Settings, name: str, debug_address: str) -> None:
    """Tell the story of one MCPServer: what it says, what AWS has, what comes next, and who has to act.

    What comes next is decided by the operator's own rules on a copy, as by `plan`. What the operator itself
    decided last, and its last calls to AWS, is asked of its pod, for which you need kubectl, the right to
    port-forward, and the ClusterRole debug-reader. Where AWS or the operator cannot be asked, the rest is
    shown all the same.

    Exit status: 0 when it is Ready, 2 when it is not, 1 when that cannot be found out.
    """
    if scope.all_namespaces:
        raise click.UsageError("Several namespaces may have that name: give one with -n.")
    scene = read_scene(scope, wanted=(name,))
    (key,) = scene.chosen
    obj = scene.servers[key]
    for line in _says(obj):
        say(line)
    future: Future | None = None
    try:
        future = future_of(scene, settings)
    except click.ClickException as error:
        say("What AWS has is not known: " + error.format_message())
    else:
        for line in (
            *blind_spots(scene, future.home),
            *_has(key, future, settings),
            *_comes(scene, obj, future),
        ):
            say(line)
    try:
        with reached(scope, debug_address) as operator:
            told = operator.about(*key)
    except (NoAnswerError, click.ClickException) as error:
        words = error.format_message() if isinstance(error, click.ClickException) else str(error)
        lines = _in_the_log(obj, words, future)
    else:
        lines = _operator_says(told)
    for line in (*lines, *_acts(obj)):
        say(line)
    if not obj.was_ready:
        raise SystemExit(NOT_SO)


def _says(obj: MCPServer) -> Iterator[str]:
    now, line = datetime.now(UTC), line_of(obj)
    yield f"{line.title}: {line.reason}, since {ago(line.since, now)}"
    yield f"  {line.message}"
    for each in obj.status.conditions:
        if each.type != "Ready":
            yield f"  {each.type}={each.status} {each.reason}, since {ago(each.last_transition_time, now)}"
    if not obj.speaks_of_generation:
        yield f"  Its status is not of generation {obj.metadata.generation}, the newest."
    for reason in obj.status.status_reasons:
        yield f"  AWS said: {shown(reason)}"
    if (failure := obj.status.failure) is not None:
        when = ahead(failure.next_attempt, now)
        yield f"  Repairs tried: {failure.attempts} ({shown(failure.class_)}); next try {when}."
        yield "  Not sooner, for each failure doubles the pause: AWS connects to the server at every try."


def _has(key: Key, future: Future, settings: Settings) -> Iterator[str]:
    """Yield what AWS has of the object."""
    yield ""
    found = future.first.get(key) or future.last.get(key)
    if found is None:
        yield "In AWS: nothing is known, for no decision about it was made."
        return
    state = found[0]
    view = state.view(state.place)
    if not state.place.gateway_id:
        yield "In AWS: it has no gateway."
        return
    yield f"In AWS, gateway {state.place.gateway_id}:"
    if (why := _unseen(key, future, view)) is not None:
        yield f"  {why}"
        return
    if state.recorded is None:
        yield "  The target that its status records is not there." if state.record else "  It has no target."
        for row in state.named:
            holder = row.summary
            yield f"  Its name is taken by target {holder.target_id}, {_whose(state, holder.marker)}."
        return
    row = state.recorded
    summary, now = row.summary, datetime.now(UTC)
    whose = _whose(state, summary.marker)
    yield f"  Target {summary.target_id} ({shown(summary.name)}) is {summary.status}, {whose}."
    yield f"  AWS changed it {ago(summary.updated_at, now)} ago."
    try:
        target = ask_aws(settings, lambda port: _get(port, state), future.classes)
    except AgentCoreError as error:
        yield f"  AWS does not show it to you in full: {shown(str(error))}"
        return
    for reason in target.status_reasons:
        yield f"  AWS says: {shown(reason)}"
    region = account_and_region(target.gateway_arn)[1]
    diffs = field_diffs(state.want, flatten_target(target, region=region)) if state.want else ()
    if diffs:
        yield f"  AWS -> spec: {shown(describe_diffs(diffs))}"
    elif state.want:
        yield f"  Field by field it is what the spec says ({counted(len(state.want), 'field')})."


def _unseen(key: Key, future: Future, view: GatewayView) -> str | None:
    """Return why nothing is known of what a gateway has, None where it was listed."""
    if why := not_read(key, future):
        return why
    if view.error is not None:
        return f"AWS does not list its targets for you: {shown(str(view.error))}"
    if view.listed_at is None:
        return "It was not looked at: nothing about this object is asked there."
    return None


async def _get(port: Everywhere, state: State) -> Target:
    assert state.recorded is not None
    return await port.get_target(state.place.gateway_id, state.recorded.summary.target_id)


def _whose(state: State, mark: str | None) -> str:
    if mark is None:
        return "without a marker"
    if mark in state.settings.markers_of(state.obj):
        return f"with this object's marker {mark}"
    return f"with the marker of another, {mark}"


def _comes(scene: Scene, obj: MCPServer, future: Future) -> Iterator[str]:
    """Yield what the operator would do now."""
    key = obj.key
    yield ""
    row = planned(key, [step for step in future.steps if step.key == key], future, scene.platform)
    if row.steps:
        yield f"The operator would {row.action} it: {', '.join(step['step'] for step in row.steps)}."
        yield from details(row)
        yield from _decided(key, future)
        return
    if row.action == NOT_KNOWN:
        why = "" if not_read(key, future) else f" {row.message}"
        yield f"What the operator would do is not known.{why}"
        return
    last = future.last.get(key)
    why = f": {_COMES[type(last[1])]}" if last is not None else ""
    yield f"The operator would change nothing in AWS{why}."
    if row.reason and row.message != line_of(obj).message:
        yield f"    {row.reason}: {row.message}"
    yield from _decided(key, future)


def _decided(key: Key, future: Future) -> Iterator[str]:
    """Yield which rule decided."""
    found = future.first.get(key) or future.last.get(key)
    if found is None:
        return
    yield f"  The rule that decided: {deciding_rule(found[0])} (docs/rules.md)."


def _acts(obj: MCPServer) -> Iterator[str]:
    line = line_of(obj)
    found = acts_for(obj, bare(line.gateway) if line.recorded or obj.spec.gateway else "")
    yield ""
    yield f"Who has to act: {found.who}."
    if found.command:
        yield f"  {found.command}"
    if found.note:
        yield f"  {found.note}"
    if names.PAUSED_ANNOTATION in obj.metadata.annotations and line.reason != Reason.PAUSED:
        yield f"  It carries the annotation {names.PAUSED_ANNOTATION}."


def _operator_says(told: Told) -> Iterator[str]:
    """Yield what the operator decided last, why nothing happens sooner, and its last calls."""
    decision, after = told.decision, told.next_pass_in_seconds
    action = decision.get("action", "Nothing")
    reason = f" ({decision['reason']})" if decision.get("reason") else ""
    when = "when something wakes it" if after is None else f"in {span(after)}"
    yield ""
    yield shown(
        f"The operator itself, of generation {told.generation}: {_ACTIONS.get(action) or f'{action} is next'}"
        f"{reason}; it looks again {when}."
    )
    if decision.get("why_not_sooner"):
        yield shown(f"  Not sooner: {decision['why_not_sooner']}.")
    if told.failed_passes:
        yield f"  Passes that failed in a row: {told.failed_passes}."
    for call in told.calls:
        answer = f"{call.operation}: {call.answer} after {call.milliseconds} ms"
        yield shown(f"  {call.at} {answer}, request {call.request_id or 'unknown'}")


def _in_the_log(obj: MCPServer, why: str, future: Future | None) -> Iterator[str]:
    """Yield where the operator tells what it did, and why nothing happens sooner, as far as that is known."""
    yield ""
    yield f"The operator itself was not asked. {why}"
    found = future.first.get(obj.key) if future is not None else None
    if found is not None and isinstance(decision := found[1], act.Wait):
        yield shown(f"  Not sooner: {'; '.join(why_not_sooner(found[0], decision))}.")
    yield "  What it did, and AWS's answers with their request ids, is in its log:"
    yield f'  kubectl logs -n NAMESPACE deploy/NAME | grep \'"name":"{obj.metadata.name}"\''
