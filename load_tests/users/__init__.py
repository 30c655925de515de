"""The three kinds of users of the Platform API, in the ratio 9 : 8 : 3.

The specification leaves the ratio open. With this one, 100 users make about 330 auth requests in 15 seconds, enough to
settle a success rate of 99 % (it takes 299 without a failure), more than the 59 payments that settle 95 %, and 11
generation tasks a second, of which the specification wants 10.
"""

from load_tests.users.auth import AuthUser
from load_tests.users.generation import GenerationUser
from load_tests.users.payments import PaymentUser

__all__ = ["AuthUser", "GenerationUser", "PaymentUser"]
