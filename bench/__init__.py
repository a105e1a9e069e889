"""`twinsaga bench`: what the sagas and the bridges cost, each figure as a ratio to a baseline that runs beside it."""
