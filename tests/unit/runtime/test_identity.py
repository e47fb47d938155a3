from __future__ import annotations

from pathlib import Path

from mcp_gateway_operator.runtime.identity import KEEP, DeathProof, Identity


def test_in_a_pod_the_name_is_the_pods() -> None:
    for environment, name in (
        ({"POD_NAME": "operator-0"}, "operator-0"),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "operator-1"}, "operator-1"),
    ):
        identity = Identity(environment)
        assert identity.name == name
        assert identity.in_pod


def test_outside_a_pod_each_process_has_a_name_of_its_own() -> None:
    first, second = Identity({}), Identity({})
    assert first.name != second.name
    assert not first.in_pod


def test_who_still_holds_the_lock_is_not_called_dead(tmp_path: Path) -> None:
    first = DeathProof(tmp_path / "lock", "one")
    second = DeathProof(tmp_path / "lock", "two")
    assert not second.is_dead("one")
    first.close()
    assert second.is_dead("one")
    assert not second.is_dead("two")
    assert not second.is_dead("somebody-elsewhere")


def test_a_chain_of_processes_that_died_early_is_remembered(tmp_path: Path) -> None:
    names = [f"process-{number}" for number in range(KEEP)]
    for name in names:
        DeathProof(tmp_path / "lock", name).close()
    last = DeathProof(tmp_path / "lock", "last")
    assert all(last.is_dead(name) for name in names)


def test_the_lock_file_does_not_grow(tmp_path: Path) -> None:
    for number in range(3 * KEEP):
        DeathProof(tmp_path / "lock", f"process-{number}").close()
    assert len((tmp_path / "lock").read_text().splitlines()) == KEEP


def test_without_a_place_for_the_lock_nobody_is_called_dead(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    assert not DeathProof(blocked / "lock", "one").is_dead("anyone")
