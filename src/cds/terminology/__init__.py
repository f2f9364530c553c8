"""What codes and words mean: systems, concepts, value sets, drugs, the index of all."""
