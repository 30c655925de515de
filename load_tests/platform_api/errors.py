"""Errors of the reference Platform API.

StartError   the service can't start: one line for the user, exit code 2
ApiError     an error answer to one request
"""


class StartError(Exception):
    """The service can't start; the message is one line that names the value and the way out."""


class ApiError(Exception):
    """An error answer: HTTP status, machine-readable code, message for people."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
