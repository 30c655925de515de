"""What the users of your service do: replace the paths below by its own. See https://docs.locust.io."""

import random

from locust import HttpUser, between, task


class Visitor(HttpUser):
    """Looks at some items, and now and then orders one."""

    wait_time = between(1, 3)

    @task(3)
    def list_items(self) -> None:
        """List the items."""
        self.client.get("/items")

    @task(2)
    def show_item(self) -> None:
        """Look at one item: all of them go by one name."""
        self.client.get(f"/items/{random.randrange(1000)}", name="/items/[id]")

    @task
    def order(self) -> None:
        """Order an item."""
        self.client.post("/orders", json={"item": random.randrange(1000)})
