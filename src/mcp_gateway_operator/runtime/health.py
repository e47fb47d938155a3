"""/healthz and /readyz, as the kubelet asks for them: named checks, and a body that says which one failed.

/healthz answers 500 only when a restart of the process would help; /readyz while it cannot do its work yet,
or not any more. As in controller-runtime, `/healthz/NAME` asks for one check and `?verbose` lists them all.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from mcp_gateway_operator.runtime.http1 import Answer, Request

Check = Callable[[], str | None]
"""Returns what is wrong, or None. Must not block."""


class Health:
    """The checks, and the handler that answers with them."""

    def __init__(self) -> None:
        self._checks: dict[str, dict[str, Check]] = {"healthz": {}, "readyz": {}}
        self._notes: dict[str, Check] = {}

    def add_liveness(self, name: str, check: Check) -> None:
        """Add a check whose failure means: restart this process."""
        self._checks["healthz"][name] = check

    def add_readiness(self, name: str, check: Check, *, note: Check | None = None) -> None:
        """Add a check whose failure means: not at work yet, or no longer.

        Args:
            name: of the check.
            check: says what is wrong.
            note: what there is to say, with `?verbose`, when nothing is wrong.
        """
        self._checks["readyz"][name] = check
        if note is not None:
            self._notes[name] = note

    def answer(self, path: str, *, verbose: bool = False) -> tuple[HTTPStatus, str]:
        """Return status and body for a request path."""
        endpoint, _, name = path.strip("/").partition("/")
        checks = self._checks.get(endpoint)
        if checks is None or (name and name not in checks):
            return HTTPStatus.NOT_FOUND, "no such check\n"
        results = {each: check() for each, check in checks.items() if name in ("", each)}
        failed = any(results.values())
        if not failed and not verbose:
            return HTTPStatus.OK, "ok"
        lines = [
            f"[-]{each} failed: {why}" if why else f"[+]{each} ok{self._note(each)}"
            for each, why in results.items()
        ]
        lines.append(f"{endpoint} check {'failed' if failed else 'passed'}")
        status = HTTPStatus.INTERNAL_SERVER_ERROR if failed else HTTPStatus.OK
        return status, "\n".join(lines) + "\n"

    async def __call__(self, request: Request) -> Answer:
        """Answer one request."""
        return Answer.text(*self.answer(request.path, verbose="verbose" in request.query))

    def _note(self, name: str) -> str:
        note = self._notes.get(name, lambda: None)()
        return f": {note}" if note else ""
