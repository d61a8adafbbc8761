"""Image tower of OpenCLIP ViT-H/14: picture to image_embeds. Keys `conditioner.embedders.0.open_clip.model.visual.`"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib_svd.engine.config import VISION_HEAD_WIDTH, VisionConfig

MEAN = (0.48145466, 0.4578275, 0.40821073)  # of CLIP's training pictures, RGB in [0, 1]
STD = (0.26862954, 0.26130258, 0.27577711)


def prepare_input(image: Tensor, size: int = 224) -> Tensor:
    """Bring the working-size picture to what the tower takes: squashed to a square, normalised.

    The reference resizes with kornia: Gaussian blur when shrinking, then bicubic with corners aligned. Pixels of the
    tower are therefore not those of torch's own antialiased bicubic (relative rms 0.03 apart at 576x1024).

    Args:
        image: [1, 3, H, W] RGB in [-1, 1], without augmentation noise.
        size: side of the square.

    Returns:
        [1, 3, size, size] float32.
    """
    image = image.float()
    factors = (image.shape[-2] / size, image.shape[-1] / size)
    if max(factors) > 1:
        for axis, factor in zip((-2, -1), factors, strict=True):
            image = _blur(image, axis, sigma=max((factor - 1) / 2, 0.001))
    image = F.interpolate(image, (size, size), mode="bicubic", align_corners=True)
    mean, std = (torch.tensor(v, device=image.device).view(1, 3, 1, 1) for v in (MEAN, STD))
    return ((image + 1) / 2 - mean) / std


def _blur(image: Tensor, axis: int, sigma: float) -> Tensor:
    """Blur by a normalised Gaussian along one axis, reflect padding; k = int(max(4 sigma, 3)), plus one if even."""
    k = int(max(4 * sigma, 3))
    k += 1 - k % 2
    x = torch.arange(k, dtype=torch.float32, device=image.device) - k // 2
    kernel = torch.exp(-(x**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).view((1, 1, k, 1) if axis == -2 else (1, 1, 1, k)).expand(3, 1, -1, -1)
    pad = (0, 0, k // 2, k // 2) if axis == -2 else (k // 2, k // 2, 0, 0)
    return F.conv2d(F.pad(image, pad, mode="reflect"), kernel, groups=3)


class Attention(nn.Module):
    """Multi-head self-attention with a fused projection in q, k, v order; heads of width 80."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = max(1, width // VISION_HEAD_WIDTH)
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        qkv = F.linear(x, self.in_proj_weight.to(x), self.in_proj_bias.to(x))
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in qkv.chunk(3, dim=-1))
        return self.out_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(-2))


class ResidualAttentionBlock(nn.Module):
    """x += attn(ln_1 x); x += c_proj(gelu(c_fc(ln_2 x))), with the exact gelu."""

    def __init__(self, width: int, mlp_width: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = Attention(width)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, mlp_width), "c_proj": nn.Linear(mlp_width, width)})

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp["c_proj"](F.gelu(self.mlp["c_fc"](self.ln_2(x))))


class VisionTower(nn.Module):
    """A vision transformer, which gives the class token's last state, projected."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.config = config
        width, patch = config.width, config.patch_size
        self.conv1 = nn.Conv2d(3, width, patch, stride=patch, bias=False)
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.positional_embedding = nn.Parameter(torch.empty((config.image_size // patch) ** 2 + 1, width))
        self.ln_pre = nn.LayerNorm(width)
        blocks = [ResidualAttentionBlock(width, config.mlp_width) for _ in range(config.num_layers)]
        self.transformer = nn.ModuleDict({"resblocks": nn.Sequential(*blocks)})
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(torch.empty(width, config.embed_dim))

    def forward(self, x: Tensor) -> Tensor:
        """Take `prepare_input` [1, 3, size, size] in the compute dtype to image_embeds [1, 1, embed_dim], not
        normalised.
        """
        x = self.conv1(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_embedding.to(x).expand(len(x), 1, -1), x], dim=1)
        x = self.transformer["resblocks"](self.ln_pre(x + self.positional_embedding.to(x)))
        return self.ln_post(x[:, :1]) @ self.proj.to(x)
