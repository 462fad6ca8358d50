"""What may be swapped out holds no key: integration/test_key_memory.py by the optimised program, whose stack is its own."""

import os

import pytest

from integration.key_memory import look_for_keys

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may read the memory of a process that allows no core")


@pytest.mark.parametrize("provider", ["env", "file", "cvm-role", "assume-role"])
def test_keys_stand_in_locked_memory_alone(stand_in, tmp_path, provider):
    look_for_keys(stand_in, tmp_path, provider)
