"""The platform's own errors: JSON with a status, where what was asked for is not given."""

from __future__ import annotations

from http import HTTPStatus


class ApiError(Exception):
    """An answer of the platform that is an error."""

    def __init__(self, status: HTTPStatus, error: str, description: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.description = description
