"""`python -m tools.releases`: reads which releases of other packages have which names."""
