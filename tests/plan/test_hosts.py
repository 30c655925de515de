from __future__ import annotations

import pytest

from perflab.plan.hosts import is_for_tests


@pytest.mark.parametrize(
    "name",
    ["test", "load_test_db", "orders-test", "OrdersTest", "TEST_ORDERS", "test2", "integration_tests", "testing"],
)
def test_a_database_for_tests_says_so_in_a_word(name: str) -> None:
    assert is_for_tests(name)


@pytest.mark.parametrize(
    "name", ["production", "latest", "attestations", "contest", "greatest_hits", "protests", "testament", "Latest", ""]
)
def test_a_part_of_a_word_is_no_word(name: str) -> None:
    assert not is_for_tests(name)
