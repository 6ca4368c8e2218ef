"""A campaign of random inputs: each is refused by an error of ours, or gives what an oracle expects.

Every part makes its inputs by the structure of what it attacks (a grammar, the keys of a file, the bits of an archive),
from a seed that names the input: `make fuzz` runs all of them, tests/fuzz/slow_campaign.py some of each.
"""
