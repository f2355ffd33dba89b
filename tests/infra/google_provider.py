"""A stand-in for the Google provider of Terraform, so that Terraform itself can validate, plan and apply.

It speaks Terraform's plugin protocol (version 5, documented in Terraform's repository) and takes what the
committed schema says that the real provider takes. Nothing is made anywhere: what would be computed gets a
made-up value. Terraform attaches to a provider that runs already where TF_REATTACH_PROVIDERS names it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

import grpc
import msgspec

from scripts.terraform_checks.schema import Block, Schema, load_schema
from tests.infra.wire import decode, encode

UNKNOWN: Final = msgspec.msgpack.Ext(0, b"\x00")
"""What Terraform calls known after apply."""

_LIST: Final = 2  # of the ways in which blocks nest
_TYPES: Final[Mapping[str, Any]] = {"boolean": "bool", "string": "string", "number": "number"}
_PROVIDER: Final = {
    "project": "string",
    "region": "string",
    "billing_project": "string",
    "user_project_override": "boolean",
    "default_labels": "map(string)",
}


class GoogleProvider:
    """Answers what Terraform asks a provider; `applied` counts what it was told to make, by type."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self.made: list[tuple[str, Mapping[str, Any]]] = []
        self.removed: list[tuple[str, Mapping[str, Any]]] = []

    def methods(self) -> Mapping[str, Callable[[bytes], bytes]]:
        """What it answers, by the method's name."""
        return {
            "GetSchema": self._get_schema,
            "PrepareProviderConfig": lambda request: encode({1: _first(request, 1)}),
            "ValidateResourceTypeConfig": lambda _: b"",
            "Configure": lambda _: b"",
            "UpgradeResourceState": self._upgrade,
            "ReadResource": lambda request: encode({1: _first(request, 2)}),
            "PlanResourceChange": self._plan,
            "ApplyResourceChange": self._apply,
            "Stop": lambda _: b"",
        }

    def _get_schema(self, _: bytes) -> bytes:
        provider = [_attribute(name, kind) for name, kind in _PROVIDER.items()]
        resources = [
            encode({1: name, 2: encode({2: _block(block)})}) for name, block in self._schema.resources.items()
        ]
        return encode({1: encode({2: encode({2: provider})}), 2: resources})

    def _upgrade(self, request: bytes) -> bytes:
        state = json.loads(_first(_first(request, 3), 1))
        return encode({1: _dynamic(state)})

    def _plan(self, request: bytes) -> bytes:
        kind = _first(request, 1).decode()
        planned = _value(_first(request, 3))
        if planned is not None:
            for name in self._schema.resources[kind].computed:
                if planned.get(name) is None:
                    planned[name] = UNKNOWN
        # The "legacy type system" is the one of the kit that the real provider is made with.
        return encode({1: _dynamic(planned), 5: True})

    def _apply(self, request: bytes) -> bytes:
        kind = _first(request, 1).decode()
        before, planned = _value(_first(request, 2)), _value(_first(request, 3))
        if planned is None and _protected(kind, before):
            problem = encode({1: 1, 2: f"{kind} {_name(before)} is protected"})
            return encode({1: _dynamic(before), 3: [problem], 4: True})
        if planned is None:
            self.removed.append((kind, before))
            return encode({1: _dynamic(None)})
        for name, type_ in self._schema.resources[kind].computed.items():
            if planned.get(name) == UNKNOWN:
                planned[name] = 123456789 if type_ == "number" else _made_up(kind, name, planned)
        self.made.append((kind, planned))
        return encode({1: _dynamic(planned), 4: True})


@contextmanager
def google_provider() -> Iterator[tuple[GoogleProvider, Mapping[str, str]]]:
    """The provider, listening, and the environment in which Terraform finds it."""
    provider = GoogleProvider(load_schema())
    server = grpc.server(ThreadPoolExecutor(8))
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(lambda request, _, answer=answer: answer(request))
        for name, answer in provider.methods().items()
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("tfplugin5.Provider", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    attach = {
        "Protocol": "grpc",
        "ProtocolVersion": 5,
        "Pid": os.getpid(),
        "Test": True,
        "Addr": {"Network": "tcp", "String": f"127.0.0.1:{port}"},
    }
    try:
        yield provider, {"TF_REATTACH_PROVIDERS": json.dumps({"hashicorp/google": attach})}
    finally:
        server.stop(None).wait()


def _protected(kind: str, resource: Mapping[str, Any]) -> bool:
    """Whether the real provider would refuse to remove it, were there anything in it."""
    match kind:
        case "google_storage_bucket":
            return not resource["force_destroy"]
        case "google_bigquery_dataset":
            return not resource["delete_contents_on_destroy"]
    return bool(resource.get("deletion_protection"))


def _name(resource: Mapping[str, Any]) -> str:
    return next(str(resource[key]) for key in ("dataset_id", "secret_id", "name") if resource.get(key))


def _made_up(kind: str, name: str, planned: Mapping[str, Any]) -> str:
    names = (planned.get(key) for key in ("account_id", "secret_id", "name", "repository_id"))
    own = next((one for one in names if isinstance(one, str)), kind)
    match kind, name:
        case "google_service_account", "email":
            return f"{own}@acme-data.iam.gserviceaccount.com"
        case "google_service_account", "member":
            return f"serviceAccount:{own}@acme-data.iam.gserviceaccount.com"
        case "google_cloud_run_v2_service", "uri":
            return f"https://{own}-abc-ew.a.run.app"
        case _, "version":
            return "1"
    return f"{kind}/{own}/{name}"


def _block(block: Block) -> bytes:
    attributes = [
        *(_attribute(name, one.type, required=one.required) for name, one in block.arguments.items()),
        *(_attribute(name, kind, computed=True) for name, kind in block.computed.items()),
    ]
    nested = [
        encode({1: name, 2: _block(one), 3: _LIST, 4: int(one.required), 5: 0 if one.many else 1})
        for name, one in block.blocks.items()
    ]
    return encode({2: attributes, 3: nested})


def _attribute(name: str, kind: str, *, required: bool = False, computed: bool = False) -> bytes:
    outer, _, inner = kind.rstrip(")").partition("(")
    type_ = [outer, _TYPES[inner]] if inner else _TYPES[outer]
    return encode({1: name, 2: json.dumps(type_), 4: required, 5: not required and not computed, 6: computed})


def _first(message: bytes, number: int) -> bytes:
    value = decode(message).get(number, [b""])[0]
    assert isinstance(value, bytes)
    return value


def _value(dynamic: bytes) -> Any:
    return msgspec.msgpack.decode(_first(dynamic, 1))


def _dynamic(value: Any) -> bytes:
    return encode({1: msgspec.msgpack.encode(value)})
