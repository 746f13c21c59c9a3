"""What all tests share: how many examples a law is tried on, and that no plan is kept on disk."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "laws",
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    print_blob=True,
)
settings.load_profile("laws")

os.environ["TENSORBP_CACHE"] = ""
