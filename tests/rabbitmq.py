"""What a test needs that runs on RabbitMQ; the server itself is that of the drills, `bench/rabbitmq.py`."""

import pytest

from bench.rabbitmq import rabbitmq_program

needs_rabbitmq = pytest.mark.skipif(rabbitmq_program() is None, reason="RabbitMQ is not installed")
