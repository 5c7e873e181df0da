"""Readers of tables, arrays, lines and images: right values from good files, one clear error from bad ones."""

import gzip
import io
import json

import numpy as np
import pytest

import corten
from corten import data
from corten.data import CSVStream, DataLoader, Lines, Table, TableDataset, iter_csv, read_csv

pyarrow = pytest.importorskip("pyarrow")

CSV = (
    b'hour,temp,season,day,open\r\n8,0.5,spring,2011-01-01,true\r\n17,,"wet, cold",2011-01-02,false\r\n,1.5,,,true\r\n'
)


def write(path, content):
    path.write_bytes(content)
    return path


def check(table):
    np.testing.assert_array_equal(table["hour"], [8, 17, np.nan])
    np.testing.assert_array_equal(table["temp"], [0.5, np.nan, 1.5])
    assert table["season"].tolist() == ["spring", "wet, cold", None]
    assert str(table["day"][1])[:10] == "2011-01-02" and np.isnat(table["day"][2])
    assert table["open"].tolist() == [True, False, True]
    assert table.names == ("hour", "temp", "season", "day", "open") and len(table) == 3


def test_types_missing_values_and_quotes(tmp_path):
    check(read_csv(write(tmp_path / "x.csv", CSV)))
    check(read_csv(write(tmp_path / "bom.csv", b"\xef\xbb\xbf" + CSV)))
    check(read_csv(write(tmp_path / "x.csv.gz", gzip.compress(CSV))))
    check(read_csv(io.BytesIO(CSV)))
    tabs = b"a\tb\n1\t?\n2\t3\n"
    table = data.read(write(tmp_path / "x.tsv", tabs), missing=["?"])
    np.testing.assert_array_equal(table["b"], [np.nan, 3])
    header = read_csv(write(tmp_path / "h.csv", b'"a, b","c ""d"""\n1,2\n'))
    assert header.names == ("a, b", 'c "d"') and header["a, b"].tolist() == [1]
    quoted = read_csv(write(tmp_path / "q.csv", b'a,b\n1,"two\nlines, ""quoted"""\n2,x\n'))
    assert quoted["b"].tolist() == ['two\nlines, "quoted"', "x"]


def test_choice_of_columns_types_and_names(tmp_path):
    path = write(tmp_path / "x.csv", b"1,2,x\n3,4,y\n")
    table = read_csv(path, names=["a", "b", "c"], columns=["c", "a"], dtypes={"a": "float32"})
    assert table.names == ("c", "a") and table["a"].dtype == np.float32
    assert read_csv(path, names="abc", dtypes={"b": "category"})["b"].tolist() == ["2", "4"]
    assert table.tensor(["a"]).tolist() == [[1], [3]]


def test_a_file_through_fsspec():
    fsspec = pytest.importorskip("fsspec")
    with fsspec.open("memory://folder/x.csv", "wb") as file:
        file.write(CSV)
    check(read_csv("memory://folder/x.csv"))
    assert sum(len(t) for t in iter_csv("memory://folder/x.csv")) == 3
    with fsspec.open("memory://folder/x.jsonl", "wb") as file:
        file.write(b'{"a": 1}\n')
    assert data.read("memory://folder/x.jsonl") == [{"a": 1}]
    with pytest.raises(FileNotFoundError):
        read_csv("memory://folder/absent.csv")
    with pytest.raises(OSError, match="nonsense"):
        read_csv("nonsense://x.csv")


@pytest.mark.parametrize(
    "content, options, what",
    [
        (b"", {}, "empty"),
        (b"a,b\n1,2\n3\n", {}, "line 3 has 1 fields, expected 2"),
        (b"a,b\n1,2,3\n", {}, "line 2 has 3 fields, expected 2"),
        (b"a,b\n1,x\n", dict(dtypes={"b": "float"}), "line 2, column 'b': 'x' is not of type float"),
        (b"a,b\n1,2\n", dict(columns=["c"]), "lacks the column 'c'"),
        (b"a,a\n1,2\n", {}, "'a' comes twice"),
        (b"a,b\n1,2\n", dict(dtypes={"a": "complex"}), "dtype 'complex'"),
        (b"a,b\n1,2\n", dict(delimiter=";;"), "one character"),
        (b"a\n\xff\xfe\n", {}, "x.csv: column 'a' is not UTF-8 text"),
    ],
    ids=str,
)
def test_bad_csv(tmp_path, content, options, what):
    path = write(tmp_path / "x.csv", content)
    with pytest.raises(ValueError, match=what):
        read_csv(path, **options)


def test_no_rows_is_a_table(tmp_path):
    table = read_csv(write(tmp_path / "x.csv", b"a,b\n"))
    assert len(table) == 0 and table.names == ("a", "b") and tuple(table.tensor().shape) == (0, 2)


def test_chunks_are_the_whole(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5000, 3))
    text = "a,b,c\n" + "\n".join(",".join(map(repr, row)) for row in x.tolist())
    path = write(tmp_path / "x.csv", text.encode())
    chunks = list(iter_csv(path, chunk_bytes=20_000))
    assert len(chunks) > 5
    np.testing.assert_array_equal(np.concatenate([c["b"] for c in chunks]), x[:, 1])
    np.testing.assert_array_equal(read_csv(path)["c"], x[:, 2])
    np.testing.assert_allclose(read_csv(path).tensor(["c", "a"]).numpy(), x[:, [2, 0]].astype(np.float32))
    stream = CSVStream(path, columns=["a"], chunk_bytes=20_000)
    for workers in (0, 2):
        rows = [v for batch in DataLoader(stream, 100, num_workers=workers) for v in batch["a"].tolist()]
        assert sorted(rows) == sorted(x[:, 0].tolist())
    with pytest.raises(ValueError, match="lacks the column 'z'"):
        list(iter_csv(path, columns=["z"]))
    with pytest.raises(ValueError, match="expected 3"):
        list(iter_csv(write(tmp_path / "y.csv", text.encode() + b"\n1,2\n"), chunk_bytes=20_000))


@pytest.mark.parametrize("seed", range(4))
def test_damaged_csv_is_a_value_error_or_a_table(tmp_path, seed):
    rng = np.random.default_rng(seed)
    for _ in range(60):
        content = bytearray(CSV)
        for _ in range(rng.integers(1, 6)):
            content[rng.integers(len(content))] = rng.integers(256)
        path = write(tmp_path / "x.csv", bytes(content[: rng.integers(1, len(content) + 1)]))
        try:
            table = read_csv(path)
            assert isinstance(table, Table) and all(len(table[n]) == len(table) for n in table.names)
        except ValueError as error:
            assert "[" in str(error)


def test_tables():
    table = Table({"x": [1, 2, 3], "k": ["b", None, "b"]})
    assert table[1] == {"x": 2, "k": None} and table[[2, 0]]["x"].tolist() == [3, 1]
    assert table[table["x"] > 1]["k"].tolist() == [None, "b"] and [r["x"] for r in table] == [1, 2, 3]
    assert "3 rows" in repr(table)
    dataset = TableDataset(table, ["x"], "k")
    assert dataset.classes == ("b",) and dataset[0][1].item() == 0 and len(dataset) == 3
    with pytest.raises(ValueError, match="lacks the column 'z'; it has x, k"):
        table["z"]
    with pytest.raises(ValueError, match="'k' holds text, expected numbers: row 0 is 'b'"):
        table.tensor()
    with pytest.raises(ValueError, match="lengths"):
        Table({"a": [1], "b": [1, 2]})
    with pytest.raises(IndexError):
        table[3]


def test_npy_and_npz(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(6, dtype=">f4").reshape(2, 3).T)
    assert data.read(tmp_path / "x.npy").tolist() == [[0, 3], [1, 4], [2, 5]]
    np.savez(tmp_path / "x.npz", a=np.arange(3), b=np.ones(2))
    assert set(data.read(tmp_path / "x.npz")) == {"a", "b"}
    assert data.read_npy(tmp_path / "x.npz", names=["a"])["a"].dtype == corten.int64
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object))
    for name, what in (("o.npy", "pickle|allow"), ("bad.npy", "bad"), ("bad.npz", "bad")):
        if name.startswith("bad"):
            write(tmp_path / name, (tmp_path / name.replace("bad", "x")).read_bytes()[:-30])
        with pytest.raises(ValueError, match=what):
            data.read(tmp_path / name)
    with pytest.raises(ValueError, match="no array 'z'"):
        data.read_npy(tmp_path / "x.npz", names=["z"])


def test_lines_and_jsonl(tmp_path):
    path = write(tmp_path / "x.txt", "\ufeffgrün\r\n\nlast".encode())
    assert data.read(path) == ["grün", "", "last"]
    values = [{"a": i} for i in range(7)]
    path = write(tmp_path / "x.jsonl", "\n".join(map(json.dumps, values)).encode() + b"\n\n")
    assert data.read(path) == values
    got = [v for b in DataLoader(Lines(path), 3, num_workers=2, collate_fn=list) for v in b]
    assert sorted(v["a"] for v in got) == list(range(7))
    with pytest.raises(ValueError, match="line 2 is not JSON"):
        data.read(write(tmp_path / "y.jsonl", b"{}\n{\n"))
    with pytest.raises(ValueError, match="line 1 is not utf-8"):
        data.read(write(tmp_path / "y.txt", b"\xff\xfe\n"))
    with pytest.raises(ValueError, match=r"suffix '.doc' is not known"):
        data.read("x.doc")


def test_parquet(tmp_path):
    import pyarrow.parquet as parquet

    parquet.write_table(pyarrow.table({"a": [1, None, 3], "s": ["x", "y", None]}), tmp_path / "x.parquet")
    table = data.read(tmp_path / "x.parquet")
    np.testing.assert_array_equal(table["a"], [1, np.nan, 3])
    assert table["s"].tolist() == ["x", "y", None]
    assert data.read_parquet(tmp_path / "x.parquet", columns=["a"]).names == ("a",)
    with pytest.raises(ValueError, match="z"):
        data.read_parquet(tmp_path / "x.parquet", columns=["z"])
    with pytest.raises(ValueError, match=r"y\.parquet"):
        data.read(write(tmp_path / "y.parquet", (tmp_path / "x.parquet").read_bytes()[:50]))


def test_another_format(tmp_path):
    data.register_format("pairs", [".pairs"], lambda path: path.name)
    assert data.read(tmp_path / "x.pairs") == "x.pairs"
    with pytest.raises(ValueError, match="a dot and lower case"):
        data.register_format("x", ["PNG"], print)


def test_numbers_as_python_reads_them(tmp_path):
    """Every way to write a number, against float(): the last bit too."""
    rng = np.random.default_rng(0)
    texts = [repr(float(v)) for v in rng.normal(size=900) * 10.0 ** rng.integers(-300, 300, 900)]
    texts += [f"{v:.{p}f}" for v, p in zip(rng.normal(size=900) * 1e3, rng.integers(0, 25, 900), strict=True)]
    texts += [f"{v:.17e}" for v in rng.normal(size=500)] + [f"{v}" for v in rng.integers(-(10**15), 10**15, 500)]
    texts += ["1e308", "-2e-308", "5e-324", "1e400", "0.1", "-0.0", "+7", ".5", "6.", "1E5", "9007199254740993", "0" * 30 + "1.5",
              "123456789012345678901234567890", "1." + "0" * 40 + "1"]  # fmt: skip
    order = rng.permutation(len(texts))
    path = write(tmp_path / "x.csv", b"a,b\n" + b"".join(f"{texts[i]},{texts[i]}\r\n".encode() for i in order))
    table = read_csv(path, dtypes={"b": "float"})
    expected = np.array([float(texts[i]) for i in order])
    np.testing.assert_array_equal(table["b"], expected)
    np.testing.assert_array_equal(np.signbit(table["b"]), np.signbit(expected))


def test_long_ints_keep_their_digits(tmp_path):
    values = [2**53 + 1, -(2**62), 7]
    path = write(tmp_path / "x.csv", ("id\n" + "\n".join(map(str, values))).encode())
    assert read_csv(path)["id"].tolist() == values and read_csv(path, dtypes={"id": "int"})["id"].tolist() == values


def test_any_number_of_threads_and_chunks_read_the_same(tmp_path):
    from corten.data import _csv

    rows = np.random.default_rng(0).normal(size=(3000, 4))
    content = "\n".join(
        ",".join(map(repr, row)) + ("\n" if i % 7 == 0 else "") for i, row in enumerate(rows.tolist())
    ).encode()
    before = _csv.CHUNK
    try:
        for chunk in (100, 10_000, before):
            _csv.CHUNK = chunk
            count, values, flags = _csv.parse(content, 0, bytearray([1, 0, 1, 1]), b",", [])
            assert (
                count == 3000
                and values[1] is None
                and flags.tolist() == [_csv.FRACTION, 0, _csv.FRACTION, _csv.FRACTION]
            )
            np.testing.assert_array_equal(np.stack([values[0], values[2], values[3]], 1), rows[:, [0, 2, 3]])
        _csv.CHUNK = 100
        with pytest.raises(_csv.RowLengthError) as caught:
            _csv.parse(content + b"\n1,2\n", 0, bytearray([1] * 4), b",", [])
        assert caught.value.args == (content.count(b"\n") + 1, 2)
    finally:
        _csv.CHUNK = before
