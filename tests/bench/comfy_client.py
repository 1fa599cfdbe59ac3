"""The side of `tests.bench.comfy` that runs in the client's environment, one task for a process.

`convert` lets coreml-diffusion's converter make a package. `draw` gives that and ours to its
`CoreMLUNet`, whose `MLModel` is `Interpreted`, and compares with the module.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

EMBEDDED = 256
_SEED = 7


def main(request: str) -> None:
    """Run a task, and print its answer as the last line of stdout."""
    asked = json.loads(request)
    torch.manual_seed(_SEED)
    print(json.dumps({"convert": convert, "draw": draw}[asked["task"]](asked)))


def module_of(asked: Mapping[str, Any]) -> Any:
    """Return diffusers' module with the weights."""
    from diffusers import UNet2DConditionModel
    from safetensors.torch import load_file

    folder = Path(asked["folder"])
    module = UNet2DConditionModel.from_config(json.loads((folder / "config.json").read_text()))
    state = {name: one.float() for name, one in load_file(folder / "weights.safetensors").items()}
    module.load_state_dict(state)
    return module.eval()


def convert(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    """Convert with the client's converter; return what it took, or its error."""
    from coreml_diffusion import ModelVersion
    from coreml_diffusion.convert import convert_unet

    module = module_of(asked)
    began = time.process_time()
    try:
        convert_unet(
            module,
            ModelVersion[asked["version"]],
            f"{asked['folder']}/theirs.mlpackage",
            batch_size=asked["batch"],
            sample_size=(asked["size"], asked["size"]),
            attention_implementation=asked.get("attention", "SPLIT_EINSUM"),
        )
    except Exception as error:  # noqa: BLE001  whatever it is, it is the result
        return {"error": f"{type(error).__name__}: {error}"[:200]}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"cpu": time.process_time() - began, "memory": peak}


class Interpreted:
    """What `coremltools.models.MLModel` is on macOS: it checks inputs as declared, and computes.

    Inputs must have exactly the names, shapes and types that the package declares.
    """

    def __init__(self, path: str, **_: object) -> None:
        from sdcoreml.convert.mil.interpreter import Executable
        from sdcoreml.convert.storage.joined import open_whole

        self._held = open_whole(Path(path))
        program = self._held.__enter__()
        self._declared = {
            one.name: (one.shape, one.dtype.name.lower() if one.dtype else "")
            for one in program.model.description.inputs
        }
        self._path = path
        self._run = Executable.of(program)

    def get_spec(self) -> Any:
        """Return the package's specification, as coremltools reads it."""
        import coremltools

        return coremltools.utils.load_spec(self._path)

    def predict(self, inputs: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Compute the outputs as a device with half precision does."""
        from sdcoreml.convert.mil.kinds import Mode

        given = {name: (one.shape, f"{one.dtype}") for name, one in inputs.items()}
        if given != self._declared:
            message = f"the client sends {given}, and {self._path} takes {self._declared}"
            raise ValueError(message)
        feeds = {name: torch.from_numpy(one).float() for name, one in inputs.items()}
        found = self._run.run(feeds, Mode.FP16)
        return {name: one.float().numpy() for name, one in found.items()}


class AsNoise:
    """A UNet that predicts velocity, as one that predicts noise: as our programs turn it."""

    def __init__(self, unet: Callable[..., Any], schedule: torch.Tensor) -> None:
        self._unet, self._schedule = unet, schedule
        self.config = unet.config  # type: ignore[attr-defined]

    def __call__(
        self, sample: torch.Tensor, moment: torch.Tensor, *args: Any, **more: Any
    ) -> tuple[torch.Tensor]:
        """Return the noise that the UNet's velocity means."""
        velocity = self._unet(sample, moment, *args, **more)[0].float()
        kept = self._schedule[int(moment)]
        return (kept.sqrt() * velocity + (1 - kept).sqrt() * sample,)


def draw(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    """Draw with the module, with ours and with the client's package; return figures of both.

    All are asked for the same pictures with the scheduler for noise, which is all that the nodes
    have. Of a model that predicts velocity, the client's package gets what ours does itself. What
    both are compared with is the module with the scheduler for what it predicts.
    """
    import coremltools
    from coreml_diffusion import CoreMLUNet, ModelVersion

    coremltools.models.MLModel = Interpreted
    module = module_of(asked)
    answer: dict[str, Any] = {"theirs": dict(asked["before"]), "ours": {}}
    unets: dict[str, Any] = {"module": module}
    for whose in ("ours", "theirs"):
        if "error" not in answer[whose]:
            path = f"{asked['folder']}/{whose}.mlpackage"
            unets[whose] = CoreMLUNet(path, module, ModelVersion[asked["version"]])
            answer[whose] |= {"accepted": True, "psnr": [], "step": []}
    is_noise = asked["prediction"] == "epsilon"
    schedule = scheduler_for("epsilon").alphas_cumprod
    if not is_noise and "theirs" in unets:
        unets["theirs"] = AsNoise(unets["theirs"], schedule)
    for seed in range(_SEED, _SEED + asked["seeds"]):
        wanted, step = sampled(module, asked, asked["prediction"], seed)
        if not is_noise:
            _, step = sampled(AsNoise(module, schedule), asked, "epsilon", seed)
        for whose in unets.keys() - {"module"}:
            latents, first = sampled(unets[whose], asked, "epsilon", seed)
            answer[whose]["psnr"].append(psnr(wanted, latents))
            answer[whose]["step"].append(psnr(step, first))
    return answer


def scheduler_for(predicts: str) -> Any:
    """Return a scheduler for what a UNet predicts."""
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type=predicts,
    )


def sampled(
    unet: Callable[..., Any], asked: Mapping[str, Any], predicts: str, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the latents after the sampler, and the UNet's first prediction."""
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator).half().float()

    config: Any = unet.config  # type: ignore[attr-defined]
    batch, size = asked["batch"], asked["size"]
    latents = noise(1, 4, size, size)
    states = noise(batch, 77, config.cross_attention_dim)
    more: dict[str, Any] = {}
    if asked["version"] == "SDXL":
        width = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
        side = 8.0 * size
        ids = torch.tensor([[side, side, 0, 0, side, side]] * batch)
        more["added_cond_kwargs"] = {"time_ids": ids, "text_embeds": noise(batch, width)}
    if asked["version"] == "LCM":
        more["timestep_cond"] = noise(batch, EMBEDDED)
    scheduler = scheduler_for(predicts)
    scheduler.set_timesteps(asked["steps"])
    first: torch.Tensor | None = None
    with torch.inference_mode():
        for moment in scheduler.timesteps:
            sample = torch.cat([latents] * batch).half().float()
            said = unet(sample, moment, states, **more, return_dict=False)[0].float()
            first = said if first is None else first
            if batch == 2:
                said = said[:1] + 2.0 * (said[1:] - said[:1])
            latents = scheduler.step(said, moment, latents).prev_sample
    assert first is not None
    return latents, first


def psnr(expected: torch.Tensor, found: torch.Tensor) -> float:
    """Return how near `found` is, in dB of the range of `expected`."""
    error = (expected.double() - found.double()).square().mean().sqrt()
    span = expected.double().max() - expected.double().min()
    return float(20 * torch.log10(span / error.clamp_min(1e-30)))


if __name__ == "__main__":
    main(sys.argv[1])
