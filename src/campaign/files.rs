//! The files of a campaign: a CSV for each list, which people open in spreadsheets, and the table of sides.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, LargeStringArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use rayon::prelude::*;

use super::customers::CampaignCustomers;
use super::design::DesignFile;
use super::file::{CampaignFile, ListOptions};
use super::gathered::MemberColumns;
use super::offers::NEXT_REASON;
use super::sheet::{ListSheet, SaidText, SheetLayout};
use super::walk::ListMember;
use crate::error::{Error, ErrorKind, Result};
use crate::input::id_type;
use crate::output::{Publication, TableWriter};

const ASSIGNMENTS: &str = "assignments.parquet";
/// The columns of the table of sides after the id.
const COLUMNS: [&str; 8] = ["list", "segment", "segment_id", "stage", "arm", "rank", CHANNEL, PRODUCT];
const CHANNEL: &str = "channel";
const PRODUCT: &str = "product";
/// Members written at a time.
const BATCH: usize = 1 << 16;
/// So many may always wait, whatever the limit of memory.
const LEAST_MEMBERS: u64 = 1 << 10;
/// Bytes assumed of a member while its columns are gathered, and of each of its columns.
const MEMBER_BYTES: u64 = 64;
const COLUMN_BYTES: u64 = 64;

/// What was written.
#[derive(Debug)]
pub(super) struct WrittenFiles {
    pub(super) lists: Vec<DesignFile>,
    pub(super) rows: u64,
    pub(super) blake3: String,
}

/// Writes the members of lists as they come, list after list. Their columns are gathered for many members at a time, in
/// one pass over the row groups that have them, so that members take a limited room.
pub(super) struct MemberFiles<'a> {
    file: &'a CampaignFile,
    customers: &'a CampaignCustomers,
    publication: &'a Publication,
    schema: SchemaRef,
    table: TableWriter,
    /// The file of the list begun last.
    sheet: Option<ListSheet<'a>>,
    lists: Vec<DesignFile>,
    /// Members of the list begun last, and of lists before it, by list.
    waiting: Vec<(usize, ListMember)>,
    /// The most of them.
    most: usize,
}

impl<'a> MemberFiles<'a> {
    /// Files in a publication; `memory` is how many bytes members may take.
    pub(super) fn new(
        file: &'a CampaignFile,
        customers: &'a CampaignCustomers,
        publication: &'a Publication,
        memory: u64,
    ) -> Result<Self> {
        let schema = schema(customers)?;
        let created = publication.file(ASSIGNMENTS)?;
        let table = TableWriter::new(created, publication.shown(ASSIGNMENTS), schema.clone())?;
        let (waiting, lists) = (Vec::new(), Vec::new());
        let mut files =
            MemberFiles { file, customers, publication, schema, table, sheet: None, lists, waiting, most: 0 };
        let bytes = MEMBER_BYTES + COLUMN_BYTES * files.wanted().len() as u64;
        files.most = (memory / bytes).clamp(LEAST_MEMBERS, u64::from(u32::MAX)) as usize;
        Ok(files)
    }

    /// Adds a member of a list; lists come in order.
    pub(super) fn push(&mut self, list: usize, member: ListMember) -> Result<()> {
        self.waiting.push((list, member));
        match self.waiting.len() >= self.most {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// Writes what is left.
    pub(super) fn finish(mut self) -> Result<WrittenFiles> {
        self.flush()?;
        self.begin(self.file.list.len())?;
        let (rows, _) = self.table.finish()?;
        let blake3 = hash(self.publication, ASSIGNMENTS)?;
        Ok(WrittenFiles { lists: self.lists, rows, blake3 })
    }

    /// Writes the waiting members.
    fn flush(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        if waiting.is_empty() {
            return Ok(());
        }
        let rows: Vec<u64> = waiting.iter().map(|(_, member)| member.row).collect();
        let gathered = MemberColumns::gather(self.customers, &rows, &self.wanted())?;
        let mut first = 0;
        for of_list in waiting.chunk_by(|a, b| a.0 == b.0) {
            self.begin(of_list[0].0)?;
            self.write(of_list, first, &gathered)?;
            first += of_list.len();
        }
        Ok(())
    }

    /// Ends the files of lists before this one, and begins its own.
    fn begin(&mut self, list: usize) -> Result<()> {
        let all = self.file.list.len();
        while self.lists.len() < list || (self.sheet.is_none() && list < all) {
            match self.sheet.take() {
                Some(sheet) => {
                    let path = sheet.finish()?;
                    self.lists.push(DesignFile { blake3: hash(self.publication, &path)?, path });
                }
                None => self.sheet = Some(ListSheet::new(self.publication, self.layout(self.lists.len()))?),
            }
        }
        Ok(())
    }

    /// Writes members of a list, which begin at `first` in the columns; a batch for each thread at a time.
    fn write(&mut self, members: &[(usize, ListMember)], mut first: usize, gathered: &MemberColumns) -> Result<()> {
        let options = &self.file.list[members[0].0];
        let Some(mut sheet) = self.sheet.take() else { return Err(Error::Internal("a list without a file".into())) };
        for wave in members.chunks(BATCH * rayon::current_num_threads().max(1)) {
            let mut before = sheet.contacted;
            let mut batches = Vec::new();
            for some in wave.chunks(BATCH) {
                let some: Vec<ListMember> = some.iter().map(|(_, member)| *member).collect();
                let contacted = some.iter().filter(|member| !member.is_control).count() as u64;
                let places = first..first + some.len();
                (before, first) = (before + contacted, places.end);
                batches.push((before - contacted, places, some));
            }
            let written = batches.par_iter().with_max_len(1).map(|(before, places, some)| {
                let columns = gathered.of(places.clone())?;
                let rows = self.assignments(options, some, &columns)?;
                Ok((rows, sheet.layout.lines(some, &columns, *before)?))
            });
            for (rows, lines) in written.collect::<Result<Vec<_>>>()? {
                self.table.push(rows)?;
                sheet.write(&lines)?;
            }
        }
        self.sheet = Some(sheet);
        Ok(())
    }

    /// The columns that any list shows.
    fn wanted(&self) -> Vec<usize> {
        let shown = self.customers.used.iter().flat_map(|list| &list.shown);
        let of_lists = self.file.list.iter().flat_map(|list| self.said(list));
        let said = of_lists.filter_map(|(_, said)| if let SaidText::Each(at) = said { Some(at) } else { None });
        let mut wanted: Vec<usize> = self.own().into_iter().chain(shown.copied()).chain(said).collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted
    }

    /// The columns that every list shows.
    fn own(&self) -> Vec<usize> {
        let customers = self.customers;
        let own = [Some(customers.id), customers.cells.segment, customers.segment_id, customers.cells.stage];
        own.into_iter().flatten().collect()
    }

    /// What the file of a list has.
    fn layout(&self, list: usize) -> SheetLayout<'a> {
        let (file, customers) = (self.file, self.customers);
        let (options, used, own) = (&file.list[list], &customers.used[list], self.own());
        let further = used.shown.iter().copied().filter(|at| !own.contains(at)).collect();
        SheetLayout { customers, name: format!("lists/{}.csv", options.name), own, further, said: self.said(options) }
    }

    /// How the customers of a list are contacted, what is offered to them, why, and what is said.
    fn said(&self, list: &'a ListOptions) -> Vec<(&'static str, SaidText<'a>)> {
        let all = |text: &'a Option<String>| text.as_deref().map(SaidText::All);
        let next = self.customers.next_product.filter(|_| list.offers_next());
        let said = [
            (CHANNEL, all(&list.channel).or(self.customers.next_channel.map(SaidText::Each))),
            (PRODUCT, next.map_or_else(|| all(&list.product), |(product, _)| Some(SaidText::Each(product)))),
            (NEXT_REASON, next.map(|(_, reason)| SaidText::Each(reason))),
            ("script", all(&list.script)),
        ];
        said.into_iter().filter_map(|(name, said)| Some((name, said?))).collect()
    }

    /// Some rows of the table of sides.
    fn assignments(
        &self,
        options: &'a ListOptions,
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
        let said = self.said(options);
        let text = |name: &str| match said.iter().find(|(of, _)| *of == name).map(|(_, said)| *said) {
            Some(SaidText::Each(at)) => cast(columns.get(at)?, &DataType::LargeUtf8).map_err(fail),
            Some(SaidText::All(text)) => Ok(constant(Some(text))),
            None => Ok(constant(None)),
        };
        let arm = |member: &ListMember| Some(if member.is_control { "control" } else { "contact" });
        let arrays: Vec<ArrayRef> = vec![
            columns.get(self.customers.id)?.clone(),
            constant(Some(&options.name)),
            own(self.customers.cells.segment, DataType::Int32)?,
            own(self.customers.segment_id, DataType::Int64)?,
            own(self.customers.cells.stage, DataType::LargeUtf8)?,
            Arc::new(members.iter().map(arm).collect::<LargeStringArray>()),
            Arc::new(members.iter().map(|member| member.rank as i64).collect::<Int64Array>()),
            text(CHANNEL)?,
            text(PRODUCT)?,
        ];
        RecordBatch::try_new(self.schema.clone(), arrays).map_err(fail)
    }
}

/// The columns of the table of sides.
fn schema(customers: &CampaignCustomers) -> Result<SchemaRef> {
    let id = &customers.source.columns()[customers.id];
    if COLUMNS.contains(&id.name.as_str()) {
        let name = &id.name;
        let text = format!("the column of ids is named {name:?}, as one of the table of sides is; rename it");
        return Err(Error::usage(text).of_columns([name]).of_kind(ErrorKind::Column));
    }
    let text = |name: &str, nullable| Field::new(name, DataType::LargeUtf8, nullable);
    Ok(Arc::new(Schema::new(vec![
        Field::new(&id.name, id_type(&id.data_type), false),
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

/// The blake3 of a written file.
fn hash(publication: &Publication, name: &str) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    let hashed = File::open(publication.path(name)).and_then(|file| hasher.update_reader(file).map(|_| ()));
    hashed.map_err(|e| Error::io("read", &publication.shown(name), &e))?;
    Ok(hasher.finalize().to_hex().to_string())
}
