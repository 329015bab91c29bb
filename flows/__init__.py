"""The dataflow: takes mail from the queues and hands it to providers until one has accepted it."""
