"""The ResourceQuota of SECURITY.md keeps a tenant from more objects, and the operator from nothing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx2
import pytest
import yaml

from mcp_gateway_operator_demo.project_files import project_dir
from tests.integration.operator.kube import Json
from tests.integration.operator.site import Site
from tests.support.polling import until

KIND = "count/mcpservers.mcpgateway.bedrock.aws"


@pytest.fixture
def quota(site: Site) -> Iterator[Json]:
    """Put the quota of the page into the namespace, for three objects, as the quota controller keeps it."""
    page = (Path(project_dir("docs")).parent / "SECURITY.md").read_text(encoding="utf-8")
    manifest: Json = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    assert list(manifest["spec"]["hard"]) == [KIND]
    manifest["spec"]["hard"] = {KIND: "3"}
    path = f"/api/v1/namespaces/{site.namespace}/resourcequotas"
    site.cluster.post(path, manifest)
    # No controllers run here, and what is not counted yet is not enforced.
    status = {"status": {"hard": {KIND: "3"}, "used": {KIND: "0"}}}
    site.cluster.patch(f"{path}/mcpservers/status", status)
    yield manifest
    site.cluster.delete(f"{path}/mcpservers")


@pytest.mark.usefixtures("quota")
def test_a_namespace_with_the_quota_has_so_many_objects_and_all_of_the_operators_work(site: Site) -> None:
    """Made, told of in Events, edited, repaired and deleted, each of them, with the quota used up."""
    site.start()
    names = ("one", "two", "three")
    for name in names:
        until(partial(_taken, site, name), f"{name} is taken once the API server knows the quota")
    for name in names:
        site.until_ready(name)
    assert not _taken(site, "four")
    site.edit("one", description="Changed")
    site.until_ready("one")
    until(lambda: _reasons(site, "one") >= {"Created", "Updated"}, "both are told in Events")
    site.simulator.admin.edit_target(site.target_id("two"), description="Somebody's")
    until(lambda: not any("Somebody" in each.get("description", "") for each in site.targets()), "the repair")
    for name in names:
        site.delete(name)
    for name in names:
        site.until_gone(name)
    assert site.targets() == []


def _reasons(site: Site, name: str) -> set[str]:
    return {event["reason"] for event in site.kube.events(site.namespace, name)}


def _taken(site: Site, name: str) -> bool:
    """Create an object; return whether the quota lets it in."""
    try:
        site.create(name)
    except httpx2.HTTPStatusError as error:
        assert "exceeded quota: mcpservers" in error.response.text  # noqa: PT017  -- or it was taken
        return False
    return True
