"""Given to Locust's ``--list`` as a second ``-f`` file: prints which users the locustfile before it has."""

from perflab.record.preflight import tell_users

tell_users()
