"""Where on the river: hydrofabric, network, selection."""
