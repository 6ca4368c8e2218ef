"""The strings of a report in other languages, one file each; the keys are those of `views/words.py`."""
