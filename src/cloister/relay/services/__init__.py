"""What a home relay does for devices: one module for each noun of the protocol."""
