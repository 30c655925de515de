"""Load on the payments API."""

from __future__ import annotations

from locust import task
from locust.env import Environment

from load_tests.replies import ID
from load_tests.users.base import PlatformUser, settings

CREATE = "/api/v1/payments/create"
LIST = "/api/v1/payments"


class PaymentUser(PlatformUser):
    """Pays and looks at what was paid."""

    weight = settings.weight_payments

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._next_page: str | int | None = None

    @task(60)
    def create_payment(self) -> None:
        """Pay once, under a key of its own."""
        payment = self.data.payment()
        self.call_signed_in(
            "POST",
            CREATE,
            json=payment.body,
            headers={"Idempotency-Key": payment.idempotency_key},
            # 200 is the same payment again, which a repeated run with the same run id sends.
            expect=(201, 200),
            shape={"id": ID, "status": "captured"},
        )

    @task(40)
    def list_payments(self) -> None:
        """Page through the user's payments, newest first."""
        page = f"&before={self._next_page}" if self._next_page is not None else ""
        shape = {"items": list, "next": ID | None}
        reply = self.call_signed_in("GET", f"{LIST}?limit=20{page}", name=LIST, shape=shape)
        self._next_page = reply.body["next"] if reply.body else None
