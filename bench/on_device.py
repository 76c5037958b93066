"""Run the tests that compute on a device, and no others.

python bench/on_device.py --device cuda tests/models
"""

import sys

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = [item for item in items if "device" in getattr(item, "fixturenames", ())]


if __name__ == "__main__":
    sys.exit(pytest.main(sys.argv[1:], plugins=[sys.modules["__main__"]]))
