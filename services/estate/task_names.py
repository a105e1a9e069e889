"""The names by which callers send the tasks. `twinsaga.send_email` is in `services.estate.mails`."""

PROCESS_VIDEO = "twinsaga.process_video"
PLACE_ORDER = "twinsaga.place_order"
HAND_OVER_TASKS = "twinsaga.hand_over_tasks"
CLEAN_UP = "twinsaga.clean_up"
FORGET_WHAT_IS_OLD = "twinsaga.forget_what_is_old"

VIDEO_RETRIES = 3
