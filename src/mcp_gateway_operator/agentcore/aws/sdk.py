"""A botocore session and clients that fit a small pod.

boto3 itself is not imported: its resource layer, s3transfer and docs cost memory and bring nothing here.
Of the service model only the operations used are kept, of the endpoint table only the services that the
credential chain may call.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from botocore import endpoint, loaders, parsers, session, utils
from botocore.client import BaseClient
from botocore.config import Config
from botocore.credentials import CredentialProvider, CredentialResolver, Credentials

from mcp_gateway_operator.agentcore.aws.parse_answer import keep_text
from mcp_gateway_operator.targets.known import CALL_SECONDS

SERVICE: Final = "bedrock-agentcore-control"
OPERATIONS: Final = frozenset(
    {
        "CreateGatewayTarget",
        "DeleteGatewayTarget",
        "GetGateway",
        "GetGatewayTarget",
        "ListGatewayTargets",
        "ListGateways",
        "SynchronizeGatewayTargets",
        "UpdateGatewayTarget",
    }
)
CONNECT_SHARE: Final = 0.2
"""Of the time that a call may take: until the connection is there."""
READ_SHARE: Final = 2 / 3
"""Of the time that a call may take: until the answer comes. The rest is for credentials and the signature."""

_ENDPOINT_SERVICES: Final = frozenset({"oidc", "portal.sso", "signin", "sts", SERVICE})


class _Model(msgspec.Struct):
    """The parts of a service-2.json that are read piece by piece."""

    metadata: dict[str, Any]
    operations: dict[str, msgspec.Raw]
    shapes: dict[str, msgspec.Raw]
    version: str = "2.0"


class _Partition(msgspec.Struct):
    defaults: dict[str, Any]
    dnsSuffix: str  # noqa: N815  -- a key of botocore's endpoints.json
    partition: str
    partitionName: str  # noqa: N815  -- as above
    regionRegex: str  # noqa: N815  -- as above
    regions: dict[str, Any]
    services: dict[str, msgspec.Raw]


class _Endpoints(msgspec.Struct):
    partitions: list[_Partition]
    version: int


_MODEL: Final = msgspec.json.Decoder(_Model)
_ENDPOINTS: Final = msgspec.json.Decoder(_Endpoints)


class SlimFileLoader(loaders.JSONFileLoader):  # type: ignore[misc]  # botocore ships no types
    """Reads botocore's data files and drops what is never used before it becomes Python objects."""

    def load_file(self, file_path: str) -> Any:
        """Return a data file's content; `file_path` has no extension, None means that it does not exist."""
        path = Path(file_path)
        try:
            if path.name == "service-2" and SERVICE in path.parts:
                return _service(_read(path))
            if path.name == "endpoints":
                return _endpoints(_read(path))
        except (OSError, msgspec.MsgspecError):
            # Absent, or of another botocore's shape: its own reader knows.
            pass
        return super().load_file(file_path)


def choose_proxies(choose: Callable[[str], str | None]) -> None:
    """Let a function name the proxy, if any, of every client that botocore makes from now on in this process.

    botocore asks urllib, which reads NO_PROXY in another way than programs in Go, and no setting of a session
    reaches all the clients that its credential chain makes.

    Args:
        choose: given the URL of a client's endpoint, returns a proxy's with user and password, or None.
    """

    def proxies(url: str) -> dict[str, str]:
        proxy = choose(url)
        return {urlsplit(url).scheme: proxy} if proxy else {}

    for module in (endpoint, utils):
        assert callable(module.get_environ_proxies), "or this botocore chooses proxies elsewhere"
        module.get_environ_proxies = proxies


class _Given(CredentialProvider):  # type: ignore[misc]  # botocore ships no types
    """A credential chain of one link, which has what it was given."""

    METHOD = "given"

    def __init__(self, credentials: Credentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> Credentials:
        """Return it."""
        return self._credentials


@cache
def _loader(data_path: str | None) -> loaders.Loader:
    """Return what reads botocore's data files, each of them once for all sessions of the process."""
    loader = loaders.create_loader(data_path)
    loader.file_loader = SlimFileLoader()
    return loader


def new_session(
    region: str | None,
    *,
    call_seconds: float = CALL_SECONDS,
    authorities: str | None = None,
    credentials: Credentials | None = None,
) -> session.Session:
    """Return a session with the default credential chain and slim data files.

    Args:
        region: the Region; None for the SDK's own places: AWS_REGION, AWS_DEFAULT_REGION, the profile.
        call_seconds: what the time-outs of its clients, connect and read together, stay inside.
        authorities: a file with the certificate authorities to trust, unless AWS_CA_BUNDLE or the profile
            names one; None for those that come with the SDK.
        credentials: used instead of what the default chain finds.
    """
    created = session.Session()
    if authorities and not created.get_config_variable("ca_bundle"):
        created.set_config_variable("ca_bundle", authorities)
    # botocore alone knows only AWS_DEFAULT_REGION; pods on EKS and Lambda, and every other SDK, have this.
    region = region or os.environ.get("AWS_REGION")
    if region:
        created.set_config_variable("region", region)
    created.register_component("data_loader", _loader(created.get_config_variable("data_path")))
    if credentials is not None:
        created.register_component("credential_provider", CredentialResolver([_Given(credentials)]))
    # Clients that the credential chain makes for itself (STS, SSO) get the same bounds.
    created.set_default_client_config(
        Config(
            connect_timeout=call_seconds * CONNECT_SHARE,
            read_timeout=call_seconds * READ_SHARE,
            retries={"total_max_attempts": 2},
        )
    )
    return created


def new_client(aws: session.Session, *, user_agent: str, connections: int) -> BaseClient:
    """Return an AgentCore control plane client: one attempt a call, timestamps left as text.

    A List of 100 targets holds 300 timestamps; parsing them costs twenty times as much as all the rest.

    Raises:
        BotoCoreError: no Region, no such profile, a broken configuration.
    """
    text_parsers = parsers.ResponseParserFactory()
    text_parsers.set_parser_defaults(timestamp_parser=keep_text)
    default_parsers = aws.get_component("response_parser_factory")
    aws.register_component("response_parser_factory", text_parsers)
    try:
        return aws.create_client(
            SERVICE,
            config=Config(
                # The mode, too: "adaptive" in the environment would hold calls back in their threads.
                retries={"total_max_attempts": 1, "mode": "standard"},
                max_pool_connections=connections,
                user_agent_extra=user_agent,
            ),
        )
    finally:
        # Credentials expire at a datetime: clients made later for them parse as usual.
        aws.register_component("response_parser_factory", default_parsers)


def new_sts_client(aws: session.Session, *, user_agent: str) -> BaseClient:
    """Return a client for GetCallerIdentity.

    Raises:
        BotoCoreError: no Region, no such profile, a broken configuration.
    """
    return aws.create_client("sts", config=Config(user_agent_extra=user_agent))


def _read(path: Path) -> bytes:
    try:
        return path.with_name(f"{path.name}.json").read_bytes()
    except FileNotFoundError:
        with gzip.open(path.with_name(f"{path.name}.json.gz")) as file:
            return file.read()


def _service(data: bytes) -> dict[str, Any]:
    model = _MODEL.decode(data)
    operations = {name: _value(model.operations[name]) for name in sorted(OPERATIONS & set(model.operations))}
    shapes: dict[str, Any] = {}
    wanted = _shapes_in(operations)
    while wanted:
        name = wanted.pop()
        if name not in shapes:
            shapes[name] = _value(model.shapes[name])
            wanted += _shapes_in(shapes[name])
    return {"version": model.version, "metadata": model.metadata, "operations": operations, "shapes": shapes}


def _endpoints(data: bytes) -> dict[str, Any]:
    table = _ENDPOINTS.decode(data)
    for partition in table.partitions:
        partition.services = {
            name: raw for name, raw in partition.services.items() if name in _ENDPOINT_SERVICES
        }
    slim: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(table))
    return slim


def _value(raw: msgspec.Raw) -> Any:
    return _without_prose(msgspec.json.decode(raw))


def _without_prose(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _without_prose(each)
            for key, each in value.items()
            if not (key == "documentation" and isinstance(each, str))
        }
    return [_without_prose(each) for each in value] if isinstance(value, list) else value


def _shapes_in(value: Any) -> list[str]:
    if isinstance(value, list):
        return [name for each in value for name in _shapes_in(each)]
    if not isinstance(value, dict):
        return []
    shape = value.get("shape")
    own = [shape] if isinstance(shape, str) else []
    return own + [name for each in value.values() for name in _shapes_in(each)]
