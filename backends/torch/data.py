"""Data: arrays in, batches out, in PyTorch."""

import numpy as np
import torch

#: The magic number of IDX files of grey pictures.
GREY = 2051

#: What a run's dtype is here: TF32 rounds what enters a product, and no more.
DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.bfloat16,
    "tfloat32": torch.float32,
}


def to_tensor(array, device):
    """Hand an array to the framework, dtype and shape unchanged.

    See: https://docs.pytorch.org/docs/stable/generated/torch.tensor.html
    """
    return torch.tensor(np.array(array, order="C"), device=device)


def to_array(tensor):
    """Fetch a tensor as a contiguous NumPy array; NumPy has no bfloat16."""
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    return np.array(tensor.detach().cpu(), order="C")


def to_dtype(tensor, dtype):
    """Round real numbers to the run's dtype; classes and positions stay.

    See: https://docs.pytorch.org/docs/stable/tensor_attributes.html
    """
    return tensor.to(DTYPES[dtype]) if tensor.is_floating_point() else tensor


def place(images, labels, dtype, device):
    """Make a data set resident: float32(pixel) / float32(255), then dtype.

    Args:
        images: (N, features), uint8 pixels, or numbers that are ready to use.
        labels: (N,) classes, or (N, 1) targets.
        dtype: what `take` hands out.
        device: "cpu" or "cuda".

    Returns:
        data, for `take`.

    Differs: class labels must be int64. In a float32 run on a CPU bytes stay
    bytes, a quarter to read, and `take` divides them; a GPU would multiply
    with the inverse of a number (read in ATen, not run).
    """
    if images.dtype == np.uint8:
        if dtype != "float32" or device != "cpu":
            images = np.divide(images, np.float32(255), dtype=np.float32)
        labels = labels.astype(np.int64)
    images, labels = to_tensor(images, device), to_tensor(labels, device)
    return to_dtype(images, dtype), to_dtype(labels, dtype)


def take(data, index):
    """Gather one batch.

    Args:
        data: from `place`.
        index: (n,) positions.

    Returns:
        images (n, features) in the run's dtype, labels (n,) or (n, 1).

    Differs: `images[index]` copies the same rows three times as slowly on a
    CPU (2.14.1; 124 against 36 µs for 256 x 784).

    See: https://docs.pytorch.org/docs/stable/generated/torch.index_select.html
    """
    images, labels = data
    images = images.index_select(0, index)
    if images.dtype == torch.uint8:
        images = images.float() / 255
    return images, labels.index_select(0, index)


def loader(folder, dtype, device, batch_size, workers):
    """Read batches with torchvision's data set and torch's DataLoader.

    Args:
        folder: holds FashionMNIST/raw with the four IDX files, unpacked.
        dtype: of the images.
        device: "cpu" or "cuda".
        batch_size: examples in a batch.
        workers: worker processes; 0 reads in this one.

    Returns:
        batches(order) -> iterator of images (n, features), labels (n,).

    Differs: ToTensor of torchvision's first transforms divides exactly;
    v2.ToDtype(scale=True) multiplies by 1/255 and differs on 126 values.

    See: https://docs.pytorch.org/docs/stable/data.html
    """
    from torch.utils.data import DataLoader

    order_of_epoch = Batches(batch_size)
    batches_of_epoch = DataLoader(
        train_images(folder),
        batch_sampler=order_of_epoch,
        num_workers=workers,
        persistent_workers=workers > 0,
    )

    def batches(order):
        order_of_epoch.order = order.tolist()
        for images, labels in batches_of_epoch:
            images = images.permute(0, 2, 3, 1).flatten(1)
            images = images.to(device, DTYPES[dtype])
            yield images, labels.to(device)

    return batches


def train_images(folder):
    """The training pictures as a data set of (image (C, H, W), label)."""
    from torchvision import datasets, transforms

    raw = f"{folder}/FashionMNIST/raw"
    header = np.fromfile(f"{raw}/train-images-idx3-ubyte", ">i4", count=5)
    if header[0] == GREY:
        return datasets.FashionMNIST(folder, transform=transforms.ToTensor())
    return Colour(raw, header[1:].tolist(), transforms.ToTensor())


class Colour(torch.utils.data.Dataset):
    """Pictures in colour: torchvision's FashionMNIST reads grey ones only."""

    def __init__(self, raw, shape, transform):
        pixels = np.fromfile(f"{raw}/train-images-idx3-ubyte", np.uint8)
        labels = np.fromfile(f"{raw}/train-labels-idx1-ubyte", np.uint8)
        self.images, self.labels = pixels[20:].reshape(shape), labels[8:]
        self.transform = transform

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.transform(self.images[index]), int(self.labels[index])


class Batches(torch.utils.data.Sampler):
    """A batch sampler that cuts the order it was last given."""

    def __init__(self, batch_size):
        self.batch_size, self.order = batch_size, []

    def __iter__(self):
        for start in range(0, len(self.order), self.batch_size):
            yield self.order[start : start + self.batch_size]

    def __len__(self):
        return -(-len(self.order) // self.batch_size)
