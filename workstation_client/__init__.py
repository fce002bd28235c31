"""The workstation's side: records the business window of a trainee while the bridge says so, and nothing else."""
