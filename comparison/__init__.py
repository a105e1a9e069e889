"""`twinsaga compare`: the same orders in both styles, how they end, how long they take and what they cost."""
