"""The networks of ``training_step.py`` in plain PyTorch, for comparison: same layers, same number of weights.

Each has ``step(batch)``: one update with Adam, as a tutorial writes it.
"""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import nn
from torch.nn import functional


class Trained:
    """Networks with Adam over all their weights."""

    def __init__(self, **parts: nn.Module) -> None:
        self.parts = nn.ModuleDict(parts)
        self.optimizer = torch.optim.Adam(self.parts.parameters(), lr=1e-3)

    @property
    def size(self) -> int:
        return sum(each.numel() for each in self.parts.parameters())

    def step(self, batch: Any) -> Any:
        self.optimizer.zero_grad()
        loss = self.loss(batch)
        loss.backward()
        self.optimizer.step()
        return loss


class VAE(Trained):
    """The encoder gives mean and log-variance side by side; pixels are Bernoulli, in nats per image."""

    def loss(self, x: Any) -> Any:
        mean, log_variance = self.parts["encoder"](x).chunk(2, dim=1)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        logits = self.parts["decoder"](z).reshape(x.shape)  # (n, pixels) -> (n, c, h, w)
        nats = functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum()
        return (nats + kl) / len(x)


class GAN(Trained):
    """The usual two passes: the discriminator moves, then the generator against it. Penalty on a quarter."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module) -> None:
        super().__init__(generator=generator, discriminator=discriminator)
        self.optimizers = [
            torch.optim.Adam(part.parameters(), lr=1e-3, betas=(0.0, 0.999))
            for part in (discriminator, generator)
        ]

    def step(self, real: Any) -> Any:
        generator, discriminator = self.parts["generator"], self.parts["discriminator"]
        fake = generator(torch.randn(len(real), 32))
        cut_off, some = fake.detach(), slice(len(real) // 4)
        logits = discriminator(torch.cat([real, cut_off]))
        of_real, of_fake = logits[: len(real)], logits[len(real) :]
        mix = torch.rand(len(real) // 4, 1, 1, 1)
        between = (mix * real[some] + (1 - mix) * cut_off[some]).requires_grad_()
        (slope,) = torch.autograd.grad(discriminator(between).sum(), between, create_graph=True)
        penalty = ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
        loss = functional.softplus(-of_real).mean() + functional.softplus(of_fake).mean() + penalty
        self._move(0, loss)
        fake = generator(torch.randn(len(real), 32))
        self._move(1, functional.softplus(-discriminator(fake)).mean())
        return loss

    def _move(self, player: int, loss: Any) -> None:
        self.optimizers[player].zero_grad()
        loss.backward()
        self.optimizers[player].step()


class Positions(nn.Module):
    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        self.table = nn.Parameter(0.02 * torch.randn(length, width))

    def forward(self, hidden: Any) -> Any:
        return hidden + self.table


class Transformer(Trained):
    """Mean nats per character of the next one."""

    def __init__(self, vocabulary: int, length: int = 64, width: int = 64, blocks: int = 2) -> None:
        layer = nn.TransformerEncoderLayer(
            width, 4, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        super().__init__(
            first=nn.Sequential(nn.Embedding(vocabulary, width), Positions(length, width)),
            blocks=nn.TransformerEncoder(layer, blocks, enable_nested_tensor=False),
            last=nn.Sequential(nn.LayerNorm(width), nn.Linear(width, vocabulary)),
        )
        self.mask = nn.Transformer.generate_square_subsequent_mask(length)

    def loss(self, tokens: Any) -> Any:
        hidden = self.parts["blocks"](self.parts["first"](tokens[:, :-1]), mask=self.mask, is_causal=True)
        logits = self.parts["last"](hidden)
        return functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())  # (n, t) -> (n * t,)


class ChannelNorm(nn.Module):
    """RMS normalisation over the channels of ``(n, c, h, w)``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x: Any) -> Any:
        return x * torch.rsqrt(x.pow(2).mean(dim=1, keepdim=True) + 1e-6) * self.scale


class Block(nn.Module):
    """A residual block of two convolutions; time scales and shifts the channels between them."""

    def __init__(self, channels: int, told: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([ChannelNorm(channels) for _ in range(2)])
        self.convolutions = nn.ModuleList([nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2)])
        self.told = nn.Linear(told, 2 * channels)

    def forward(self, x: Any, told: Any) -> Any:
        inner = self.convolutions[0](functional.silu(self.norms[0](x)))
        scale, shift = self.told(told)[:, :, None, None].chunk(2, dim=1)
        inner = functional.silu(self.norms[1](inner) * (1 + scale) + shift)
        return x + self.convolutions[1](inner)


class UNet(nn.Module):
    """The network of ``models.diffusion.unet`` without labels."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        widths, told = (width, 2 * width, 3 * width), 4 * width
        self.time = nn.Sequential(nn.Linear(12, told), nn.SiLU(), nn.Linear(told, told), nn.SiLU())
        self.first = nn.Conv2d(1, width, 3, padding=1)
        self.down = nn.ModuleList(
            nn.Conv2d(fine, coarse, 3, stride=2, padding=1) for fine, coarse in itertools.pairwise(widths)
        )
        self.blocks = nn.ModuleList(Block(each, told) for each in (*widths, *widths[::-1]))
        self.up = nn.ModuleList(
            nn.Conv2d(3 * width - place * width, 4 * (2 - place) * width, 1) for place in (0, 1)
        )
        self.last = nn.Sequential(ChannelNorm(width), nn.SiLU(), nn.Conv2d(width, 1, 3, padding=1))

    def forward(self, x: Any, time: Any) -> Any:
        angles = time * torch.pi * 2.0 ** torch.arange(6)
        told = self.time(torch.cat([angles.sin(), angles.cos()], dim=1))
        x, passed = self.first(x), []
        for place, block in enumerate(self.blocks[:3]):
            x = block(x if place == 0 else self.down[place - 1](x), told)
            passed.append(x)
        x = self.blocks[3](x, told)
        for up, skip, block in zip(self.up, passed[1::-1], self.blocks[4:], strict=True):
            x = block(functional.pixel_shuffle(up(x), 2) + skip, told)
        return self.last(x)


class Diffusion(Trained):
    """Flow matching: the mean squared error of the velocity on a straight path."""

    def loss(self, x: Any) -> Any:
        clean, noise, time = 2 * x - 1, torch.randn_like(x), torch.rand(len(x), 1)
        share = time[:, :, None, None]
        predicted = self.parts["network"]((1 - share) * clean + share * noise, time)
        return functional.mse_loss(predicted, noise - clean)


def build(name: str, vocabulary: int) -> Trained:
    if name == "diffusion":
        return Diffusion(network=UNet())
    if name == "dense VAE":
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 400), nn.GELU(), nn.Linear(400, 40))
        return VAE(encoder=encoder, decoder=nn.Sequential(nn.Linear(20, 400), nn.GELU(), nn.Linear(400, 784)))
    if name == "convolutional VAE":
        encoder = [nn.Conv2d(1, 32, 4, stride=4), nn.GELU(), nn.Flatten(), nn.Linear(7 * 7 * 32, 256)]
        decoder = [nn.Linear(20, 256), nn.GELU(), nn.Linear(256, 7 * 7 * 32), nn.GELU()]
        decoder += [nn.Unflatten(1, (32, 7, 7)), nn.Conv2d(32, 32, 3, padding=1), nn.GELU()]
        decoder += [nn.Conv2d(32, 16, 3, padding=1), nn.PixelShuffle(4)]
        return VAE(
            encoder=nn.Sequential(*encoder, nn.GELU(), nn.Linear(256, 40)), decoder=nn.Sequential(*decoder)
        )
    if name == "GAN":
        generator = [nn.Linear(32, 7 * 7 * 32, bias=False), nn.BatchNorm1d(7 * 7 * 32), nn.ReLU()]
        generator += [nn.Unflatten(1, (32, 7, 7)), nn.Conv2d(32, 64, 3, padding=1, bias=False)]
        generator += [nn.PixelShuffle(2), nn.BatchNorm2d(16), nn.ReLU()]
        generator += [nn.Conv2d(16, 4, 3, padding=1), nn.PixelShuffle(2), nn.Sigmoid()]
        discriminator = [nn.Conv2d(1, 16, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        discriminator += [nn.Conv2d(16, 32, 4, stride=2, padding=1), nn.LeakyReLU(0.2), nn.Flatten()]
        discriminator += [nn.Linear(7 * 7 * 32, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1)]
        return GAN(nn.Sequential(*generator), nn.Sequential(*discriminator))
    return Transformer(vocabulary)
