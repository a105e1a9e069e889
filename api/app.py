"""The app: routes, problems, limits and measures, around the dependencies that it is given."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI

from api.dependencies import Dependencies
from api.errors import answer_problems
from api.event_streams import Durations
from api.limits import BodyLimit
from api.request_metrics import Measures, MetricsMiddleware
from api.routers import (
    controls,
    dead_letters,
    interventions,
    operations,
    orders,
    page,
    placing,
    products,
    timelines,
    users,
    videos,
)
from api.same_origin import SameOrigin

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
    app.state.live_orders = timelines.live_orders(dependencies)
    app.state.stream_durations = Durations()
    for resource in (products, placing, orders, timelines, interventions, dead_letters, users, videos, operations):
        app.include_router(resource.router)
    if dependencies.controls is not None:
        app.include_router(controls.router)
    app.include_router(page.router)
    app.mount("/static", page.assets)
    answer_problems(app)
    app.add_middleware(BodyLimit, uploads={"/videos": dependencies.videos.max_bytes})
    app.add_middleware(SameOrigin)
    app.add_middleware(MetricsMiddleware, measures=app.state.measures)
    return app
