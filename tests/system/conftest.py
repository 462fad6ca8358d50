"""The package and the machine, once for all tests here."""

import os
import pathlib
import shutil

import pytest

import machine as machines
import package as packages


def pytest_collection_modifyitems(items):
    """Last the test that waits for the second build, which goes on meanwhile."""
    items.sort(key=lambda item: "again" in item.fixturenames)


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """What packaging/build-deb made of the tree."""
    build = packages.Build(packages.TOP, tmp_path_factory.mktemp("package"))
    yield build.files()
    build.end()


@pytest.fixture(scope="session")
def second_build(built, tmp_path_factory):
    """The same once more, elsewhere and in other surroundings, at work beside the other tests."""
    directory = tmp_path_factory.mktemp("elsewhere")
    packages.copy_tree(directory / "an other place")
    (directory / "scratch").mkdir()
    surroundings = {"TZ": "Asia/Tokyo", "LANG": "C", "TMPDIR": str(directory / "scratch")}
    build = packages.Build(directory / "an other place", directory / "out", surroundings, 0o077, nice=10)
    yield build
    build.end()


@pytest.fixture(scope="session")
def again(second_build):
    return second_build.files()


@pytest.fixture(scope="session")
def package(built):
    return next(path for path in built if path.name.startswith("crsbackupd_") and path.suffix == ".deb")


@pytest.fixture(scope="session")
def machine(package, second_build):
    if os.geteuid() != 0:
        pytest.skip("a machine of its own needs root")
    missing = [tool for tool in machines.TOOLS if not shutil.which(tool)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    own = machines.Machine()
    try:
        machines.look_around()
        pathlib.Path(machines.BUILD).mkdir(exist_ok=True)
        machines.make_base()
        machines.fetch_needs(package)
        own.__enter__()
    except machines.Unfit as unfit:
        pytest.skip(str(unfit))
    yield own
    own.__exit__()
