"""Whether every plan computes, on this machine, what the operations define: for `lstm-trace doctor` and the tests."""
