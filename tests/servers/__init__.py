"""Real servers that tests start and stop themselves, on free ports of the loopback interface."""
