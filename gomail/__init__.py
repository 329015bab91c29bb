"""The kernel of gomail: words and rules, ports and their adapters; no web framework, no dataflow."""
