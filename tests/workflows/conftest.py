"""The order saga on the time-skipping test server. See docs/testing-workflows.md."""

from tests.support.saga_fixtures import at_steps, closed_shop, environment, pix_expiry, shop

__all__ = ["at_steps", "closed_shop", "environment", "pix_expiry", "shop"]
