"""Several machines as one Dask cluster: its folder, its certificate, and the child that speaks."""
