"""The order saga on the development server: each module gives the `environment`."""

from tests.support.saga_fixtures import at_steps, closed_shop, empty_databases, pix_expiry, shop

__all__ = ["at_steps", "closed_shop", "empty_databases", "pix_expiry", "shop"]
