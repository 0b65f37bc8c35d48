"""The page of the gRPC services and messages, with the comments of the .proto files."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet

from pmmds_tests.harness.docs_site.reference.markdown import code, escaped, page, table
from pmmds_tests.harness.docs_site.staging import ROOT

PROTOS = ROOT / "pmmds_serving" / "protos"
_MESSAGE, _FIELD, _SERVICE, _METHOD = 4, 2, 6, 2  # field numbers in descriptor.proto, which locations consist of


def grpc_page() -> str:
    parts = [part for file in proto_files() for part in file_sections(file)]
    return page("gRPC messages", "the .proto files in `pmmds_serving/protos`", *parts)


def proto_files() -> list[FileDescriptorProto]:
    """The files of `pmmds_serving/protos` with their comments. Raises CalledProcessError if one is invalid."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "protos.bin"
        argv = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", "--include_source_info"]
        argv += [f"--descriptor_set_out={target}", *sorted(str(p) for p in PROTOS.rglob("*.proto"))]
        subprocess.run(argv, check=True)
        return list(FileDescriptorSet.FromString(target.read_bytes()).file)


def file_sections(file: FileDescriptorProto) -> list[str]:
    comments = {tuple(x.path): x.leading_comments.strip() for x in file.source_code_info.location}
    services = [
        f"## Service {service.name}\n\n" + methods_table(file, i, comments) for i, service in enumerate(file.service)
    ]
    messages = [message_section(m, (_MESSAGE, i), comments) for i, m in enumerate(file.message_type)]
    return [*services, *messages]


def methods_table(file: FileDescriptorProto, index: int, comments: dict[tuple[int, ...], str]) -> str:
    rows = [
        (
            code(m.name),
            code(short(m.input_type)),
            code(short(m.output_type)),
            comments.get((_SERVICE, index, _METHOD, i), ""),
        )
        for i, m in enumerate(file.service[index].method)
    ]
    return table(("method", "request", "response", "description"), rows)


def message_section(message: DescriptorProto, path: tuple[int, ...], comments: dict[tuple[int, ...], str]) -> str:
    rows = [
        (code(f.name), field_kind(f), str(f.number), comments.get((*path, _FIELD, i), ""))
        for i, f in enumerate(message.field)
    ]
    text = escaped(comments.get(path, ""))
    fields = table(("field", "type", "number", "description"), rows) if rows else "This message has no fields."
    return "\n\n".join(part for part in (f"## {message.name}", text, fields) if part)


def field_kind(field: FieldDescriptorProto) -> str:
    name = short(field.type_name) or FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
    return ("repeated " if field.label == FieldDescriptorProto.LABEL_REPEATED else "") + code(name)


def short(type_name: str) -> str:
    """The name without this package's prefix."""
    return type_name.removeprefix(".").removeprefix("pmmds.v1.")
