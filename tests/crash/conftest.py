"""Fixtures of the crash tests: those of the integration tests."""

from integration.conftest import stand_in, tls_dir

__all__ = ["stand_in", "tls_dir"]
