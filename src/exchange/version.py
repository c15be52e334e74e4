"""The version of the installed distribution."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("onebook")
except PackageNotFoundError:  # run from a source tree that is not installed
    VERSION = "0"
