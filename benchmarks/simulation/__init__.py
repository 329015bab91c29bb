"""Dispatch on a simulated clock: real code between a queue and providers that are simulated."""
