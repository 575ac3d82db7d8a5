"""The routes of the simulated platform: which path is answered by what, in which age."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus

import msgspec
from aiohttp import web

from monitor.simulation.answers import Document
from monitor.simulation.api_errors import ApiError
from monitor.simulation.org import Org

Answer = Callable[[Org, web.Request], web.Response]
"""Answers one request; LookupError where there is no such record."""

_DEFAULT_LIMIT = 10
_MAX_LIMIT = 100


def json_of(document: Document | Sequence[Document]) -> web.Response:
    """Answer with a document."""
    return json_response(msgspec.json.encode(document))


def json_response(body: bytes) -> web.Response:
    """Answer with JSON that is written already."""
    return web.Response(body=body, content_type="application/json", charset="utf-8")


def _page(request: web.Request, rows: Sequence[Document]) -> web.Response:
    """Answer one page of rows. What is no number is ignored, pages count from 1."""
    limit = _number(request, "limit") or _DEFAULT_LIMIT
    if limit > _MAX_LIMIT:
        raise ApiError(HTTPStatus.BAD_REQUEST, "invalid limit", f"limit must be <= {_MAX_LIMIT}")
    page = _number(request, "page")
    offset = (page - 1) * limit if page else _number(request, "offset")
    response = json_of(rows[offset : offset + limit])
    response.headers["X-Nuon-Page-Next"] = "true" if offset + limit < len(rows) else "false"
    response.headers["X-Nuon-Page-Offset"] = str(offset)
    response.headers["X-Nuon-Page-Limit"] = str(limit)
    return response


def _number(request: web.Request, name: str) -> int:
    text = request.query.get(name, "")
    return int(text) if text.isdecimal() else 0


def _of(request: web.Request, name: str = "id") -> str:
    return request.match_info[name]


def _branch_of(request: web.Request) -> tuple[str, str]:
    return _of(request), _of(request, "branch_id")


def _release(org: Org, request: web.Request) -> web.Response:
    return json_response(org.document("release", _of(request)))


def _release_steps(org: Org, request: web.Request) -> web.Response:
    return _page(request, org.release_steps(_of(request)))


def _releases_of_app(org: Org, request: web.Request) -> web.Response:
    app_id = _of(request)
    return _page(request, org.releases(lambda cast: cast.app_id == app_id))


def _releases_of_component(org: Org, request: web.Request) -> web.Response:
    component_id = _of(request)
    return _page(request, org.releases(lambda cast: cast.component_id == component_id))


def _bills_of_materials(org: Org, request: web.Request) -> web.Response:
    return _page(request, org.bills_of_materials(_of(request)))


def _installer(org: Org, request: web.Request) -> web.Response:
    return json_response(org.document("installer", _of(request)))


def _workflow(org: Org, request: web.Request) -> web.Response:
    return json_response(org.workflow(_of(request)))


def _workflow_steps(org: Org, request: web.Request) -> web.Response:
    return _page(request, org.workflow_steps(_of(request)))


def _workflows(org: Org, request: web.Request) -> web.Response:
    if org.is_thin and not _TIMES.isdisjoint(request.query):
        # Both tables that are joined since May 2026 have such a column.
        error = "ambiguous column"
        raise ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, error, "created_at is ambiguous")
    return _page(request, org.workflows(request.query))


_TIMES = frozenset({"created_at_gte", "created_at_lte"})


def _workflows_of_install(org: Org, request: web.Request) -> web.Response:
    return _page(request, org.workflows(request.query, install_id=_of(request)))


def _pending_approvals(org: Org, request: web.Request) -> web.Response:
    return _page(request, org.pending_approvals())


def _install(org: Org, request: web.Request) -> web.Response:
    return json_of(org.install(_of(request)))


def _deploy(org: Org, request: web.Request) -> web.Response:
    return json_of(org.deploy(_of(request), _of(request, "deploy_id")))


def _apps(org: Org, request: web.Request) -> web.Response:
    return _page(request, org.apps())


def _installs_of_app(org: Org, request: web.Request) -> web.Response:
    return _page(request, org.installs_of_app(_of(request)))


def _app(org: Org, request: web.Request) -> web.Response:
    return json_of(org.app(_of(request)))


def _app_configs(org: Org, request: web.Request) -> web.Response:
    return _page(request, org.app_configs(_of(request)))


def _component(org: Org, request: web.Request) -> web.Response:
    return json_of(org.component(_of(request)))


def _build(org: Org, request: web.Request) -> web.Response:
    return json_of(org.build(_of(request)))


def _branches(org: Org, request: web.Request) -> web.Response:
    return _page(request, org.branches())


def _branches_of_app(org: Org, request: web.Request) -> web.Response:
    return _page(request, org.branches(_of(request)))


def _branch(org: Org, request: web.Request) -> web.Response:
    has_config = request.query.get("latest_config") == "true"
    return json_of(org.branch(*_branch_of(request), has_config=has_config))


def _runs(org: Org, request: web.Request) -> web.Response:
    return _page(request, org.runs(*_branch_of(request)))


def _run(org: Org, request: web.Request) -> web.Response:
    return json_response(org.run(*_branch_of(request), _of(request, "run_id")))


def _install_group_runs(org: Org, request: web.Request) -> web.Response:
    # The one list without pages.
    return json_of(org.install_group_runs(*_branch_of(request), _of(request, "run_id")))


_BRANCH = "/v1/apps/{id}/branches/{branch_id}"

IN_OLD: Mapping[str, Answer] = {
    "/v1/releases/{id}": _release,
    "/v1/releases/{id}/steps": _release_steps,
    "/v1/apps/{id}/releases": _releases_of_app,
    "/v1/components/{id}/releases": _releases_of_component,
    "/v1/installers/{id}": _installer,
}
"""What only older versions have, or have in this form."""

IN_TODAY: Mapping[str, Answer] = {
    "/v1/apps/{id}/releases": _bills_of_materials,
    "/v1/workflows": _workflows,
    "/v1/workflows/pending-approvals": _pending_approvals,
    "/v1/workflows/{id}": _workflow,
    "/v1/workflows/{id}/steps": _workflow_steps,
    "/v1/installs/{id}/workflows": _workflows_of_install,
    "/v1/branches": _branches,
    "/v1/apps/{id}/branches": _branches_of_app,
    _BRANCH: _branch,
    f"{_BRANCH}/runs": _runs,
    f"{_BRANCH}/runs/{{run_id}}": _run,
    f"{_BRANCH}/runs/{{run_id}}/install-group-runs": _install_group_runs,
}
"""What only the platform of today has, or has in this form."""

IN_BOTH: Mapping[str, Answer] = {
    "/v1/apps": _apps,
    "/v1/apps/{id}": _app,
    "/v1/apps/{id}/configs": _app_configs,
    "/v1/apps/{id}/installs": _installs_of_app,
    "/v1/components/builds/{id}": _build,
    "/v1/components/{id}": _component,
    "/v1/installs/{id}": _install,
    "/v1/installs/{id}/deploys/{deploy_id}": _deploy,
}
