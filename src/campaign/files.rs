//! The files of a campaign: a CSV for each list, which people open in spreadsheets, and the table of sides.

use std::io::{BufWriter, Write};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, Int64Array, LargeStringArray, RecordBatch, UInt64Array};
use arrow::compute::{cast, concat, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use rayon::prelude::*;

use super::candidates::whole;
use super::customers::CampaignCustomers;
use super::design::DesignFile;
use super::file::{CampaignFile, ListOptions};
use super::walk::ListMember;
use crate::error::{Error, ErrorKind, Result};
use crate::input::{RowGroup, ValueKind, whole_ids};
use crate::output::{Publication, TableWriter};

const ASSIGNMENTS: &str = "assignments.parquet";
/// The columns of the table of sides after the id.
const COLUMNS: [&str; 8] = ["list", "segment", "segment_id", "stage", "arm", "rank", "channel", "product"];
/// Members written at a time.
const BATCH: usize = 1 << 16;

/// What was written.
#[derive(Debug)]
pub(super) struct WrittenFiles {
    pub(super) lists: Vec<DesignFile>,
    pub(super) rows: u64,
    pub(super) blake3: String,
}

/// Writes the members of lists.
pub(super) struct FileWriter<'a> {
    pub(super) file: &'a CampaignFile,
    pub(super) customers: &'a CampaignCustomers,
    pub(super) publication: &'a Publication,
}

/// Columns of the customers who are in a list, in the order of their rows.
struct MemberColumns {
    rows: Vec<u64>,
    /// By position in the source.
    columns: Vec<(usize, ArrayRef)>,
}

impl FileWriter<'_> {
    pub(super) fn write(&self, members: &[Vec<ListMember>]) -> Result<WrittenFiles> {
        let gathered = self.gather(members)?;
        let schema = self.schema(&gathered)?;
        let file = self.publication.file(ASSIGNMENTS)?;
        let mut table = TableWriter::new(file, self.publication.shown(ASSIGNMENTS), schema.clone())?;
        let mut lists = Vec::new();
        for (i, (options, members)) in self.file.list.iter().zip(members).enumerate() {
            for some in members.chunks(BATCH) {
                let columns = gathered.of(some)?;
                table.push(self.assignments(&schema, options, some, &columns)?)?;
            }
            let name = format!("lists/{}.csv", options.name);
            self.csv(i, &name, members, &gathered)?;
            lists.push(DesignFile { blake3: self.hash(&name)?, path: name });
        }
        let (rows, _) = table.finish()?;
        Ok(WrittenFiles { lists, rows, blake3: self.hash(ASSIGNMENTS)? })
    }

    fn hash(&self, name: &str) -> Result<String> {
        let mut hasher = blake3::Hasher::new();
        let file = std::fs::File::open(self.publication.path(name));
        let hashed = file.and_then(|file| hasher.update_reader(file).map(|_| ()));
        hashed.map_err(|e| Error::io("read", &self.publication.shown(name), &e))?;
        Ok(hasher.finalize().to_hex().to_string())
    }

    /// The columns that any list shows, of all members.
    fn gather(&self, members: &[Vec<ListMember>]) -> Result<MemberColumns> {
        let customers = self.customers;
        let mut rows: Vec<u64> = members.iter().flatten().map(|member| member.row).collect();
        rows.par_sort_unstable();
        let own = [Some(customers.id), customers.segment, customers.segment_id, customers.stage];
        let shown = customers.used.iter().flat_map(|list| &list.shown);
        let mut wanted: Vec<usize> = own.into_iter().flatten().chain(shown.copied()).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let column = |at: usize| Ok((at, self.column(at, &rows)?));
        let columns = wanted.into_iter().map(column).collect::<Result<_>>()?;
        Ok(MemberColumns { rows, columns })
    }

    /// A column of some rows, which ascend.
    fn column(&self, at: usize, rows: &[u64]) -> Result<ArrayRef> {
        let source = &self.customers.source;
        let piece = |&group: &RowGroup| {
            let within = |row: u64| rows.partition_point(|&other| other < row);
            let here = &rows[within(group.first_row)..within(group.first_row + group.rows)];
            if here.is_empty() {
                return Ok(None);
            }
            let all = whole(source, group, at)?;
            let fault = |e| crate::input::fault(source, group, at, &format!("{e}"));
            let all = if at == self.customers.id { whole_ids(&all, group.first_row).map_err(fault)? } else { all };
            let places: UInt64Array = here.iter().map(|row| row - group.first_row).collect();
            take(&all, &places, None).map(Some).map_err(fault)
        };
        let pieces = source.row_groups().par_iter().with_max_len(1).map(piece).collect::<Result<Vec<_>>>()?;
        let pieces: Vec<&dyn Array> = pieces.iter().flatten().map(AsRef::as_ref).collect();
        concat(&pieces).map_err(|e| Error::Internal(format!("gathering the members of lists: {e}")))
    }

    fn schema(&self, gathered: &MemberColumns) -> Result<SchemaRef> {
        let id = &self.customers.source.columns()[self.customers.id].name;
        if COLUMNS.contains(&id.as_str()) {
            let text = format!("the column of ids is named {id:?}, as one of the table of sides is; rename it");
            return Err(Error::usage(text).of_columns([id]).of_kind(ErrorKind::Column));
        }
        let text = |name: &str, nullable| Field::new(name, DataType::LargeUtf8, nullable);
        let ids = gathered.get(self.customers.id)?.data_type().clone();
        Ok(Arc::new(Schema::new(vec![
            Field::new(id, ids, false),
            text("list", false),
            Field::new("segment", DataType::Int32, true),
            Field::new("segment_id", DataType::Int64, true),
            text("stage", true),
            text("arm", false),
            Field::new("rank", DataType::Int64, false),
            text("channel", true),
            text("product", true),
        ])))
    }

    /// Some rows of the table of sides.
    fn assignments(
        &self,
        schema: &SchemaRef,
        options: &ListOptions,
        members: &[ListMember],
        columns: &MemberColumns,
    ) -> Result<RecordBatch> {
        let n = members.len();
        let fail = |e| Error::Internal(format!("the table of sides: {e}"));
        let own = |at: Option<usize>, to: DataType| match at {
            Some(at) => cast(columns.get(at)?, &to).map_err(fail),
            None => Ok(arrow::array::new_null_array(&to, n)),
        };
        let constant = |text: Option<&str>| -> ArrayRef { Arc::new(LargeStringArray::from(vec![text; n])) };
        let arm = |member: &ListMember| Some(if member.is_control { "control" } else { "contact" });
        let arrays: Vec<ArrayRef> = vec![
            columns.get(self.customers.id)?.clone(),
            constant(Some(&options.name)),
            own(self.customers.segment, DataType::Int32)?,
            own(self.customers.segment_id, DataType::Int64)?,
            own(self.customers.stage, DataType::LargeUtf8)?,
            Arc::new(members.iter().map(arm).collect::<LargeStringArray>()),
            Arc::new(members.iter().map(|member| member.rank as i64).collect::<Int64Array>()),
            constant(options.channel.as_deref()),
            constant(options.product.as_deref()),
        ];
        RecordBatch::try_new(schema.clone(), arrays).map_err(fail)
    }

    /// The customers to contact, in order.
    fn csv(&self, list: usize, name: &str, members: &[ListMember], gathered: &MemberColumns) -> Result<()> {
        let (options, used, customers) = (&self.file.list[list], &self.customers.used[list], self.customers);
        let own = [Some(customers.id), customers.segment, customers.segment_id, customers.stage];
        let own: Vec<usize> = own.into_iter().flatten().collect();
        let further: Vec<usize> = used.shown.iter().copied().filter(|at| !own.contains(at)).collect();
        let constants = [("channel", &options.channel), ("product", &options.product), ("script", &options.script)];
        let constants: Vec<(&str, &str)> =
            constants.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect();
        let mut csv = SpreadsheetFile(BufWriter::new(self.publication.file(name)?));
        let title = |at: &usize| (customers.source.columns()[*at].name.clone(), false);
        let names = customers.names.as_ref();
        let mut header = vec![("position".to_owned(), false)];
        header.extend(own.iter().map(title));
        header.extend(names.map(|_| ("segment_name".to_owned(), false)));
        header.extend(constants.iter().map(|(name, _)| ((*name).to_owned(), false)));
        header.extend(further.iter().map(title));
        let fail = |e: std::io::Error| Error::io("write", &self.publication.shown(name), &e);
        csv.0.write_all("\u{feff}".as_bytes()).and_then(|()| csv.line(&header)).map_err(fail)?;
        let contacted: Vec<ListMember> = members.iter().filter(|member| !member.is_control).copied().collect();
        for (batch, some) in contacted.chunks(BATCH).enumerate() {
            let columns = gathered.of(some)?;
            let texts = |at: &usize| ColumnTexts::of(columns.get(*at)?);
            let own = own.iter().map(texts).collect::<Result<Vec<_>>>()?;
            let further = further.iter().map(texts).collect::<Result<Vec<_>>>()?;
            let segments = columns.segments(customers.segment)?;
            for row in 0..some.len() {
                let mut cells = vec![((batch * BATCH + row + 1).to_string(), true)];
                cells.extend(own.iter().map(|texts| texts.cell(row)));
                let named = |names: &Vec<String>| {
                    let segment = segments.as_ref().filter(|of| of.is_valid(row)).map(|of| of.value(row) as usize);
                    (segment.and_then(|at| names.get(at).cloned()).unwrap_or_default(), false)
                };
                cells.extend(names.map(named));
                cells.extend(constants.iter().map(|(_, value)| ((*value).to_owned(), false)));
                cells.extend(further.iter().map(|texts| texts.cell(row)));
                csv.line(&cells).map_err(fail)?;
            }
        }
        csv.0.flush().map_err(fail)
    }
}

impl MemberColumns {
    fn get(&self, column: usize) -> Result<&ArrayRef> {
        let found = self.columns.iter().find(|(at, _)| *at == column).map(|(_, array)| array);
        found.ok_or_else(|| Error::Internal("a column of lists was not gathered".into()))
    }

    /// The columns of some members, in their order.
    fn of(&self, members: &[ListMember]) -> Result<MemberColumns> {
        let rows: Vec<u64> = members.iter().map(|member| member.row).collect();
        let places: UInt64Array =
            rows.iter().map(|row| self.rows.partition_point(|other| other < row) as u64).collect();
        let taken = |(at, array): &(usize, ArrayRef)| {
            let array = take(array, &places, None);
            Ok((*at, array.map_err(|e| Error::Internal(format!("the members of lists: {e}")))?))
        };
        Ok(MemberColumns { columns: self.columns.iter().map(taken).collect::<Result<_>>()?, rows })
    }

    fn segments(&self, column: Option<usize>) -> Result<Option<Int32Array>> {
        let as_numbers = |at| {
            let array = cast(self.get(at)?, &DataType::Int32);
            let array = array.map_err(|e| Error::Internal(format!("the segments of lists: {e}")))?;
            Ok(array.as_primitive::<arrow::datatypes::Int32Type>().clone())
        };
        column.map(as_numbers).transpose()
    }
}

/// A column as text.
struct ColumnTexts {
    texts: LargeStringArray,
    is_number: bool,
}

impl ColumnTexts {
    fn of(array: &ArrayRef) -> Result<Self> {
        let is_number = ValueKind::of(array.data_type()) == ValueKind::Number;
        let texts = cast(array, &DataType::LargeUtf8)
            .map_err(|e| Error::input(format!("a column of a list cannot be written as text: {e}")))?;
        Ok(ColumnTexts { texts: texts.as_string::<i64>().clone(), is_number })
    }

    fn cell(&self, row: usize) -> (String, bool) {
        let text = if self.texts.is_valid(row) { self.texts.value(row) } else { "" };
        (text.to_owned(), self.is_number)
    }
}

/// A CSV file for spreadsheets: lines end with CR LF.
struct SpreadsheetFile<W: Write>(W);

impl<W: Write> SpreadsheetFile<W> {
    /// A line of cells; those that are numbers are written as they are.
    fn line(&mut self, cells: &[(String, bool)]) -> std::io::Result<()> {
        for (i, (text, is_number)) in cells.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(self.0, "{comma}{}", if *is_number { text.clone() } else { cell(text) })?;
        }
        self.0.write_all(b"\r\n")
    }
}

/// A text as a cell that no spreadsheet takes for a formula: an apostrophe goes before the signs that begin one.
fn cell(text: &str) -> String {
    let begins = |c: char| matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '＝' | '＋' | '－' | '＠');
    let is_formula = text.starts_with(begins) || text.trim_start().starts_with(begins);
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    match text.contains([',', '"', '\r', '\n']) || text.starts_with(' ') || text.ends_with(' ') {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_defused_and_marks_quoted() {
        for (text, expected) in [
            ("plain", "plain"),
            ("=1+1", "'=1+1"),
            ("+49 30", "'+49 30"),
            ("-5", "'-5"),
            ("@x", "'@x"),
            ("\tx", "'\tx"),
            ("\rx", "\"'\rx\""),
            (" =x", "' =x"),
            ("＝x", "'＝x"),
            ("a,b", "\"a,b\""),
            ("say \"a\"\nb", "\"say \"\"a\"\"\nb\""),
            ("=HYPERLINK(\"http://x\",\"y\")", "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\""),
            ("", ""),
        ] {
            assert_eq!(cell(text), expected, "{text:?}");
        }
    }
}
