"""The extension in a real web UI's checkout, tried as a user would: `python -m tests.hosts.smoke --host CHECKOUT`."""
