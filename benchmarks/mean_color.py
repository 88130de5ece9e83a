"""Mean color: how well the autoencoder of Fader Networks keeps the mean color of an image, by normalization.

    python -m benchmarks.mean_color $DATA/avatars --steps 600

Trains encoder and decoder of the preset `paper` (at fewer channels and 64 px, so that the code is 4 x 4 as in the
paper) on the reconstruction loss alone, with the labels of the folders of `train`, once per normalization. Prints the
mean absolute difference between the mean colors of test images and their reconstructions, on a scale from 0 to 1, and
the mean squared error of all pixels. The networks are in evaluation mode for both.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from unpaired.networks.conditional import concat_label
from unpaired.networks.image_factory import ImageNetworkFactory
from unpaired.networks.image_settings import ImageNetworkSettings

SIZE = 64


def load(root: Path) -> tuple[Tensor, Tensor]:
    """Load the images (N, 3, 64, 64) in [-1, 1] of all folders in `root`, and their one-hot labels (N, folders)."""
    folders = sorted(path for path in root.iterdir() if path.is_dir())
    files = [(i, path) for i, folder in enumerate(folders) for path in sorted(folder.iterdir())]
    images = [np.asarray(Image.open(path).convert("RGB").resize((SIZE, SIZE)), np.float32) for _, path in files]
    labels = F.one_hot(torch.tensor([i for i, _ in files]), len(folders)).float()
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous() / 127.5 - 1, labels


def measure(norm: str, root: Path, width: int, steps: int, seed: int) -> tuple[float, float]:
    """Train one autoencoder; return the errors of the mean color (0 to 1) and of the pixels (squared, 0 to 4)."""
    (images, labels), (test_images, test_labels) = load(root / "train"), load(root / "test")
    torch.manual_seed(seed)
    settings = ImageNetworkSettings.model_validate({"width": width, "norm": norm})
    net = ImageNetworkFactory(settings, {"X": 3, "Y": 3}, SIZE)
    encoder, decoder, _ = net.conditional_autoencoder(labels.shape[1], 0.0)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=2e-4, betas=(0.5, 0.999))
    for _ in range(steps):
        indices = torch.randint(len(images), (32,))
        x = images[indices]
        loss = F.mse_loss(decoder(concat_label(encoder(x), labels[indices])), x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    encoder.eval(), decoder.eval()
    with torch.inference_mode():
        rec = decoder(concat_label(encoder(test_images), test_labels))
    color_error = (rec.mean((2, 3)) - test_images.mean((2, 3))).abs().mean() / 2
    return float(color_error), float(F.mse_loss(rec, test_images))


def main() -> None:
    """Measure the normalizations and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="folder with train/ and test/, each with a folder per label")
    parser.add_argument("--norms", default="instance,batch,group", help="normalizations to compare")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for norm in arguments.norms.split(","):
        color_error, pixel_error = measure(norm, arguments.root, arguments.width, arguments.steps, arguments.seed)
        print(f"{norm}: mean color {color_error:.4f}, pixels {pixel_error:.4f}", flush=True)


if __name__ == "__main__":
    main()
