"""What all tests share: hypothesis without a deadline, which a first compilation would miss, and a
Ctrl-C that reaches the processes that tests start.
"""

import signal

from hypothesis import settings

settings.register_profile("onebook", deadline=None)
settings.load_profile("onebook")

if (
    signal.getsignal(signal.SIGINT) == signal.SIG_IGN
):  # a background job of a shell; children would, too
    signal.signal(signal.SIGINT, signal.default_int_handler)
