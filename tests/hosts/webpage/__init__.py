"""A web UI to test in: real gradio, stand-in pictures. `python -m tests.hosts.webpage --help`."""
