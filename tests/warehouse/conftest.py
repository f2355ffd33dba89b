from __future__ import annotations

import pytest

# Only test files are rewritten to show the values of a failed assertion; the suite is none by its name.
pytest.register_assert_rewrite("tests.contracts.warehouse")
