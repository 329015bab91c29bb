"""The kernel of gomail: words, rules, ports and adapters; no web framework, no dataflow."""
