"""Hypothesis on shared machines: how long one example takes says nothing about what it proves."""

from hypothesis import HealthCheck, settings

settings.register_profile("celeriac", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("celeriac")
