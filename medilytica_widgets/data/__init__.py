"""Tables: loading, column kinds, quality, splits, preprocessing and paging."""

from .builtin import BUILTIN
from .dataset import Dataset, MemoryWarning, load_dataset
from .kinds import Column
from .paging import Page, TablePager
from .preprocess import Prepared, Preprocessor, prepare
from .quality import Finding, FindingKind, Quality
from .spec import DataSpec
from .splits import Split, split
from .target import class_names, target_of

__all__ = [
    "BUILTIN",
    "Column",
    "DataSpec",
    "Dataset",
    "Finding",
    "FindingKind",
    "MemoryWarning",
    "Page",
    "Prepared",
    "Preprocessor",
    "Quality",
    "Split",
    "TablePager",
    "class_names",
    "load_dataset",
    "prepare",
    "split",
    "target_of",
]
