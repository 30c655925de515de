"""Starts and watches Locust and managed targets as child processes; never imports locust."""
