"""On the path of processes whose clock libfaketime moves."""
