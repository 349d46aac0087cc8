"""Handwritten digits: each image is straightened once in all epochs, and recognised once.

python examples/digits.py

The digits are scikit-learn's 1,797 real ones, the network is PyTorch's textbook one, or
scikit-learn's where PyTorch is not installed. Rows are always looked up (`bypass=False`), since it
is known that they will come again.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from augury import Cache
from augury.inference import CachedModel

try:
    import torch
except ImportError:
    torch = None

Images = NDArray[np.float32]
EPOCHS = 15
Y, X = np.mgrid[:8, :8]


def straighten(images: Images) -> Images:
    """Centre each image and shear it upright, by its moments: some 50 µs for each."""
    straight = np.empty_like(images)
    for at, image in enumerate(images):
        total = image.sum()
        y, x = (Y * image).sum() / total, (X * image).sum() / total
        slant = ((Y - y) * (X - x) * image).sum() / ((Y - y) ** 2 * image).sum()
        shear = np.array([[1, 0], [slant, 1]])
        straight[at] = affine_transform(image, shear, [y, x] - shear @ [3.5, 3.5], order=1)
    return straight


def train(straight: CachedModel, images: Images, labels: NDArray[np.int64]) -> Any:
    """Return a network; every epoch asks for all images again, in another order."""
    order = np.random.default_rng(0)
    if torch is None:
        network = MLPClassifier(hidden_layer_sizes=[128], random_state=0)
    else:
        torch.set_num_threads(1)  # which is fastest for so small a network
        torch.manual_seed(0)
        network = torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10)
        )
        optimizer = torch.optim.Adam(network.parameters(), lr=0.003)
    for _ in range(EPOCHS):
        for chosen in np.array_split(order.permutation(len(images)), len(images) // 32):
            batch = straight(images[chosen])
            if torch is None:
                network.partial_fit(batch.reshape(-1, 64), labels[chosen], classes=range(10))
                continue
            outputs = network(torch.from_numpy(batch))
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(outputs, torch.from_numpy(labels[chosen])).backward()
            optimizer.step()
    return network if torch is None else network.eval()


def scores(network: Any, straight: Images) -> NDArray[Any]:
    """Return what a network, cached or not, makes of each image."""
    if torch is None:
        return np.asarray(network.predict_proba(straight.reshape(-1, 64)))
    with torch.inference_mode():
        return np.asarray(network(torch.from_numpy(straight)))


def main() -> None:
    digits = load_digits()
    images = (digits.images / 16).astype(np.float32)
    known, new, known_labels, new_labels = train_test_split(
        images, digits.target, test_size=450, random_state=0
    )
    print("network of", "scikit-learn, as PyTorch is missing" if torch is None else "PyTorch")

    straight = CachedModel(straighten, Cache(10_000), bypass=False)
    network = train(straight, known, known_labels)
    print(f"training: {straight.stats.rows:,} images asked for,", end=" ")
    print(f"{straight.stats.computed:,} straightened")

    cached = CachedModel(network, Cache(10_000), bypass=False)
    accuracy = (scores(cached, straight(new)).argmax(axis=1) == new_labels).mean()
    print(f"accuracy on {len(new)} new images: {accuracy:.2f}")

    close = True
    popular = np.random.default_rng(1).zipf(1.5, 5_000) % len(new)  # a few are asked for often
    for asked in np.array_split(new[popular], 150):
        bare = scores(network, straighten(asked))
        close &= np.allclose(bare, scores(cached, straight(asked)), rtol=0, atol=1e-4)
    print(f"serving: {cached.stats.rows:,} images recognised, {cached.stats.computed:,} computed,")
    print(f"  hit ratio {cached.stats.hit_ratio:.3f}, as without a cache: {close}")


if __name__ == "__main__":
    main()
