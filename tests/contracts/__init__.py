"""What every adapter of a port must do: one class of tests per port, inherited by the tests of each adapter.

An adapter's test module makes a class of it whose name begins with `Test`, with the fixture that opens the
adapter.
"""

import pytest

# Only test files are rewritten to show the values of a failed assertion; these are none by their names.
for _port in ("bus", "objects", "warehouse", "warehouse_history"):
    pytest.register_assert_rewrite(f"{__name__}.{_port}")
