"""Data sets, samplers and the loader that makes batches of them."""

from . import datasets, sequences, texts
from .collate import default_collate, default_convert
from .dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from .delimited import CSVStream, iter_csv, read_csv
from .files import open_input
from .idx import read_idx, write_idx
from .images import ImageFolder, open_image, read_image
from .loader import DataLoader
from .readers import (
    Lines,
    TableDataset,
    read,
    read_jsonl,
    read_lines,
    read_npy,
    read_parquet,
    register_format,
)
from .sampler import (
    BatchSampler,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from .table import Category, Table
from .tabular import Tabular
from .workers import WorkerInfo, batch_generator, get_worker_info

__all__ = [
    "BatchSampler",
    "CSVStream",
    "Category",
    "ChainDataset",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "DistributedSampler",
    "ImageFolder",
    "IterableDataset",
    "Lines",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "StackDataset",
    "Subset",
    "SubsetRandomSampler",
    "Table",
    "TableDataset",
    "Tabular",
    "TensorDataset",
    "WeightedRandomSampler",
    "WorkerInfo",
    "batch_generator",
    "datasets",
    "default_collate",
    "default_convert",
    "get_worker_info",
    "iter_csv",
    "open_image",
    "open_input",
    "random_split",
    "read",
    "read_csv",
    "read_idx",
    "read_image",
    "read_jsonl",
    "read_lines",
    "read_npy",
    "read_parquet",
    "register_format",
    "sequences",
    "texts",
    "write_idx",
]
