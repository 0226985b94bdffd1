"""Makes the tables of this folder that are not public ones, with delta-rs (PyPI: deltalake 1.6.6, pyarrow 26.0.1).

Beside each table `name/` it writes `name.parquet`: the rows that delta-rs reads from the table's last version, in the order
of the files' paths and in one row group a file, which is the order in which Hyades reads them. The names of files are
random, so a second run gives other bytes and another order of rows.
"""

import datetime as dt
import decimal
import json
import pathlib
import random
import shutil
import struct
import time

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import ColumnProperties, DeltaTable, WriterProperties, write_deltalake

HERE = pathlib.Path(__file__).parent
NOISE = random.Random(7)
BARE = ColumnProperties(dictionary_enabled=False, statistics_enabled="NONE")
SMALL = WriterProperties(compression="ZSTD", default_column_properties=BARE)
OPTIONS = {"compression": "zstd", "use_dictionary": False, "write_statistics": False, "store_schema": False}


def write(path, columns, **more):
    write_deltalake(path, pa.table(columns), writer_properties=SMALL, **more)


def customers(first, rows):
    """Customers in three groups far apart, of the numbers from `first` on."""
    ids = range(first, first + rows)
    around = lambda centers: [round(centers[i % 3] + NOISE.random() - 0.5, 3) for i in ids]
    return {
        "customer_id": pa.array(ids, pa.int64()),
        "balance": pa.array(around([0, 100, 200]), pa.float64()),
        "visits": pa.array([(i % 3) * 10 + i % 2 for i in ids], pa.int32()),
    }


def fresh(name):
    shutil.rmtree(HERE / name, ignore_errors=True)
    return str(HERE / name)


def export(name, keep=lambda _: True):
    """The last version as delta-rs reads it; of files with deleted rows (which it does not read), the rows to `keep`."""
    table = DeltaTable(str(HERE / name))
    dataset = table.to_pyarrow_dataset()
    with pq.ParquetWriter(HERE / f"{name}.parquet", dataset.schema, **OPTIONS) as writer:
        for fragment in sorted(dataset.get_fragments(), key=lambda f: f.path):
            rows = fragment.to_table(schema=dataset.schema)
            writer.write_table(rows.filter(pa.array([keep(i) for i in rows["customer_id"].to_pylist()])))
    print(name, table.version(), len(dataset.files), "files")


def appended():
    """Two appends that an overwrite replaces, one of which still lies in the folder, and an append."""
    path = fresh("appended")
    write(path, customers(1000, 6))
    write(path, customers(2000, 6), mode="append")
    write(path, customers(3000, 9), mode="overwrite")
    write(path, customers(4000, 9), mode="append")
    export("appended")


def partitioned():
    """Partition columns of several types, with nulls and odd characters."""
    path = fresh("partitioned")
    town = ["São Paulo", "a/b=c %2F", None]
    moment = dt.datetime(2026, 3, 1, 12, 30, 0, 250_000, tzinfo=dt.timezone.utc)
    rows = customers(1000, 12) | {
        "town": pa.array([town[i % 3] for i in range(12)]),
        "day": pa.array([[dt.date(2026, 1, 31), None][i % 2] for i in range(12)]),
        "tier": pa.array([[1, -2, None][i % 3] for i in range(12)], pa.int16()),
        "limit": pa.array([[decimal.Decimal("12.50"), None, None][i % 3] for i in range(12)], pa.decimal128(10, 2)),
        "active": pa.array([i % 2 == 0 for i in range(12)]),
        "since": pa.array([[moment, None][i % 2] for i in range(12)], pa.timestamp("us", "UTC")),
    }
    write(path, rows, partition_by=["town", "day", "tier", "limit", "active", "since"])
    export("partitioned")


def evolved():
    """A column that the older file lacks, and a checkpoint before which the log is cleaned."""
    path = fresh("evolved")
    write(path, customers(1000, 6), configuration={"delta.logRetentionDuration": "interval 0 days"})
    write(path, customers(1500, 3), mode="append")
    later = customers(2000, 9) | {"score": pa.array([i * 0.5 for i in range(9)], pa.float64())}
    write(path, later, mode="append", schema_mode="merge")
    time.sleep(0.1)
    table = DeltaTable(path)
    table.create_checkpoint()
    table.cleanup_metadata()
    write(path, customers(3000, 3), mode="append", schema_mode="merge")
    export("evolved")


def with_deletions():
    """Rows deleted by vectors in the log, which delta-rs does not write: the last commit is written here by the protocol.
    The second file has two row groups, of which one is deleted whole."""
    path = fresh("deleted")
    write(path, customers(1000, 6))
    write(path, customers(2000, 12), mode="append")
    table = DeltaTable(path)
    adds = sorted(pa.table(table.get_add_actions()).to_pylist(), key=lambda a: a["num_records"])
    deleted = {6: [0, 4], 12: [0, 1, 2, 3, 4, 5, 11]}
    gone = {1000 + i for i in deleted[6]} | {2000 + i for i in deleted[12]}
    export("deleted", lambda i: i not in gone)
    two_groups = HERE / "deleted" / adds[1]["path"]
    pq.write_table(pq.ParquetFile(two_groups).read(), two_groups, row_group_size=6, **OPTIONS)
    actions = [
        {
            "protocol": {
                "minReaderVersion": 3,
                "minWriterVersion": 7,
                "readerFeatures": ["deletionVectors"],
                "writerFeatures": ["deletionVectors"],
            }
        }
    ]
    for add in adds:
        rows = deleted[add["num_records"]]
        vector = inline_vector(rows)
        file = {"path": add["path"], "partitionValues": {}, "dataChange": True}
        actions.append({"remove": file | {"deletionTimestamp": 1_780_000_000_000}})
        size = (HERE / "deleted" / add["path"]).stat().st_size
        actions.append({"add": file | {"size": size, "modificationTime": 1_780_000_000_000, "deletionVector": vector}})
    lines = "".join(json.dumps(action) + "\n" for action in actions)
    (HERE / "deleted" / "_delta_log" / f"{2:020}.json").write_text(lines)


def inline_vector(rows):
    """A descriptor with a portable RoaringTreemap of one array container, in base 85 (ZeroMQ's)."""
    bitmap = struct.pack("<IQIIIHHI", 1681511377, 1, 0, 12346, 1, 0, len(rows) - 1, 16)
    bitmap += b"".join(struct.pack("<H", row) for row in rows)
    size = len(bitmap)
    bitmap += b"\0" * (-size % 4)
    digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
    text = ""
    for (word,) in struct.iter_unpack(">I", bitmap):
        text += "".join(digits[word // 85**i % 85] for i in (4, 3, 2, 1, 0))
    return {"storageType": "i", "pathOrInlineDv": text, "sizeInBytes": size, "cardinality": len(rows)}


def sidecars():
    """The checkpoint of `evolved` as one of version 2: a manifest in JSON, its files in a sidecar."""
    out = HERE / "evolved-sidecars"
    shutil.rmtree(out, ignore_errors=True)
    (out / "_sidecars").mkdir(parents=True)
    classic = next((HERE / "evolved" / "_delta_log").glob("*.checkpoint.parquet"))
    rows = pq.read_table(classic)
    adds = [row for row in rows["add"].to_pylist() if row]
    kept = ["path", "partitionValues", "size", "modificationTime", "dataChange"]
    add = pa.struct([rows["add"].type.field(name) for name in kept])
    sidecar = out / "_sidecars" / "3a0d65cd-4056-49b8-937b-95f9e3ee90e5.parquet"
    pq.write_table(pa.table({"add": pa.array([{name: row[name] for name in kept} for row in adds], add)}), sidecar, **OPTIONS)
    features = ["v2Checkpoint"]
    protocol = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": features}
    meta = next(row for row in rows["metaData"].to_pylist() if row)
    meta["configuration"] = dict(meta["configuration"])
    meta["format"]["options"] = dict(meta["format"].get("options") or {})
    version = int(classic.name[:20])
    file = {"path": sidecar.name, "sizeInBytes": sidecar.stat().st_size, "modificationTime": 1_780_000_000_000}
    actions = [
        {"checkpointMetadata": {"version": version}},
        {"protocol": protocol},
        {"metaData": {key: value for key, value in meta.items() if value is not None}},
        {"sidecar": file},
    ]
    name = f"{version:020}.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json"
    (out / name).write_text("".join(json.dumps(action) + "\n" for action in actions))


for make in (appended, partitioned, evolved, with_deletions, sidecars):
    make()
for file in HERE.rglob(".*.crc"):
    file.unlink()
