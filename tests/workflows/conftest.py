"""The order saga on the time-skipping test server: no test here waits for real time."""

from tests.support.saga_fixtures import at_steps, closed_shop, empty_databases, environment, pix_expiry, shop

__all__ = ["at_steps", "closed_shop", "empty_databases", "environment", "pix_expiry", "shop"]
