"""Tables of facts that came from elsewhere, and of words that people meet, are kept whole."""

from __future__ import annotations

from types import ModuleType

import pytest

from sdcoreml.convert import cli, programs, watch, worker
from sdcoreml.convert.bundle import apps as bundle_apps
from sdcoreml.convert.bundle import contract as bundle_contract
from sdcoreml.convert.bundle import families as bundle_families
from sdcoreml.convert.certificates import architecture as certificates_architecture
from sdcoreml.convert.compile import coremldata as compile_coremldata
from sdcoreml.convert.compile import histogram as compile_histogram
from sdcoreml.convert.compile import literals as compile_literals
from sdcoreml.convert.compile import metadata as compile_metadata
from sdcoreml.convert.compile import names as compile_names
from sdcoreml.convert.drawing import letters as drawing_letters
from sdcoreml.convert.drawing import solvers as drawing_solvers
from sdcoreml.convert.hub import access as hub_access
from sdcoreml.convert.hub import elsewhere as hub_elsewhere
from sdcoreml.convert.hub import selection as hub_selection
from sdcoreml.convert.jobs import options as jobs_options
from sdcoreml.convert.jobs import upstream as jobs_upstream
from sdcoreml.convert.models import absence as models_absence
from sdcoreml.convert.models import configs as models_configs
from sdcoreml.convert.models import contents as models_contents
from sdcoreml.convert.models import family as models_family
from sdcoreml.convert.models import few_steps as models_few_steps
from sdcoreml.convert.models import files as models_files
from sdcoreml.convert.models import identify as models_identify
from sdcoreml.convert.models import layout as models_layout
from sdcoreml.convert.models import lora as models_lora
from sdcoreml.convert.models import lycoris as models_lycoris
from sdcoreml.convert.models import original_layout as models_original_layout
from sdcoreml.convert.models import prediction as models_prediction
from sdcoreml.convert.models import renames as models_renames
from sdcoreml.convert.models import schedule as models_schedule
from sdcoreml.convert.models import skeleton as models_skeleton
from sdcoreml.convert.models import tokenizer as models_tokenizer
from sdcoreml.convert.programs import config as programs_config
from sdcoreml.convert.programs import controlnet as programs_controlnet
from sdcoreml.convert.programs import options as programs_options
from sdcoreml.convert.programs import text_encoder as programs_text_encoder
from sdcoreml.convert.programs import unet_config as programs_unet_config
from sdcoreml.convert.programs import vae as programs_vae
from sdcoreml.convert.proof import audit as proof_audit
from sdcoreml.convert.sources import find as sources_find
from sdcoreml.convert.spec import blobs as spec_blobs
from sdcoreml.convert.spec import fields as spec_fields
from sdcoreml.convert.storage import elements as storage_elements
from sdcoreml.convert.weights import dtypes as weights_dtypes
from sdcoreml.convert.weights import policy as weights_policy
from sdcoreml.convert.weights import source as weights_source
from tests.golden import assert_golden, table_of

TABLES: tuple[tuple[ModuleType, tuple[str, ...]], ...] = (
    (bundle_apps, ("FAMILIES", "ADD_ONS")),
    (bundle_contract, ("NAMES", "FILES", "FIRST_MACOS", "UNREAD")),
    (bundle_families, ("OPTIONAL", "RUN")),
    (
        certificates_architecture,
        ("ALIKE", "UNET", "CONDITION", "TEXT", "VAE", "READ", "JUDGED", "LAYOUT_ONLY"),
    ),
    (cli, ("NOT_NEEDED", "SWITCHES", "UNSUPPORTED")),
    (compile_coremldata, ("FORMATS",)),
    (compile_histogram, ("IOS16", "IOS17", "IOS18")),
    (compile_literals, ("BOUNDS",)),
    (compile_metadata, ("PRECISIONS", "AVAILABILITY")),
    (compile_names, ("DTYPES", "OPSETS", "TEXT_VERSIONS")),
    (drawing_letters, ("_VIRAMAS",)),
    (drawing_solvers, ("_ADAMS_BASHFORTH",)),
    (hub_access, ("CIVITAI_TOKENS", "_OFFLINE", "_QUIET", "_TRUE")),
    (hub_elsewhere, ("_KINDS",)),
    (hub_selection, ("WITH_WEIGHTS",)),
    (jobs_options, ("COMPRESSED", "SHARED")),
    (jobs_upstream, ("FLAGS",)),
    (models_absence, ("FOREIGN", "_UNFINISHED")),
    (models_configs, ("SCHEDULERS", "PIPELINES")),
    (models_contents, ("LORA_FLAVOURS", "OTHER_FAMILIES", "ADAPTERS", "CONTROLNETS")),
    (models_family, ("STRANGERS",)),
    (models_few_steps, ("_KINDS", "METADATA", "CLASSES")),
    (models_files, ("_STATES",)),
    (models_identify, ("TRANSFORMERS", "KNOWN", "GROUPS")),
    (models_layout, ("OLD_ATTENTION",)),
    (models_lora, ("ROLES", "COMPONENTS", "ALIASES", "OTHER_KINDS")),
    (models_lycoris, ("ROLES",)),
    (models_original_layout, ("LAYOUTS",)),
    (
        models_prediction,
        ("SPELLINGS", "WORDS", "MARKS", "ARCHITECTURES", "BASES", "_OT_FORCED", "NAMES"),
    ),
    (models_renames, ("_UNET_ROWS", "_VAE_ROWS", "_CLIP_ROWS", "_OPEN_CLIP_ROWS")),
    (models_schedule, ("DEFAULTS", "OTHER_KINDS")),
    (models_skeleton, ("_UNUSUAL", "_DEFAULTS")),
    (models_tokenizer, ("PADS",)),
    (programs, ("DRAWERS",)),
    (programs_config, ("REASONS", "CREDIBLE")),
    (programs_controlnet, ("_ACCEPTED",)),
    (programs_options, ("STATED",)),
    (programs_text_encoder, ("_READ", "_GENERATION")),
    (programs_unet_config, ("READ", "_ACCEPTED")),
    (programs_vae, ("OLDER_NAMES", "SHRINKING", "_READ")),
    (proof_audit, ("PREFIXES",)),
    (sources_find, ("KINDS",)),
    (spec_blobs, ("DTYPES", "BITS")),
    (spec_fields, ("KINDS",)),
    (storage_elements, ("NUMPY", "PACKED")),
    (watch, ("BOUNDS",)),
    (weights_dtypes, ("SIZES", "FLOATS", "STORAGES", "TORCH", "NUMPY")),
    (weights_policy, ("CONSTRUCTORS", "HARMLESS_BUILTINS", "DANGEROUS")),
    (weights_source, ("MAPPINGS", "OTHERS")),
    (worker, ("_KEPT", "_OFFLINE", "_THRIFTY")),
)


@pytest.mark.parametrize(("module", "names"), TABLES, ids=lambda one: getattr(one, "__name__", ""))
def test_a_table_is_as_it_is_kept(module: ModuleType, names: tuple[str, ...]) -> None:
    name = module.__name__.removeprefix("sdcoreml.")
    assert_golden(f"table-{name}", table_of(module, *names))
