"""Given to Locust as a second ``-f`` file; Locust imports it under this file's name, so the name is distinctive."""

from perflab.record.recorder import install

install()
