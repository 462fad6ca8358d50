"""No key stands in ordinary memory, and none stays in what was freed; the environment aside, which the sanitizer copies."""

import os

import pytest

from key_memory import look_for_keys

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may read the memory of a process that allows no core")


@pytest.mark.parametrize("provider", ["file", "cvm-role", "assume-role"])
def test_keys_stand_in_their_own_memory_alone(stand_in, tmp_path, provider):
    look_for_keys(stand_in, tmp_path, provider)
