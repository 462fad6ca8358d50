"""Fixtures of the crash tests: those of the integration tests."""

from integration.conftest import pytest_configure, stand_in, tls_dir

__all__ = ["pytest_configure", "stand_in", "tls_dir"]

LONG = ("test_storm.py", "test_kills.py")


def pytest_collection_modifyitems(items):
    """The longest first: they run side by side with the others."""
    items.sort(key=lambda item: item.path.name not in LONG)
