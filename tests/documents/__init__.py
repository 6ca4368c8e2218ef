"""Tests of the tree of documents, its printers and its wire form."""
