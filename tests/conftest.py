"""Settings for all tests, on the host and in the built environment."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

from sdcoreml.ground.advice import BY_MAKE

# `make unit` must not teach the tests to advise make: expected texts name the tool itself.
os.environ.pop(BY_MAKE, None)

# The machines are small and busy: a slow example says nothing about the code.
settings.register_profile(
    "house", deadline=None, suppress_health_check=(HealthCheck.too_slow,), print_blob=True
)
settings.load_profile("house")
