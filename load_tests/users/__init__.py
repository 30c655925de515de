"""The three kinds of users of the Platform API: 43 : 45 : 12 per cent of them, unless the settings say otherwise.

The specification leaves the mix open. With this one and 1 to 3 seconds of thinking, 100 users settle every objective
in 15 seconds: about 320 auth requests (299 without a failure settle a success rate of 99 %), 90 payment requests (59
within the limit settle a p95), and 13 generation tasks a second, so surely more than the 10 that the specification
wants: after 15 seconds the lower bound of that rate is about 11.5.
"""

from load_tests.users.auth import AuthUser
from load_tests.users.generation import GenerationUser
from load_tests.users.payments import PaymentUser

__all__ = ["AuthUser", "GenerationUser", "PaymentUser"]
