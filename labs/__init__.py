"""Labs: each breaks one promise of the sagas in a private copy, for `make mutants` and `twinsaga lab`."""
