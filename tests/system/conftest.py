"""The package and the machine, once for all tests here."""

import os
import pathlib
import shutil

import pytest

import machine as machines
import package as packages


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """What packaging/build-deb made of the tree."""
    return packages.build(packages.TOP, tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="session")
def package(built):
    return next(path for path in built if path.name.startswith("crsbackupd_") and path.suffix == ".deb")


@pytest.fixture(scope="session")
def machine(package):
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
