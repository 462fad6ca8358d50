"""Fixtures that the integration tests share."""

import pytest

from cloud.stand_in import StandIn


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: looks at the pace, and so wants the machine for itself")
    config.addinivalue_line("markers", "xdist_group: tests of one name run one after the other")


def pytest_collection_modifyitems(items):
    """The longest row first, where tests run side by side: those that follow one another."""
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)


@pytest.fixture(scope="session")
def tls_dir(tmp_path_factory):
    """Certificates made once for all stand-ins."""
    return tmp_path_factory.mktemp("tls")


@pytest.fixture
def stand_in(tls_dir):
    """Makes stand-ins that share certificates and are ended with the test."""
    running = []

    def make(*arguments, **more):
        cloud = StandIn(*arguments, tls_dir=tls_dir, **more)
        cloud.__enter__()
        running.append(cloud)
        return cloud

    yield make
    for cloud in running:
        cloud.__exit__(None, None, None)
