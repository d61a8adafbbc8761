"""What is done to frames that are there: cut, turned round, looped, smoothed, enlarged, held. No files here."""
