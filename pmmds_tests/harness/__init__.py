"""Real servers, processes and data that several test packages share. Assertions are in the tests."""
