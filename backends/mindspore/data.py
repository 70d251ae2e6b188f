"""Data: arrays in, batches out, in MindSpore."""

import numpy as np
from mindspore import Tensor, ops

#: The magic number of IDX files of grey pictures.
GREY = 2051


def to_tensor(array, device):
    """Hand an array to the framework, dtype and shape unchanged.

    Differs: a copy, because a Tensor may keep using NumPy's memory, and
    contiguous: a Parameter set to a view may never be updated.

    See: https://www.mindspore.cn/docs/en/master/api_python/mindspore/mindspore.Tensor.html
    """
    return Tensor(np.array(array, order="C"))


def to_array(tensor):
    """Fetch a tensor as a contiguous NumPy array."""
    return np.array(tensor.asnumpy(), order="C")


def place(images, labels, dtype, device):
    """Make a data set resident: float32(pixel) / float32(255), then dtype.

    Args:
        images: (N, features), uint8 pixels, or numbers that are ready to use.
        labels: (N,) classes, or (N, 1) targets.
        dtype: what `take` hands out, "float32" or "float64".
        device: "cpu".

    Returns:
        data, for `take`.

    Differs: class labels are int32, as its losses document. The images are
    held as floats: to divide bytes in every step takes two more operations,
    which made a compiled step a quarter slower, six in a row four fifths.
    NumPy divides; Tensors of this size would add to a pool that only grows.
    """
    if images.dtype == np.uint8:
        images = np.divide(images, np.float32(255), dtype=np.float32)
        images = images.astype(dtype, copy=False)
        return Tensor(images), to_tensor(labels.astype(np.int32), device)
    return to_tensor(images, device), to_tensor(labels, device)


def take(data, index):
    """Gather one batch.

    Args:
        data: from `place`.
        index: (n,) positions.

    Returns:
        images (n, features) in the run's dtype, labels (n,) or (n, 1).

    See: https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.gather.html
    """
    images, labels = data
    return ops.gather(images, index, 0), ops.gather(labels, index, 0)


def loader(folder, dtype, device, batch_size, workers):
    """Read batches with mindspore.dataset's own data set and transforms.

    Args:
        folder: holds FashionMNIST/raw with the four IDX files, unpacked.
        dtype: "float32" or "float64".
        device: "cpu".
        batch_size: examples in a batch.
        workers: threads that transform; 0 counts as 1.

    Returns:
        batches(order) -> iterator of images (n, features), labels (n,).

    Differs: Normalize divides by 255 exactly; the usual Rescale and ToTensor
    multiply by 1/255 and differ on 126 of the 256 values. FashionMnistDataset
    refuses pictures that are not 28 x 28, or in colour; NumpySlicesDataset
    serves those.

    See: https://www.mindspore.cn/docs/en/master/api_python/mindspore.dataset.html
    """
    from mindspore.dataset import vision

    from mindspore import dataset

    class Order(dataset.Sampler):
        """A sampler that hands out the order it was last given."""

        def __iter__(self):
            return iter(self.order)

    order_of_epoch = Order()
    order_of_epoch.order = [0]
    images = train_images(folder, order_of_epoch, max(1, workers))
    images = images.map(
        vision.Normalize([0.0], [255.0], is_hwc=True),
        input_columns="image",
        num_parallel_workers=max(1, workers),
    )
    images = images.batch(batch_size, drop_remainder=False)

    def batches(order):
        order_of_epoch.order = order.tolist()
        order_of_epoch.num_samples = len(order)
        iterator = images.create_tuple_iterator(
            num_epochs=1, output_numpy=True
        )
        for pixels, labels in iterator:
            pixels = pixels.reshape(len(pixels), -1).astype(dtype)
            yield Tensor(pixels), Tensor(labels.reshape(-1).astype(np.int32))

    return batches


def train_images(folder, sampler, workers):
    """The training pictures as a data set of (image, label)."""
    from mindspore import dataset

    raw = f"{folder}/FashionMNIST/raw"
    header = np.fromfile(f"{raw}/train-images-idx3-ubyte", ">i4", count=5)
    grey, rows, columns = header[0] == GREY, int(header[2]), int(header[3])
    if grey and (rows, columns) == (28, 28):
        return dataset.FashionMnistDataset(
            raw, usage="train", sampler=sampler, num_parallel_workers=workers
        )
    pixels = np.fromfile(f"{raw}/train-images-idx3-ubyte", np.uint8)
    labels = np.fromfile(f"{raw}/train-labels-idx1-ubyte", np.uint8)
    images = pixels[16 if grey else 20 :].reshape(
        len(labels) - 8, rows, columns, -1
    )
    examples = images, labels[8:]
    return dataset.NumpySlicesDataset(
        examples, ["image", "label"], sampler=sampler, num_parallel_workers=1
    )
