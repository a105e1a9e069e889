"""Asks a namespace which search attributes it has."""

from datetime import timedelta

from temporalio.api.common.v1 import SearchAttributes
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import Client

_DEADLINE = timedelta(seconds=10)


async def missing_attributes(client: Client, wanted: SearchAttributes) -> list[str]:
    """Return name and type of those that the namespace lacks, or has with another type.

    Raises RPCError: the server does not answer, or does not allow to list them.
    """
    request = ListSearchAttributesRequest(namespace=client.namespace)
    found = await client.operator_service.list_search_attributes(request, timeout=_DEADLINE)
    present = {
        name: IndexedValueType.Name(kind).removeprefix("INDEXED_VALUE_TYPE_").replace("_", "")
        for name, kind in [*found.system_attributes.items(), *found.custom_attributes.items()]
    }
    types = {name: payload.metadata["type"].decode() for name, payload in wanted.indexed_fields.items()}
    return [f"{name} ({kind})" for name, kind in types.items() if present.get(name) != kind.upper()]
