"""The estate's plugins for the saga worker: the bridges to Celery and the video workflow."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from temporalio.plugin import SimplePlugin
from temporalio.worker import Plugin

from estate.app import celery_app
from runtime.settings import Settings
from twinsaga_bridges.celery_into_workflow import CeleryCallersPlugin
from twinsaga_bridges.workflow_into_celery import CeleryTasksPlugin, TaskClaims
from workflows.process_video import ProcessVideo


@contextmanager
def estate_plugins(settings: Settings) -> Iterator[Sequence[Plugin]]:
    app = celery_app(settings)
    own = SimplePlugin("EstatePlugin", workflows=[ProcessVideo])
    try:
        yield [own, CeleryCallersPlugin(app), CeleryTasksPlugin(app, TaskClaims.at(settings.own_redis_url))]
    finally:
        app.close()
