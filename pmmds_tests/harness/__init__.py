"""Real servers, processes and data that several test packages share. Assertions belong in the tests."""
