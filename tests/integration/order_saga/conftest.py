"""The order saga on the development server. Each module defines the fixture `environment`."""

from tests.support.saga_fixtures import at_steps, closed_shop, pix_expiry, shop

__all__ = ["at_steps", "closed_shop", "pix_expiry", "shop"]
