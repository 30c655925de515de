"""The code that lives inside Locust: latency counts, failures and the generator's health. Never imports pandas."""
