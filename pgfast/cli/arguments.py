"""The arguments of `pgfast load`, and what its help says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Files: TypeAlias = Annotated[
    list[str], typer.Argument(help="Files, patterns and directories, loaded in this order; - is standard input.")
]
Table: TypeAlias = Annotated[str, typer.Option("--table", help="Table to load into, as in SQL: name or schema.name.")]
To: TypeAlias = Annotated[
    str, typer.Option("--to", help="Connection URI or keyword=value string; the PG* variables fill the gaps.")
]
Create: TypeAlias = Annotated[
    bool, typer.Option("--create", help="Create the table first, with columns and types taken from the first file.")
]
Mode: TypeAlias = Annotated[
    str, typer.Option("--mode", help="append; truncate: empty the table first; replace: load beside it, then swap.")
]
OnConflict: TypeAlias = Annotated[
    str | None, typer.Option("--on-conflict", help="Rows whose key is there: error, ignore or update.")
]
Key: TypeAlias = Annotated[
    str, typer.Option("--key", help="The columns of the key, separated by commas, else the primary key.")
]
MaxRejects: TypeAlias = Annotated[
    int | None, typer.Option("--max-rejects", min=0, help="Set so many bad rows aside; one more ends the load.")
]
RejectsFile: TypeAlias = Annotated[
    Path | None, typer.Option("--rejects", help="File for bad rows; without --max-rejects of any number.")
]
Resume: TypeAlias = Annotated[
    str | None, typer.Option("--resume", help="Name of a load that commits as it goes, and goes on where it was.")
]
Jobs: TypeAlias = Annotated[
    int, typer.Option("--jobs", "-j", min=1, max=256, help="Connections that load side by side.")
]
Memory: TypeAlias = Annotated[str, typer.Option("--memory", help="Memory for what is under way.")]
DeferIndexes: TypeAlias = Annotated[
    bool, typer.Option("--defer-indexes", help="Drop indexes and foreign keys; make them again behind the load.")
]
DryRun: TypeAlias = Annotated[bool, typer.Option("--dry-run", help="Read and check everything, and load nothing.")]
Columns: TypeAlias = Annotated[
    str, typer.Option("--columns", help="Columns to fill, separated by commas; NAME=COLUMN for other names.")
]
Format: TypeAlias = Annotated[
    str | None, typer.Option("--format", help="csv, jsonl, parquet or arrow, where content and name do not tell.")
]
Header: TypeAlias = Annotated[bool, typer.Option("--header/--no-header", help="CSV: the first line names the columns.")]
Delimiter: TypeAlias = Annotated[
    str | None, typer.Option("--delimiter", help="CSV: one character between values; else a comma, or what is found.")
]
Null: TypeAlias = Annotated[
    list[str] | None, typer.Option("--null", help="CSV: unquoted text that means NULL; may be given again.")
]
Quote: TypeAlias = Annotated[str, typer.Option("--quote", help="CSV: the character around values.")]
Escape: TypeAlias = Annotated[
    str | None, typer.Option("--escape", help="CSV: the character before a quote in quotes, else the quote.")
]
Decimal: TypeAlias = Annotated[str, typer.Option("--decimal", help="CSV: a comma where numbers have one.")]
Dates: TypeAlias = Annotated[str, typer.Option("--dates", help="CSV: iso, dmy, mdy or ymd.")]
SkipLines: TypeAlias = Annotated[int, typer.Option("--skip-lines", min=0, help="CSV: lines before the header.")]
Ragged: TypeAlias = Annotated[
    str, typer.Option("--ragged", help="CSV: error, or fill: fields that lack at the end are NULL.")
]
Encoding: TypeAlias = Annotated[
    str | None, typer.Option("--encoding", help="CSV, JSON: the file's encoding, else UTF-8 or what its mark says.")
]
AsJson: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print JSON: a report for each file, and how far it is.")
]
