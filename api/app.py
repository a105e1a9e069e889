"""The app: routes, problems, limits and measures, around the dependencies that it is given."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI

from api.dependencies import Dependencies
from api.errors import answer_problems
from api.limits import BodyLimit
from api.observed import Measures, Observed
from api.routers import interventions, operations, orders, placing, products, users, videos

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def create_app(dependencies: Dependencies, *, lifespan: Lifespan | None = None) -> FastAPI:
    app = FastAPI(
        title="twinsaga",
        summary="One order saga, run two ways on real engines.",
        version="0.1.0",
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.dependencies = dependencies
    app.state.measures = Measures()
    for resource in (products, placing, orders, interventions, users, videos, operations):
        app.include_router(resource.router)
    answer_problems(app)
    app.add_middleware(BodyLimit, uploads={"/videos": dependencies.videos.max_bytes})
    app.add_middleware(Observed, measures=app.state.measures)
    return app
