"""The artefact between training and inference: manifest, models and feature layout; written, read and verified."""

from __future__ import annotations

from mlaas4hep.bundle.layout_json import layout_from_json, layout_to_json
from mlaas4hep.bundle.manifest import Manifest, bundle_name, manifest_schema, now, read_manifest
from mlaas4hep.bundle.read import Bundle, load_bundle
from mlaas4hep.bundle.sections import (
    BranchColumns,
    FeatureColumns,
    FileRecord,
    Input,
    InputFile,
    LeftOut,
    Output,
    Parity,
    Provenance,
)
from mlaas4hep.bundle.write import BundleContents, check_destination, write_bundle
from mlaas4hep.frameworks.scorer import Scorer

__all__ = [
    "BranchColumns",
    "Bundle",
    "BundleContents",
    "FeatureColumns",
    "FileRecord",
    "Input",
    "InputFile",
    "LeftOut",
    "Manifest",
    "Output",
    "Parity",
    "Provenance",
    "Scorer",
    "bundle_name",
    "check_destination",
    "layout_from_json",
    "layout_to_json",
    "load_bundle",
    "manifest_schema",
    "now",
    "read_manifest",
    "write_bundle",
]
