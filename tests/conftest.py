"""What holds for every test: nothing of the person's shell leaks in, and Hypothesis does not judge speed."""

import os

from hypothesis import HealthCheck, settings

_LEAKS = ("ROPEWALK_", "FORCE_COLOR", "NO_COLOR", "CLICOLOR")

for _name in [name for name in os.environ if name.startswith(_LEAKS)]:
    del os.environ[_name]

settings.register_profile(
    "default",
    deadline=None,  # on a shared machine a slow example says nothing
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "ci",
    parent=settings.get_profile("default"),
    derandomize=True,  # a change must not land or fail by luck; `make test` explores, `make nightly` explores more
    print_blob=True,
)
settings.register_profile("nightly", parent=settings.get_profile("default"), max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default"))
