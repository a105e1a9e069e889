"""The stores of the four services. Each belongs to one transaction, and locks the rows it finds if that may write."""
