"""The evolution loop as pure functions of state and seed."""
