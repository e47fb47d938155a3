from __future__ import annotations

from pathlib import Path

from mcp_gateway_operator.runtime.identity import KEEP, Identity


def test_in_a_pod_the_name_is_the_pods(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    assert Identity({"POD_NAME": "operator-0"}, lock).name == "operator-0"
    in_pod = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "operator-1"}
    assert Identity(in_pod, lock).name == "operator-1"
    assert not lock.exists()


def test_outside_a_pod_each_process_has_a_name_of_its_own(tmp_path: Path) -> None:
    first, second = Identity({}, tmp_path / "lock"), Identity({}, tmp_path / "lock")
    assert first.name != second.name


def test_who_still_holds_the_lock_is_not_called_dead(tmp_path: Path) -> None:
    first = Identity({}, tmp_path / "lock")
    second = Identity({}, tmp_path / "lock")
    assert not second.is_dead(first.name)
    first.close()
    assert second.is_dead(first.name)
    assert not second.is_dead(second.name)
    assert not second.is_dead("somebody-elsewhere")


def test_a_chain_of_processes_that_died_early_is_remembered(tmp_path: Path) -> None:
    names = []
    for _ in range(KEEP):
        identity = Identity({}, tmp_path / "lock")
        names.append(identity.name)
        identity.close()
    last = Identity({}, tmp_path / "lock")
    assert all(last.is_dead(name) for name in names)


def test_the_lock_file_does_not_grow(tmp_path: Path) -> None:
    for _ in range(3 * KEEP):
        Identity({}, tmp_path / "lock").close()
    assert len((tmp_path / "lock").read_text().splitlines()) == KEEP


def test_without_a_place_for_the_lock_nobody_is_called_dead(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    assert not Identity({}, blocked / "lock").is_dead("anyone")
    assert not Identity({}, None).is_dead("anyone")
