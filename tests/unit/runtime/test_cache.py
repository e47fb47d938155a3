from __future__ import annotations

from mcp_gateway_operator.runtime.cache import ObjectCache, Remembered
from tests.support.things import Meta, Spec, Thing

A = ("default", "a")


def version(number: str, *, uid: str = "u1", size: int = 0) -> Thing:
    return Thing(Meta("a", "default", uid, number), Spec(size))


def make_cache() -> tuple[ObjectCache[Thing], list[tuple[Thing | None, Thing | None]]]:
    events: list[tuple[Thing | None, Thing | None]] = []
    return ObjectCache(lambda old, new: events.append((old, new))), events


def test_an_object_written_during_a_list_that_does_not_show_it_may_still_arrive() -> None:
    cache, events = make_cache()
    since = cache.writes
    cache.remember(version("7"))
    cache.vanished(set(), namespace=None, since=since)
    assert cache.get(A) is None
    cache.event(version("7"))
    assert cache.get(A) == version("7")
    assert len(events) == 3


def test_what_a_list_does_not_show_is_not_brought_back_by_a_late_answer() -> None:
    cache, _ = make_cache()
    cache.event(version("5"))
    cache.vanished(set(), namespace=None, since=cache.writes)
    assert cache.remember(version("6")) is Remembered.STALE
    assert cache.get(A) is None


def test_a_list_undoes_even_newer_versions_when_no_write_of_ours_is_newer() -> None:
    cache, events = make_cache()
    cache.event(version("900"))
    cache.listed(version("100", size=1), since=cache.writes)
    assert cache.get(A) == version("100", size=1)
    assert events[-1] == (version("900"), version("100", size=1))


def test_the_same_version_with_other_contents_is_a_change() -> None:
    cache, events = make_cache()
    cache.event(version("7", size=1))
    cache.listed(version("7", size=2), since=cache.writes)
    assert events[-1] == (version("7", size=1), version("7", size=2))


def test_a_list_that_brings_an_object_back_from_the_dead_is_believed() -> None:
    cache, _ = make_cache()
    cache.event(version("5"))
    cache.deleted(A, "u1")
    cache.listed(version("3"), since=cache.writes)
    cache.event(version("4"))
    assert cache.get(A) == version("4")


def test_versions_that_are_no_numbers_are_not_compared() -> None:
    cache, _ = make_cache()
    cache.event(version("abc"))
    assert cache.remember(version("abb")) is Remembered.TAKEN
    cache.event(version("aba"))
    assert cache.get(A) == version("aba")


def test_a_list_of_one_namespace_says_nothing_about_others() -> None:
    cache, _ = make_cache()
    cache.event(version("5"))
    cache.vanished(set(), namespace="other", since=cache.writes)
    assert cache.get(A) is not None
