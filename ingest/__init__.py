"""The HTTP API: takes mail in and answers once a queue has it."""
