"""What all tests share: hypothesis without a deadline, which a first compilation would miss."""

from hypothesis import settings

settings.register_profile("onebook", deadline=None)
settings.load_profile("onebook")
