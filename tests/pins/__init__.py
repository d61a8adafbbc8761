"""`python -m tests.pins [NAME...]`: tests, a clip and a step in the versions that users have, an environment a row."""
