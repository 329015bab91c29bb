"""gomail on one machine: sandbox, API and worker as child processes (`gomail up`, `gomail smoke`).

Nothing here is imported by what it starts, and it imports none of it: the rooms of the house are
known by the names of their modules and by what they say over HTTP.
"""
