from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID, uuid4, uuid5

from fastapi import BackgroundTasks, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from api.actions import recorded
from api.dependencies import Dependencies, Injected
from api.guarded_routes import InjectedCaller, guarded_router, only
from api.idempotency import IdempotencyKey, one_at_a_time
from api.problems import FieldError, InvalidRequest, NotFound, NotPossibleNow, ReusedKey, documented, documented_write
from api.schemas.estate import EngineName, VideoView
from api.uploads import FIELD, Upload, UploadSlots, receive_upload
from domain.ids import is_own_id
from services.access.keys import Role
from services.estate.records import Video, VideoEngine

router = guarded_router(prefix="/videos", tags=["estate"])

_VIDEOS = UUID("b0a2e8a3-0a55-5f0e-9a5d-57f0a4f0e1c7")
_MULTIPART: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "properties": {FIELD: {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}


@router.post(
    "",
    status_code=202,
    responses=documented_write(400, 409, 422, 503, 507),
    openapi_extra=_MULTIPART | only(Role.OPERATOR),
)
async def upload_video(
    request: Request,
    services: Injected,
    response: Response,
    afterwards: BackgroundTasks,
    *,
    engine: Annotated[
        EngineName, Query(description="what runs the job: a Celery task, or a workflow around it")
    ] = "celery",
    key: IdempotencyKey = None,
) -> VideoView:
    """Upload a video. The link `self` shows its progress."""
    shelf = services.videos
    video_id = str(uuid5(_VIDEOS, key) if key else uuid4())
    slots: UploadSlots = request.app.state.upload_slots
    async with one_at_a_time(services.in_flight, "videos", key):
        with slots.taken():
            place = await run_in_threadpool(shelf.place_for, f"{video_id}.{uuid4().hex}.upload")
            try:
                upload = await receive_upload(request, place)
                video = _record(video_id, VideoEngine(engine), upload)
                stored = await _take_in(services, video, place)
            finally:
                await run_in_threadpool(place.unlink, missing_ok=True)
    if stored.fingerprint != video.fingerprint:
        raise ReusedKey
    if stored == video:
        afterwards.add_task(shelf.start_promised_job, video)
    response.headers["Location"] = f"/videos/{video_id}"
    return _shown(stored, services)


@router.get("/{video_id}", responses=documented(404, 503), openapi_extra=only(Role.OPERATOR))
def show_video(video_id: str, services: Injected) -> VideoView:
    return _shown(_found(video_id, services), services)


@router.post(
    "/{video_id}/cancel", status_code=202, responses=documented_write(404, 409, 503), openapi_extra=only(Role.OPERATOR)
)
async def cancel_video(
    video_id: str, services: Injected, caller: InjectedCaller, afterwards: BackgroundTasks
) -> VideoView:
    """Stop the job. The result so far is discarded."""
    video = await run_in_threadpool(_found, video_id, services)
    async with recorded(caller, services, "cancel video", detail=video_id):
        cancelled = await run_in_threadpool(_cancelled, video, services)
    afterwards.add_task(services.videos.stop_job, video)
    return _shown(cancelled, services)


def _cancelled(video: Video, services: Dependencies) -> Video:
    if not services.videos.cancel(video):
        raise NotPossibleNow(f"the video is {_found(video.video_id, services).status}")
    return _found(video.video_id, services)


async def _take_in(services: Dependencies, video: Video, upload: Path) -> Video:
    known = await run_in_threadpool(services.videos.find, video.video_id)
    if known is not None:
        return known
    if (why := await services.videos.why_no_video(upload)) is not None:
        raise InvalidRequest(f"{FIELD}: {why}", errors=[FieldError(field=FIELD, message=why)])
    return await run_in_threadpool(_store, services, video, upload)


def _store(services: Dependencies, video: Video, upload: Path) -> Video:
    """Move the file to its place before the job is stored: a job without its file would fail."""
    upload.rename(services.videos.place_for(video.video_id))
    return services.videos.take_in(video)


def _record(video_id: str, engine: VideoEngine, upload: Upload) -> Video:
    return Video(
        video_id=video_id,
        engine=engine,
        fingerprint=f"{engine}/{upload.digest}",
        size_before=upload.size,
        created_at=datetime.now(UTC),
    )


def _found(video_id: str, services: Dependencies) -> Video:
    video = services.videos.find(video_id) if is_own_id(video_id) else None
    if video is None:
        raise NotFound(f"no video has the id {video_id}")
    return video


def _shown(video: Video, services: Dependencies) -> VideoView:
    by_workflow = video.engine is VideoEngine.TEMPORAL
    return VideoView.of(video, services.temporal_ui.workflow(f"video/{video.video_id}") if by_workflow else None)
