"""When a gateway that cannot be found is believed to be gone, and its targets with it."""

from __future__ import annotations

from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import LIST_LAG, Place, State
from mcp_gateway_operator.targets.rules.not_yet import attempt
from mcp_gateway_operator.targets.shape import account_and_region

GATEWAY_GONE_AFTER = 240.0
"""Seconds of 404 before a missing gateway is believed: helm and Terraform wait for five minutes at most."""


def gateway_missing(
    state: State, place: Place
) -> act.CheckGateway | act.Release | act.Await | act.Blocked | None:
    """Return what follows from Lists that answer 404 for the gateway, None while they do not.

    It is believed to be gone after four minutes of that, when GetGateway says the same, in the account and
    Region where the target was made: with other credentials every gateway looks gone.
    """
    view = state.view(place)
    if view.missing_since is None:
        return None
    if (action := _made_in_another_account(state, place)) is not None:
        return action
    gateway = f"gateway {place.gateway_id}"
    due = view.missing_since + GATEWAY_GONE_AFTER
    if state.now < due:
        return act.Blocked(
            reason=Reason.GATEWAY_NOT_FOUND,
            message=f"G{gateway[1:]} was not found; it is believed gone after four minutes of that.",
            until=due,
            place=place,
        )
    if state.memory.ending.gateway_gone:
        return act.Release(
            event="Released", message=f"Gateway {place.gateway_id} is gone, and its targets with it."
        )
    answered = state.memory.ending.gateway_answered
    if answered is not None and state.now < answered + LIST_LAG:
        return act.Blocked(
            reason=Reason.GATEWAY_NOT_FOUND,
            message=f"The targets of {gateway} are not found, but the gateway is; asking again.",
            until=answered + LIST_LAG,
            place=place,
        )
    return attempt(state, act.CheckGateway(place=place))


def _made_in_another_account(state: State, place: Place) -> act.Blocked | None:
    """Refuse to believe anything outside the account and Region where the target was made."""
    arn = (state.record.gateway_arn if state.record else "") or state.obj.status.gateway_arn
    if not arn and state.record is None:
        return None
    settings = state.settings
    made = account_and_region(arn)
    ours = (settings.account, settings.region) if settings.account else _heard(state, place)
    if ours[0] and made == ours:
        return None
    return act.Blocked(
        reason=Reason.WRONG_ACCOUNT_OR_REGION,
        message=(
            f"The target was made in account {made[0] or 'unknown'}, Region {made[1] or 'unknown'}, but the "
            f"operator works in {' '.join(filter(None, ours)) or 'an unknown account'}: nothing is "
            "forgotten. Start it with that account's credentials and Region, or set deletionPolicy to Retain."
        ),
        stalled=True,
        place=place,
        list_since=state.now,
    )


def _heard(state: State, place: Place) -> tuple[str, str]:
    """Return where AWS lets us act while STS does not say it: where another gateway is that answered last."""
    arns = (arn for other, arn in reversed(state.heard.items()) if other != place)
    return next(map(account_and_region, arns), ("", state.settings.region))
