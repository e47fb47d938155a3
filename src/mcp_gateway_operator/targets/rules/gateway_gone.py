"""When a gateway that cannot be found is believed to be gone, and its targets with it."""

from __future__ import annotations

from typing import Final

from mcp_gateway_operator.api.names import Reason
from mcp_gateway_operator.targets import actions as act
from mcp_gateway_operator.targets.known import LIST_LAG, Existence, Place, State
from mcp_gateway_operator.targets.shape import account_and_region

GATEWAY_GONE_AFTER: Final = 240.0
"""Seconds of 404 before a missing gateway is believed: helm and Terraform wait for five minutes at most."""
GATEWAY_GONE_SOON: Final = 30.0
"""Seconds of it where everything that AWS has to say of gateways agrees."""
ROLL_AFTER: Final = 15.0
"""Seconds of it after which all gateways are looked through: most that were missing for a moment are back."""
ROLLS_APART: Final = 10.0
"""Seconds between two Lists of all gateways that both lack it."""


def gateway_missing(
    state: State, place: Place
) -> act.CheckGateway | act.CallTheRoll | act.Release | act.Blocked | None:
    """Return what follows from Lists that answer 404 for the gateway, None while they do not.

    It is believed to be gone after four minutes of that, when GetGateway says the same, in the account and
    Region where the target was made: with other credentials every gateway looks gone. After half a minute,
    when ListGateways has lacked it twice as well.
    """
    view = state.view(place)
    since, existence = view.missing_since, view.existence
    if since is None:
        return None
    if (action := _made_elsewhere(state, place, existence)) is not None:
        return action
    soon = _agreed(existence)
    due, late = since + (GATEWAY_GONE_SOON if soon else GATEWAY_GONE_AFTER), since + GATEWAY_GONE_AFTER
    answers = [existence.unknown_at] if soon else [existence.unknown_at, existence.denied_at]
    if any(at is not None and at >= due for at in answers):
        return act.Release(
            event="Released", message=f"Gateway {place.gateway_id} is gone, and its targets with it."
        )
    if existence.known_at is not None and state.now < existence.known_at + LIST_LAG:
        message = (
            f"The targets of gateway {place.gateway_id} are not found, but the gateway is; asking again."
        )
        return _blocked(place, message, until=existence.known_at + LIST_LAG)
    if state.now >= due and not existence.asked:
        return act.CheckGateway(place=place)
    moments = [due, late]
    if not existence.rolling and existence.denied_at is None and _account_is_known(state, place):
        look = since + ROLL_AFTER
        if look <= state.now < late:
            return act.CallTheRoll(place=place, until=late)
        moments.append(look)
    message = (
        f"Gateway {place.gateway_id} was not found; it is believed gone after four minutes of that, or "
        "sooner where ListGateways lacks it as well."
    )
    return _blocked(place, message, until=min((at for at in moments if at > state.now), default=None))


def _blocked(place: Place, message: str, *, until: float | None) -> act.Blocked:
    return act.Blocked(reason=Reason.GATEWAY_NOT_FOUND, message=message, until=until, place=place)


def _agreed(existence: Existence) -> bool:
    """Whether ListGateways has lacked the gateway twice, and GetGateway may say whether it is there."""
    first, last = existence.lacking or (0.0, 0.0)
    return last - first >= ROLLS_APART and existence.denied_at is None


def _account_is_known(state: State, place: Place) -> bool:
    """Whether it is certain that the target was made where these credentials look."""
    if any(place.account_and_region):
        return True
    return bool(_made(state)) and bool(state.settings.account)


def _made(state: State) -> str:
    """Return the ARN of the gateway that the target was made on, "" where nothing says."""
    status = state.obj.status
    told = "" if any(Place(status.gateway_id).account_and_region) else status.gateway_arn
    return (state.record.gateway_arn if state.record else "") or told


def _made_elsewhere(
    state: State, place: Place, existence: Existence
) -> act.CheckGateway | act.Blocked | None:
    """Refuse to believe anything outside the account and Region where the target was made.

    Elsewhere nothing answers but a session that has proven to act in the gateway's own, as it was then.
    """
    arn = place.gateway_id if any(place.account_and_region) else _made(state)
    if not arn and state.record is None:
        return None
    settings = state.settings
    made = account_and_region(arn)
    ours = (settings.account, settings.region) if settings.account else _heard(state, place)
    if any(place.account_and_region):
        ours = made
    # Credentials can be exchanged while the process runs: what AWS said last of whose they are counts.
    ours = existence.where or ours
    if ours[0] and made == ours:
        return None
    if existence.where is not None and not existence.asked and state.now >= existence.where_at + LIST_LAG:
        return act.CheckGateway(place=place)
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
