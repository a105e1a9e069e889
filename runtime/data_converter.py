"""What goes to Temporal is JSON by pydantic, as its own converter writes it.

Each workflow, and each payload that has a context, gets a converter of its own, and the cache of schemas is in the
converter: without one that all share, a worker spends a sixth of its time on making the same schemas again.
"""

from dataclasses import replace

from temporalio.contrib.pydantic import PydanticPayloadConverter, pydantic_data_converter
from temporalio.converter import CompositePayloadConverter

_SHARED = PydanticPayloadConverter()


class SharedPydanticPayloadConverter(CompositePayloadConverter):
    def __init__(self) -> None:
        super().__init__(*_SHARED.converters.values())


data_converter = replace(pydantic_data_converter, payload_converter_class=SharedPydanticPayloadConverter)
