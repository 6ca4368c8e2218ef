"""What is found from a sample of the sequences: probes, a proof, ablations."""
