"""Where the list of tools comes from and when it is indexed again."""

from __future__ import annotations

from typing import Annotated

from mcp_gateway_operator.api import rules
from mcp_gateway_operator.api.schema import Camel, Field


class S3ToolSchema(Camel, frozen=True, kw_only=True):
    """A list of tools kept in S3."""

    uri: Annotated[
        str,
        Field(
            doc="Address of the S3 object with the list of tools in JSON, at most 10 MB. The gateway's role "
            "must be allowed to read it.",
            required=True,
            min_length=1,
            max_length=2048,
            rules=rules.S3_URI,
            example="s3://my-bucket/tools.json",
        ),
    ] = ""
    bucket_owner_account_id: Annotated[
        str,
        Field(
            doc="AWS account that owns the bucket, if it is not the gateway's.",
            max_length=12,
            rules=rules.ACCOUNT_ID,
            example='"123456789012"',
        ),
    ] = ""


class McpToolSchema(Camel, frozen=True, kw_only=True):
    """A static list of tools."""

    inline: Annotated[
        str,
        Field(
            doc="The list of tools as JSON text, as MCP's tools/list answers it, at most 128 KiB (131072 "
            "characters) and 1000 tools with names of their own. A larger one belongs in S3.",
            max_length=131072,
            example='\'{"tools": [{"name": "search", "inputSchema": {"type": "object"}}]}\'',
        ),
    ] = ""
    s3: Annotated[S3ToolSchema | None, Field(doc="The S3 object that holds the list of tools.")] = None


class ToolSync(Camel, frozen=True, kw_only=True):
    """Periodic indexing of tools."""

    interval: Annotated[
        str,
        Field(
            doc="Time between two indexings as a Go duration, at least 10m. Default: no periodic indexing. "
            "AWS bills each indexing.",
            max_length=20,
            rules=rules.SYNC_INTERVAL,
            example="6h",
        ),
    ] = ""
